"""The program: `orojar`, `python -m orojar_cli`, and what torchrun -m starts."""

from __future__ import annotations

import sys
import time

_BEGAN = time.time()


def main() -> None:
    """Run the command line; whoever interrupts it while it is still being imported gets no traceback either."""
    try:
        from orojar_cli.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    run(began=_BEGAN)


if __name__ == "__main__":
    main()
