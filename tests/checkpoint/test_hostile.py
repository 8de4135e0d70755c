"""Hostile files are answered with the right class of error, quickly, in little memory, and nothing in them runs."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile_files import CASES, Case, first_of_each_kind
from pickle_assembler import checkpoint, generator, tensor_of, write
from reader_process import run_reader

from orojar_cli import load_checkpoint
from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.checkpoint.info import describe
from orojar_cli.errors import CheckpointError, UnsafeCheckpointError


def examine(path: Path) -> None:
    """Everything a user can ask of a file, the critic by name: commands do without one that is not read."""
    contents = read_contents(path)
    describe(contents)
    loaded = load_checkpoint(path)
    loaded.critic  # noqa: B018
    if contents.entries.get("D") is not None:
        contents.network("D")


def assert_presentable(error: Exception, named: str = "-") -> None:
    """`named` is what the file itself mentions and the message repeats."""
    message = str(error).replace(named, "NAME")
    assert message.isascii() and message.isprintable(), message
    assert 20 <= len(message) <= 300, message
    assert not any(word in message for word in ("weights_only", "pickle.load", "torch.load", "trust", "Traceback")), message


LIGHT = [case for case in CASES if case.memory == 64]
HEAVY = [case for case in CASES if case.memory != 64]


def of_each_kind(cases: list[Case]) -> list[Any]:
    """The cases as parameters: three of each kind by default, all of them in the slow tier."""
    few = first_of_each_kind(cases)
    return [pytest.param(case, id=case.name, marks=() if case in few else pytest.mark.slow) for case in cases]


@pytest.mark.parametrize("case", of_each_kind(LIGHT))
def test_hostile_file_is_refused(case: Case, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "network.pkl"
    path.write_bytes(case.build(str(canary)))
    tracemalloc.start()
    began = time.monotonic()
    try:
        with pytest.raises(CheckpointError) as caught:
            examine(path)
        seconds = time.monotonic() - began
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.type is case.error, f"{caught.type.__name__}: {caught.value}"
    assert caught.value.exit_code == (3 if case.error is UnsafeCheckpointError else 1)
    assert_presentable(caught.value, case.name.partition("/")[2])
    assert seconds < 20
    assert peak < (case.memory << 20)
    assert not canary.exists()


@pytest.mark.parametrize("case", of_each_kind(HEAVY))
def test_file_that_asks_for_much_is_refused_in_bounded_time_and_memory(case: Case, tmp_path: Path) -> None:
    # In a process of its own: what is measured is its whole peak, the interpreter included.
    path = tmp_path / "network.pkl"
    path.write_bytes(case.build(str(tmp_path / "canary")))
    (report,) = run_reader([path])
    assert report["error"] == case.error.__name__, report
    assert_presentable(case.error(report["message"]))
    assert report["seconds"] < 20
    assert report["peak_mib"] < case.memory
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("protocol", [3, 4])
def test_the_unaltered_checkpoint_is_read(protocol: int, tmp_path: Path) -> None:
    loaded = load_checkpoint(write(tmp_path / "network.pkl", checkpoint(), protocol))
    assert loaded.generator(torch.zeros(2, 8)).shape == (2, 3, 8, 8)
    assert loaded.critic is not None and loaded.critic(torch.zeros(4, 3, 8, 8)).shape == (4, 1)


def test_a_payload_in_the_source_text_is_never_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    module = generator()
    for name in ("", "mapping", "synthesis.b4"):
        module.at(name).meta["module_src"] = f"import os\nos.system('touch {canary}')\nraise SystemExit\n"
    path = write(tmp_path / "network.pkl", checkpoint(module))
    loaded = load_checkpoint(path)
    loaded.generator(torch.zeros(1, 8))
    assert loaded.info.source_known is False
    assert not canary.exists()


def test_weights_whose_sum_overflows_are_finite(tmp_path: Path) -> None:
    module = generator()
    module.replace("mapping.w_avg", tensor_of(torch.full((8,), 3e38)))
    assert bool((load_checkpoint(write(tmp_path / "network.pkl", checkpoint(module))).generator.mapping.w_avg == 3e38).all())


def test_a_payload_text_that_only_looks_like_code_is_data(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    kwargs = {"class_name": "os.system", "path": f"touch {canary}", "__class__": "subprocess.Popen"}
    examine(write(tmp_path / "network.pkl", checkpoint(training_set_kwargs=kwargs)))
    assert not canary.exists()


def test_a_refused_file_stays_refused_under_any_name(tmp_path: Path) -> None:
    data = next(case for case in CASES if case.name == "payload/as_the_whole_file").build(str(tmp_path / "canary"))
    for name in ("network.pkl", "network.pt", "network.bin", "network.safetensors", "network.json", "network"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnsafeCheckpointError):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "canary").exists()


def test_every_class_of_error_occurs_among_the_cases() -> None:
    assert len({case.error for case in CASES}) == 4
    assert len(CASES) > 350
