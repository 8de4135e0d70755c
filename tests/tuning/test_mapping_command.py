"""orojar finetune --mode mapping, with training cut short."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import REFERENCES
from PIL import Image

import orojar_cli
from orojar_cli import load_checkpoint
from orojar_cli.errors import OptionError
from orojar_cli.operations.mapping_settings import MappingSettings
from orojar_cli.tuning.mapping import MappingOptions
from orojar_cli.tuning.pace import Pace
from orojar_cli.tuning.state import TrainingState

NETWORK = REFERENCES / "sg2_from_sg3_repo_16.pkl"
BUDGET = ("--mode", "mapping", "--steps", 6, "--images", 2000, "--watch-every", 3, "--save-every", 2, "--max-shift", 100, "--seeds", 0)


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rough: None) -> None:
    """The warm start and the surrogate in no time, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    quick = functools.partial(MappingOptions, regression_steps=6, surrogate_steps=20, frame_samples=16, batch=4, anchor_batch=64)
    monkeypatch.setattr("orojar_cli.operations.mapping.MappingOptions", quick)
    # Measuring the network before and after is tested elsewhere.
    from orojar_cli.tuning import drift as guard

    monkeypatch.setattr("orojar_cli.operations.mapping.measure", functools.partial(guard.measure, samples=2))
    monkeypatch.setattr("orojar_cli.tuning.mapping._COMPARED_RANGE", (200, 200))


@contextlib.contextmanager
def interrupted_at(count: int) -> Iterator[None]:
    """Ctrl-C after so many savings of the training's state."""
    saves, save = [], TrainingState.save

    def interrupted(self: TrainingState, *arguments: object, **options: object) -> None:
        save(self, *arguments, **options)  # type: ignore[arg-type]
        saves.append(arguments)
        if len(saves) == count:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingState, "save", interrupted)
        yield


def pictures(folder: Path) -> Path:
    folder.mkdir()
    channels = load_checkpoint(NETWORK).generator.img_channels
    for index in range(3):
        Image.new("RGB" if channels == 3 else "L", (20, 16), 80 * index).save(folder / f"{index}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("start", "trained"), [("frame", 1), ("wide", 0)])
def test_a_run_with_every_option_leaves_its_log_and_resumes_to_the_same_bytes(orojar, tmp_path: Path, start: str, trained: int) -> None:
    """`trained`: the number of the stage that is watched, which the warm start precedes or the folding follows."""
    data = pictures(tmp_path / "data")
    command = ["finetune", NETWORK, *BUDGET, "--refine-steps", 3, "--layers-to-reg", 1, "--output", "image", "--data", data]
    command += ["--weight", 2, "--ramp", 2, "--start", start, "--json"]
    code, out, err = orojar(*command, "--tensorboard", "--outdir", tmp_path / "whole")
    assert code == 0, err
    run = Path(json.loads(out)["run"])
    records = [json.loads(line) for line in (run / "training.jsonl").read_text().splitlines()]
    seen = [record for record in records if "held_out" in record]
    assert [(record["stage"], record["step"]) for record in seen] == [(trained, 3), (trained, 6), (2, 3)]
    assert {"off_diagonal_share", "activeness", "latent_distance", "latent_floor", "image_distance", "critic_shift"} <= set(seen[0])
    assert sorted(file.name for file in (run / "strips").iterdir()) == ["refinement-000003.png", "step-000003.png", "step-000006.png"]
    with Image.open(run / "strips" / "step-000003.png") as strip:
        assert strip.width > 300 and strip.height > 200
    assert "step-000003: held-out loss" in err
    assert "drawing 2000 images on" in err and "then 35 steps of training" in err
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("held_out/total")] == [1, 2, 3]
    assert events.Scalars("image_distance")[2].value == pytest.approx(seen[2]["image_distance"], rel=1e-5)
    assert len(events.Images("strips")) == 3
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["options"]["refine_steps"] == 3 and manifest["options"]["data"] == str(data)

    with interrupted_at(14):
        code, _, err = orojar(*command, "--outdir", tmp_path / "cut")
    assert code == 130, err
    (cut,) = (tmp_path / "cut").iterdir()
    assert not (cut / "run.json").exists()
    code, _, err = orojar(*command, "--resume", cut)
    assert code == 0 and "then 35 steps" not in err, err
    for name in ("tuned.pkl", "training.jsonl"):
        assert (cut / name).read_bytes() == (run / name).read_bytes()


