"""What the program says, for tests that run it in this process (fixture `orojar`)."""

from __future__ import annotations

import json
from typing import Any


def document(outcome: tuple[int, str, str]) -> dict[str, Any]:
    """The one JSON document on stdout of a run (exit code, stdout, stderr) that went well."""
    code, out, err = outcome
    assert code == 0, err
    return json.loads(out)
