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

from orojar_cli import load_checkpoint


def test_the_page_holds_what_the_committed_figures_render_to() -> None:
    results = json.loads(real_sizes.RESULTS.read_text())
    sizes = {f"finetune {resolution} {dims}" for sizes in real_sizes.GROWTH.values() for resolution, dims in sizes}
    assert set(results) <= set(real_sizes.COMMANDS) | sizes and all(found["seconds"] > 0 for found in results.values())
    assert f"<!-- benchmark: real sizes -->\n{real_sizes.table(results)}<!-- /benchmark -->" in real_sizes.PAGE.read_text()
    assert f"<!-- benchmark: growth of finetune -->\n{real_sizes.growth_table(results)}<!-- /benchmark -->" in real_sizes.PAGE.read_text()


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


def test_growth_is_measured_on_enlarged_networks_and_its_exponents_are_slopes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def measured(network: Path, words: list[str], threads: int) -> dict[str, float]:
        generator = load_checkpoint(network).generator
        seen.append((max(generator.image_shape), generator.z_dim))
        return {"processor": 2.0 * seen[-1][0] ** 0.5 * seen[-1][1] ** 0.25}

    monkeypatch.setattr(real_sizes, "measured", measured)
    monkeypatch.setattr(real_sizes, "GROWTH", {"by resolution": [(32, 64), (64, 64)], "by dimensions": [(32, 64), (32, 128)]})
    results: dict[str, dict[str, float]] = {}
    assert list(real_sizes.growth(results, 1)) == list(results) and seen == [(32, 64), (64, 64), (32, 128)]
    lines = real_sizes.growth_table(results).splitlines()
    assert lines[2] == "| by resolution | 32 to 64 | 32 s | 45 s | 0.50 |" and lines[3].endswith("| 0.25 |")
    list(real_sizes.growth(results, 1))
    assert len(seen) == 3
