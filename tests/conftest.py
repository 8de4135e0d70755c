from __future__ import annotations

import functools
import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, is_hypothesis_test, settings
from paths import REFERENCES, ROOT

# Laws have examples: a few in the default tests, many in the slow ones, the same at every run.
settings.register_profile("quick", derandomize=True, max_examples=25, database=None, deadline=None)
settings.register_profile("slow", settings.get_profile("quick"), max_examples=400, suppress_health_check=[HealthCheck.too_slow])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--torch-seed", type=int, default=0, help="torch starts every test with it; bounds must hold for any")
    parser.addoption("--stop-at", type=float, default=math.inf, help="seconds since 1970 from when on tests are skipped as not checked")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("slow" if config.option.markexpr == "slow" else "quick")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Laws are tests of both tiers."""
    for item in items:
        if config.option.markexpr == "slow" and is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("slow")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test's numbers must not depend on the tests that ran before it in the same process, nor those of the fixtures that it shares."""
    if time.time() > item.config.getoption("--stop-at"):
        pytest.skip("NOT CHECKED: the time is up")
    torch.manual_seed(item.config.getoption("--torch-seed"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    torch.manual_seed(item.config.getoption("--torch-seed"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """The networks are small, and two threads that wait for each other on a busy machine are up to fifty times slower than one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def references() -> Path:
    """Small checkpoints in the real containers, each with the outputs the original code gives (`.npz`)."""
    return REFERENCES


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def orojar(somewhere: Path, capsys: pytest.CaptureFixture[str]):
    """Run the program in this process, in an empty folder: (exit code, stdout, stderr)."""
    from orojar_cli.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def run(orojar):
    """Run a command that must succeed, and give the document that it prints with --json."""

    def run(*arguments: object) -> dict[str, Any]:
        code, out, err = orojar(*arguments, "--json")
        assert code == 0, err
        document: dict[str, Any] = json.loads(out)
        return document

    return run


def loaded(path: Path):
    """A checkpoint with networks of its own; the file is read and checked once for all tests."""
    from orojar_cli.checkpoint.checkpoint import Checkpoint

    return Checkpoint(contents(path), torch.device("cpu"))


@functools.cache
def contents(path: Path):
    from orojar_cli.checkpoint.contents import read_contents

    return read_contents(path)


@pytest.fixture(scope="session")
def shapes_path() -> Path:
    return ROOT / "checkpoints" / "shapes32.pkl"


@pytest.fixture
def shapes(shapes_path: Path):
    return loaded(shapes_path)


@pytest.fixture(scope="session")
def yardstick_path() -> Path:
    """An earlier network of the shapes world, with G beside D and G_ema: what bounds on results were measured on."""
    return REFERENCES / "shapes32_first.pkl"


@pytest.fixture
def yardstick(yardstick_path: Path):
    return loaded(yardstick_path)


@pytest.fixture
def tiny():
    """The smallest reference: 16 pixels, 16 dimensions, 6 layers; its weights are random."""
    return loaded(REFERENCES / "sg2_from_sg3_repo_16.pkl")


@pytest.fixture
def conditional():
    return loaded(REFERENCES / "sg2_cond_fp16_64.pkl")


@pytest.fixture
def rough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured at few latents: activeness, which only orders and weighs directions, and the distance of images."""
    monkeypatch.setattr("orojar_cli.directions.frame._ACTIVENESS_SAMPLES", 4)
    monkeypatch.setattr("orojar_cli.tuning.rotation.ACTIVENESS_SAMPLES", 4)
    monkeypatch.setattr("orojar_cli.tuning.mapping._COMPARED_RANGE", (1000, 512))


@pytest.fixture
def little_training(monkeypatch: pytest.MonkeyPatch, rough: None) -> None:
    """Mapping mode's warm start and surrogate, and the network that predicts dimensions, in no time, wherever they are called from."""
    from orojar_cli.measures.predictability import PROTOCOLS
    from orojar_cli.tuning.mapping import MappingOptions

    few = {"regression_steps": 6, "surrogate_steps": 20, "frame_samples": 16, "batch": 4, "anchor_batch": 64}
    monkeypatch.setattr(MappingOptions, "__init__", functools.partialmethod(MappingOptions.__init__, **few))
    monkeypatch.setitem(PROTOCOLS, "small", replace(PROTOCOLS["small"], pairs=300, epochs=2, runs=2))
