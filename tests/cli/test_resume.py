from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from interrupts import hear_interrupts

from orojar_cli import load_checkpoint, load_directions
from orojar_cli.directions import METHODS, Settings
from orojar_cli.response.outputs import default_output
from orojar_cli.runs.resume import PARTIAL, Partial

SETTINGS = [
    "--method",
    "orojar-sgd",
    "--space",
    "z",
    "--num",
    "4",
    "--set",
    "batch=2",
    "--set",
    "steps=60",
    "--seeds",
    "0",
    "--device",
    "cpu",
]


def discover(checkpoint: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "orojar_cli", "discover", str(checkpoint), *SETTINGS, "--outdir", str(folder), *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment, preexec_fn=hear_interrupts, **pipes)


def finished(process: subprocess.Popen[str], code: int = 0) -> str:
    """What it said."""
    _, told = process.communicate()
    assert process.returncode == code, told
    return told


@pytest.mark.slow
def test_an_interrupted_discover_goes_on_to_the_same_directions(shapes, shapes_path: Path, tmp_path: Path) -> None:
    with discover(shapes_path, tmp_path) as broken:
        assert broken.stderr is not None
        for line in broken.stderr:
            if line.startswith("optimising"):
                break
        time.sleep(0.1)
        broken.send_signal(signal.SIGINT)
        told = broken.stderr.read()
    assert broken.returncode == 130
    (run,) = (tmp_path).iterdir()
    assert f"--resume {run}" in told
    assert [file.name for file in run.iterdir()] == [PARTIAL]

    other = discover(shapes_path, tmp_path, "--resume", str(run), "--seed", "1")
    assert "other settings" in finished(other, code=2)
    finished(discover(shapes_path, tmp_path, "--resume", str(run)))
    assert not (run / PARTIAL).exists()
    found = load_directions(run / "directions.safetensors")
    options = {"batch": 2, "steps": 60}
    alone = METHODS["orojar-sgd"](shapes.generator, Settings("z", num=4, outputs=(default_output(shapes.generator),), options=options))
    assert found.directions.equal(alone.directions) and found.activeness.equal(alone.activeness)


@pytest.mark.slow
def test_an_interrupted_command_says_how_to_go_on_and_goes_on(orojar, references: Path, tmp_path: Path, monkeypatch) -> None:
    """In this process, interrupted at a step of the optimisation."""
    path, runs = references / "sg2_from_sg3_repo_16.pkl", tmp_path / "runs"
    write = Partial.write

    def interrupted(self: Partial, name: str, tensors: dict[str, torch.Tensor]) -> None:
        write(self, name, tensors)
        if name == "optimisation" and int(tensors["step"]) == 20:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Partial, "write", interrupted)
        code, _, err = orojar("discover", path, *SETTINGS, "--outdir", runs)
    (run,) = runs.iterdir()
    assert code == 130 and f"--resume {run}" in err
    assert [file.name for file in run.iterdir()] == [PARTIAL]
    code, _, err = orojar("discover", path, *SETTINGS, "--outdir", runs, "--resume", run, "--seed", 1)
    assert code == 2 and "other settings" in err
    code, _, err = orojar("discover", path, *SETTINGS, "--outdir", runs, "--resume", run)
    assert code == 0 and not (run / PARTIAL).exists(), err
    generator = load_checkpoint(path).generator
    options = {"batch": 2, "steps": 60}
    alone = METHODS["orojar-sgd"](generator, Settings("z", num=4, outputs=(default_output(generator),), options=options))
    found = load_directions(run / "directions.safetensors")
    assert found.directions.equal(alone.directions) and found.activeness.equal(alone.activeness)


def test_a_refused_command_leaves_no_folder(orojar, references: Path, tmp_path: Path) -> None:
    code, _, err = orojar("discover", references / "sg2_from_sg3_repo_16.pkl", *SETTINGS, "--layers", 40, "--outdir", tmp_path / "runs")
    assert code == 2 and "no layer 40" in err
    assert not list((tmp_path / "runs").glob("*"))


@pytest.mark.slow
def test_sefa_continues_too(shapes_path: Path, tmp_path: Path) -> None:
    """It measures sigma and activeness, says how to continue, and takes the option that it names."""
    command = [sys.executable, "-m", "orojar_cli", "sefa", str(shapes_path), "--num", "40", "--device", "cpu", "--outdir", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts) as broken:
        assert broken.stderr is not None
        for line in broken.stderr:
            if line.startswith("activeness"):
                break
        broken.send_signal(signal.SIGINT)
        told = broken.stderr.read()
    assert broken.returncode == 130
    (run,) = tmp_path.iterdir()
    assert f"--resume {run}" in told
    done = subprocess.run([*command, "--resume", str(run)], capture_output=True, text=True)
    assert done.returncode == 0 and (run / "directions.safetensors").exists(), done.stderr
