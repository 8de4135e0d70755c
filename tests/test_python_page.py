"""docs/python.md runs as it stands, from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from paths import ROOT

SECTIONS = re.split(r"^## ", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
# Fine-tuning and a page of films take longer than everything else together.
_LONG = ("7.", "8.")


def blocks(section: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def run(sections: list[str]) -> dict[str, Any]:
    """The names that the blocks of these sections leave."""
    names: dict[str, Any] = {"__name__": "page"}
    for section in sections:
        for block in blocks(section):
            exec(compile(block, f"docs/python.md, {section.splitlines()[0]}", "exec", dont_inherit=True), names)
    return names


def test_there_are_ten_things() -> None:
    assert [int(section.partition(".")[0]) for section in SECTIONS] == list(range(1, 11)) and all(map(blocks, SECTIONS))


@pytest.mark.slow
def test_what_is_quick_runs(somewhere: Path) -> None:
    names = run([section for section in SECTIONS if not section.startswith(_LONG)])
    for file in ("samples.png", "directions.safetensors", "walk.gif", "w.npz"):
        assert (somewhere / file).stat().st_size > 100, file
    assert names["checkpoint"].sha256.startswith("4f84c750926b") and names["logits"].shape == (2, 1)
    assert len(names["own"].directions) == 3 and float(names["loss"].detach()) > 0


@pytest.mark.slow
def test_the_whole_page_runs(somewhere: Path) -> None:
    names = run(SECTIONS)
    assert names["tuned"].numbers["loss_after"] < names["tuned"].numbers["loss_before"]
    assert (somewhere / "tuned.pkl").exists() and (somewhere / "report.html").exists() and len(names["numbers"].measurements) == 5


@pytest.mark.slow
def test_the_readme_s_block_runs(somewhere: Path) -> None:
    (block,) = blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    names: dict[str, Any] = {"__name__": "page", "z": torch.randn(2, 64, generator=torch.Generator().manual_seed(0))}
    exec(compile(block, "README.md", "exec", dont_inherit=True), names)
    assert (somewhere / "walk.gif").stat().st_size > 1000 and names["edited"].shape == (2, 3, 32, 32)
