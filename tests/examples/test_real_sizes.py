"""The table of what commands take on a large network, and the measuring of one command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

sys.path.insert(0, str(ROOT / "examples" / "benchmark"))
import real_sizes


def test_the_page_holds_what_the_committed_figures_render_to() -> None:
    results = json.loads(real_sizes.RESULTS.read_text())
    assert set(results) <= set(real_sizes.COMMANDS) and all(found["seconds"] > 0 for found in results.values())
    assert f"<!-- benchmark: real sizes -->\n{real_sizes.table(results)}<!-- /benchmark -->" in real_sizes.PAGE.read_text()


def test_the_table_says_what_is_missed_and_what_is_missing() -> None:
    found = {"seconds": 31.4, "processor": 55.0, "mib": 2048.0, "threads": 2}
    lines = real_sizes.table({"sefa": found, "finetune": found}).splitlines()
    assert lines[2] == "| `sefa` | 31 s | 55 s | 30 s, missed | 2.0 GiB |"
    assert lines[4] == "| `finetune` | 31 s | 55 s | 3 min | 2.0 GiB |"
    assert lines[3].startswith("| `discover --method orojar` | not measured |")


def test_a_command_is_measured_as_a_process(shapes_path: Path) -> None:
    found = real_sizes.measured(shapes_path, ["inspect", "NETWORK"], 1)
    assert 0 < found["processor"] < 60 and found["seconds"] > 0 and found["mib"] > 5
    with pytest.raises(subprocess.CalledProcessError):
        real_sizes.measured(shapes_path, ["inspect", "nowhere.pkl"], 1)
