"""Where the tests' files are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
REFERENCES = Path(__file__).parent / "references"