@pytest.mark.slow
def test_a_budget_chooses_steps_and_images_and_is_kept(orojar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that says a second for everything; what was begun goes on as it was, though everything is ten times as fast."""
    monkeypatch.setattr(
        "orojar_cli.tuning.pace._FEWEST",
        {"steps": 2, "regression_steps": 2, "settling_steps": 1, "surrogate_steps": 2, "frame_samples": 16},
    )
    monkeypatch.setattr("orojar_cli.operations.mapping.images_to_measure", lambda *_: 10.0)
    monkeypatch.setattr("orojar_cli.operations.mapping.measured_pace", lambda *_: Pace(0.0, 1.0, 1.0, 1.0))
    command = ["finetune", NETWORK, *BUDGET, "--budget", "17.9", "--json"]
    with interrupted_at(5):
        code, _, err = orojar(*command, "--outdir", tmp_path / "cut")
    # Half of 6 + 20 + 6 + 3 steps, of which those of the settling are longer, but for the moment before.
    assert code == 130 and "then 17 steps of training: about 15 s" in err, err
    monkeypatch.setattr("orojar_cli.operations.mapping.measured_pace", lambda *_: Pace(0.0, 0.1, 0.1, 0.1))
    code, out, err = orojar(*command, "--resume", *(tmp_path / "cut").iterdir())
    assert code == 0, err
    records = [json.loads(line) for line in (Path(json.loads(out)["run"]) / "training.jsonl").read_text().splitlines()]
    assert [(record["stage"], record["step"]) for record in records] == [(0, 3)]
    code, _, err = orojar(*command, "--resume", *(tmp_path / "cut").iterdir(), "--budget", "20")
    assert code == 2, err
    monkeypatch.setattr("orojar_cli.operations.mapping.measured_pace", lambda *_: Pace(0.0, 9.0, 9.0, 9.0))
    told: list[str] = []
    orojar_cli.finetune(NETWORK, "mapping", budget=5, mapping=MappingSettings(images=2000, max_shift=100), notice=told.append)
    assert any("then 7 steps of training: about 65 s, which is the least there is" in line for line in told)


@pytest.mark.slow
def test_training_stops_when_there_is_no_more_gain(orojar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orojar_cli.tuning.watch.has_stalled", lambda losses, patience: len(losses) > patience)
    code, out, err = orojar("finetune", NETWORK, *BUDGET, "--steps", 30, "--patience", 1, "--json")
    assert code == 0, err
    assert "no more gain" in err
    records = [json.loads(line) for line in (Path(json.loads(out)["run"]) / "training.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [3, 6, 9]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layers-to-reg", "1"), "give --refine-steps"),
        (("--refine-steps", "0", "--data", "."), "give --refine-steps"),
        (("--refine-steps", "1", "--layers-to-reg", "99"), "no such activations"),
        (("--data", "missing"), "neither a folder nor a readable zip"),
        (("--output", "nonsense"), "unknown output"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_any_work(orojar, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = orojar("finetune", NETWORK, *BUDGET, *arguments)
    assert code in (1, 2) and message in err and "Traceback" not in err


def test_tensorboard_is_an_extra(orojar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    code, _, err = orojar("finetune", NETWORK, *BUDGET, "--tensorboard")
    assert code == 1 and "orojar[tensorboard]" in err


@pytest.mark.slow
def test_the_command_under_torchrun_writes_and_prints_once(tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--", "orojar_cli"]
    budget = [*map(str, BUDGET), "--start", "rotation", "--device", "cpu", "--json", "--outdir", str(tmp_path / "runs")]
    done = subprocess.run(
        [*launcher, "finetune", str(NETWORK), *budget], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("wrote ") == 1 and done.stderr.count("step-000006") == 1
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads(done.stdout)["run"] == str(folder)
    assert (folder / "tuned.pkl").is_file() and (folder / "strips" / "step-000003.png").is_file()


@pytest.mark.slow
def test_images_that_move_further_than_the_limit_are_refused(orojar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a distance that is known: just above the limit, then just below it."""
    monkeypatch.setattr("orojar_cli.tuning.drift.image_distance", lambda a, b: a.new_tensor(0.0125))
    command = ["finetune", NETWORK, "--mode", "mapping", "--steps", 1, "--images", 2000, "--seeds", 0, "--outdir", tmp_path / "runs"]
    for limit in (("--max-shift", 0.0124), ()):  # by default it is 0.01
        code, out, err = orojar(*command, *limit)
        assert code == 1 and "moved by an energy distance of 0.0125" in err and "--max-shift" in err and not out
        assert not list((tmp_path / "runs").rglob("*.pkl"))
    code, _, err = orojar(*command, "--max-shift", 0.0126)
    assert code == 0, err
    assert len(list((tmp_path / "runs").rglob("tuned.pkl"))) == 1


def test_a_network_without_a_mapping_is_refused_before_any_work() -> None:
    told: list[str] = []
    with pytest.raises(OptionError, match="no mapping layers to train; use --mode rotation"):
        orojar_cli.finetune(REFERENCES / "fb_dcgan_64.pt", "mapping", notice=told.append)
    assert told == []
