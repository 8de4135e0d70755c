"""A program for tests: stages of work on a terminal, with a word in between."""

from __future__ import annotations

from orojar_cli.cli.console import progress_bar, say

if __name__ == "__main__":
    with progress_bar() as progress:
        for stage in range(12):
            for done in range(3):
                progress(f"stage {stage}", done + 1, 3)
            progress(f"stage {stage}", 3, 3)
            if stage == 5:
                say("a word in between")
        progress("stage 0", 3, 3)
