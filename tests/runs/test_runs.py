"""Run folders: a manifest is data that anybody may have changed, and one damaged run does not hide the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orojar_cli.errors import InputFileError
from orojar_cli.runs.run import DIRECTIONS, MANIFEST, RunWriter, latest_run, load_run

CHECKPOINT = {"path": "a.pkl", "sha256": "0" * 64}


def made(outdir: Path) -> Path:
    run = RunWriter(outdir, "sefa", "a.pkl")
    (run.path / DIRECTIONS).write_bytes(b"")
    return run.finish(options={}, checkpoint=CHECKPOINT, device="cpu", artefacts={"directions": DIRECTIONS}).path


@pytest.mark.parametrize(
    "change",
    [
        {"artefacts": []},
        {"artefacts": None},
        {"artefacts": {"checkpoint": 3}},
        {"artefacts": {"checkpoint": "a\0b"}},
        {"checkpoint": "a.pkl"},
        {"checkpoint": {"path": 3, "sha256": ""}},
        {"checkpoint": {"sha256": ""}},
        {"checkpoint": CHECKPOINT | {"url": []}},
        {"argv": "sefa"},
        {"argv": [3]},
        {"options": []},
        {"seconds": "3"},
        {"versions": {"torch": 2}},
        {"format": "orojar-run-2"},
    ],
)
def test_a_manifest_of_another_form_is_refused(change: dict, tmp_path: Path) -> None:
    run = made(tmp_path)
    manifest = json.loads((run / MANIFEST).read_text())
    assert load_run(run).manifest == manifest
    (run / MANIFEST).write_text(json.dumps(manifest | change))
    with pytest.raises(InputFileError, match=r"run\.json is not the manifest of a run"):
        load_run(run)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"format": NaN}', "\x00\xff"])
def test_what_is_no_json_of_a_run_is_refused(text: str, tmp_path: Path) -> None:
    run = made(tmp_path)
    (run / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputFileError, match=r"run\.json is not the manifest of a run"):
        load_run(run)


def test_a_damaged_newest_run_is_passed_over_and_named(tmp_path: Path) -> None:
    first, second = made(tmp_path), made(tmp_path)
    (second / MANIFEST).write_text("{")
    told: list[str] = []
    found = latest_run(tmp_path, told.append)
    assert found is not None and found.path == first
    assert len(told) == 1 and str(second / MANIFEST) in told[0]
    (first / MANIFEST).write_text("{")
    assert latest_run(tmp_path) is None and made(tmp_path).name.startswith("00002-")
