from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from program import document

import orojar_cli
from orojar_cli.errors import OptionError


@pytest.fixture
def tiny_path(references: Path) -> Path:
    return references / "sg2_from_sg3_repo_16.pkl"


@pytest.mark.parametrize(
    ("line", "find"),
    [
        (("sefa", "--num", "3", "--layers", "0-2"), lambda network, **where: orojar_cli.sefa(network, num=3, layers=(0, 1, 2), **where)),
        (
            ("discover", "--samples", "8", "--num", "3", "--output", "image:8", "--subspace", "auto"),
            lambda network, **where: orojar_cli.discover(network, samples=8, num=3, outputs="image:8", subspace="auto", **where),
        ),
    ],
)
def test_a_discovery_is_the_command(line: tuple[str, ...], find, tiny, tiny_path: Path, orojar, rough: None) -> None:
    told = document(orojar(line[0], tiny_path, *line[1:], "--seeds", "0", "--device", "cpu", "--outdir", "shell", "--json"))
    found = find(tiny, seeds=(0,), outdir="notebook")
    assert told == json.loads(json.dumps(found.to_dict()).replace("notebook", "shell"))
    names = sorted(path.name for path in Path(told["run"]).iterdir())
    assert names == sorted(path.name for path in found.run.path.iterdir())
    for name in ("grid.png", "metrics.jsonl"):
        assert (Path(told["run"]) / name).read_bytes() == (found.run.path / name).read_bytes(), name
    shell, notebook = (orojar_cli.load_directions(path) for path in (told["directions"], found.run.directions))
    torch.testing.assert_close(shell.directions, notebook.directions, rtol=0, atol=0)
    assert (shell.options, shell.checkpoint) == (notebook.options, notebook.checkpoint)
    kept, again = (json.loads((folder / "run.json").read_text()) for folder in (Path(told["run"]), found.run.path))
    assert all(kept[name] == again[name] for name in ("command", "options", "checkpoint", "artefacts", "device"))


def test_without_a_folder_nothing_is_written(tiny, somewhere: Path, rough: None) -> None:
    found = orojar_cli.sefa(tiny, num=2, seeds=(0,))
    assert list(somewhere.iterdir()) == []
    assert found.run is None
    assert "run" not in found.to_dict()
    assert found.directions.checkpoint == tiny.sha256
    found.save("kept.safetensors")
    torch.testing.assert_close(orojar_cli.load_directions("kept.safetensors").directions, found.directions.directions, rtol=0, atol=0)
    found.save("grid.png")
    assert found._repr_html_().startswith('<img src="data:image/')


def test_whitening_is_the_methods_own_unless_it_is_said(tiny, rough: None) -> None:
    def options(method: str, **words: object) -> bool:
        return orojar_cli.discover(tiny, method, num=2, samples=8, seeds=(0,), **words).directions.options["whiten"]

    assert options("random") is True
    assert options("sefa") is False
    assert options("random", whiten=False) is False


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"method": "magic"}, "unknown method 'magic'"),
        ({"space": "q"}, "unknown space 'q'"),
        ({"method": "sefa", "space": "z"}, "the directions of sefa live in"),
        ({"options": {"steps": 3}}, "orojar has no option 'steps'"),
        ({"num": 0}, "--num 0 is not a whole number from 1"),
        ({"num": 2.5}, "--num 2.5 is not a whole number from 1"),
        ({"samples": 7}, "--samples 7 is not a whole number from 8"),
        ({"subspace": "most"}, "--subspace 'most' is neither a number nor auto"),
        ({"subspace": -1}, "--subspace -1"),
        ({"layers": (40,)}, "no layer 40"),
        ({"outputs": ("imge",)}, "unknown output 'imge'"),
        ({"class_index": 1}, "not conditional"),
        ({"noise_mode": "loud"}, "unknown noise mode 'loud'"),
        ({"resume": "00000-run"}, "give the outdir"),
    ],
)
def test_discover_refuses(tiny, somewhere: Path, words: dict, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        orojar_cli.discover(tiny, **{"seeds": (0,), **words})
    assert list(somewhere.iterdir()) == []


def test_a_refused_discovery_leaves_no_folder(tiny, somewhere: Path) -> None:
    with pytest.raises(OptionError, match="--subspace -1"):
        orojar_cli.discover(tiny, seeds=(0,), subspace=-1, outdir="runs")
    assert [path for path in somewhere.rglob("*") if path.name != "runs"] == []


def test_progress_and_notices_are_told(tiny, somewhere: Path, rough: None) -> None:
    stages: list[str] = []
    orojar_cli.discover(tiny, num=2, samples=8, seeds=(0,), outdir="runs", progress=lambda stage, done, total: stages.append(stage))
    assert stages[-1] == "drawing"
    assert len(set(stages)) > 1
    lines: list[str] = []
    orojar_cli.traverse("demo", dims=0, seeds=(0,), device="cpu", notice=lines.append)
    source = orojar_cli.resolve(device="cpu", outdir="runs", directions="sefa", notice=lines.append)
    assert source.checkpoint.sha256 == tiny.sha256
    assert [line.split(",")[0] for line in lines] == ["using the newest run", "using SeFa's directions"]


def test_a_budget_chooses_samples_or_steps(tiny, rough: None, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("orojar_cli.operations.discover.seconds_each", lambda *_: 1e-3)
    monkeypatch.setattr("orojar_cli.operations.discover.expected_seconds", lambda *_: 1.0)
    words = {"num": 2, "seeds": (0,), "notice": told.append}
    found = orojar_cli.discover(tiny, "orojar-sgd", budget="2s", **words)
    assert found.directions.options["steps"] == 3  # of 32 * 3 points, forward and backward, in a second
    assert "3 steps" in told[-1] and "about 2 s" in told[-1]
    found = orojar_cli.discover(tiny, budget=3.5, **words)
    samples = found.directions.options["samples"]
    assert 48 < samples < 1000 and f"{samples} samples" in told[-1]
    # More than there is: the least is measured, and said.
    found = orojar_cli.discover(tiny, budget=0.5, **words)
    assert found.directions.options["samples"] == 8 and "which is the least there is" in told[-1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"method": "sefa", "budget": 60}, "nothing that a time could choose"),
        ({"method": "hessian", "budget": 60, "options": {"steps": 3}}, "leave out one of the two"),
        ({"budget": "a while"}, "no duration"),
    ],
)
def test_a_budget_that_can_choose_nothing_is_refused(tiny, words: dict[str, object], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        orojar_cli.discover(tiny, **words)
