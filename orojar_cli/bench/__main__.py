"""`python -m orojar_cli.bench` is `orojar bench`."""

from __future__ import annotations

import sys

from orojar_cli.lazily import own

if __name__ == "__main__":
    own("cli", "main")(["bench", *sys.argv[1:]])
