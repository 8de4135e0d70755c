"""Programs that are to be interrupted by a test."""

from __future__ import annotations

import signal


def hear_interrupts() -> None:
    """In a child before it starts: shells make what they run in the background deaf to Ctrl-C, and children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
