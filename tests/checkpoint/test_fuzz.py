"""Thousands of wrong files: the reader answers each with success or one of its own errors, never a crash or a hang."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pickle_assembler as pa
import pytest
import torch
from fuzz_reader import examine, interesting_positions, mutate, random_instructions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pickle_assembler import Call, Global, Module, Opcodes, SetOf

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.containers.constructors import read_pickle
from orojar_cli.containers.file import CheckpointFile
from orojar_cli.errors import CheckpointError

DAMAGED = [f"{name}.pkl" for name in ("sg2_cond_fp16_64", "sg2_from_sg3_repo_16", "sg2_resnet_gray_16", "sg2_skip_32")]
DAMAGED += ["tf_orojar_progan_32.pkl", "fb_pgan_32.pt", "fb_dcgan_64.pt", "orojar_simplegan_64.pth"]
DAMAGED += ["genforce_stylegan2_32.pth", "tf_stylegan1_32.pkl", "rosinality_sg1_32.model", "tf_pggan_32.pkl"]


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_references(name: str, references: Path, tmp_path: Path) -> None:
    source = references / name
    data, positions = source.read_bytes(), interesting_positions(source)
    path, outcomes = tmp_path / "network.pkl", Counter[str]()
    for number in range(150):
        path.write_bytes(mutate(data, positions, random.Random(f"{name}-{number}")))
        outcomes[examine(path, tensors=number % 5 == 0)] += 1
    assert len(outcomes) >= 3 and outcomes["DamagedCheckpointError"] > 15, outcomes


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [3, 4])
def test_damaged_small_checkpoints(protocol: int, tmp_path: Path) -> None:
    source = pa.write(tmp_path / "source.pkl", pa.checkpoint(), protocol)
    data, positions = source.read_bytes(), interesting_positions(source)
    path, outcomes = tmp_path / "network.pkl", Counter[str]()
    for number in range(350):
        path.write_bytes(mutate(data, positions, random.Random(f"{protocol}-{number}")))
        outcomes[examine(path, tensors=number % 5 == 0)] += 1
    assert len(outcomes) >= 3 and outcomes["DamagedCheckpointError"] > 100, outcomes


@pytest.mark.slow
def test_damaged_safetensors(references: Path, tmp_path: Path) -> None:
    source, path = tmp_path / "own.safetensors", tmp_path / "network.safetensors"
    save_checkpoint(load_checkpoint(pa.write(tmp_path / "network.pkl", pa.checkpoint())), source)
    data, positions = source.read_bytes(), interesting_positions(source)
    outcomes = Counter[str]()
    for number in range(300):
        path.write_bytes(mutate(data, positions, random.Random(number)))
        outcomes[examine(path, tensors=number % 5 == 0)] += 1
    assert outcomes["DamagedCheckpointError"] > 100, outcomes


@pytest.mark.slow
def test_changed_weights_are_still_weights(references: Path, tmp_path: Path) -> None:
    source, path = references / "sg2_resnet_gray_16.pkl", tmp_path / "network.pkl"
    data, hidden = source.read_bytes(), set(interesting_positions(source))
    rng = random.Random(7)
    inside = [position for position in range(len(data)) if position not in hidden]
    outcomes = Counter[str]()
    for _ in range(40):
        out = bytearray(data)
        out[rng.choice(inside)] ^= 1 << rng.randrange(8)
        path.write_bytes(out)
        outcomes[examine(path)] += 1
    # A flipped bit gives another number; only in an exponent or a filter can it make one that is refused.
    assert outcomes["read"] > 25 and outcomes["UnsafeCheckpointError"] == 0, outcomes


# --- wrong values in a right container ------------------------------------------------------------------------------------------


def odd_value(rng: random.Random) -> Any:
    cycle: list[Any] = []
    cycle.append(cycle)
    return rng.choice(
        (
            None, True, False, 0, 1, -1, 255, 2**31, 2**63, -(2**63), 2**79 - 1, 0.0, -0.0, 1e308, float("nan"), float("inf"), "", "x",
            "\x1b[2J", "\u202e", "G" * 5000, "lrelu", "skip", b"", b"abc", (), (1,), (0, 2**40), [], [1, 3, 3, 1], {}, {"a": {}}, cycle,
            SetOf(["a"]), Global("numpy", "ndarray"), pa.ordered_dict(), pa.tensor_of(torch.zeros(2)), pa.tensor_of(torch.zeros(())),
            pa.tensor_of(torch.full((8,), float("nan"))), pa.tensor_of(torch.zeros(8, dtype=torch.int64)), pa.generator().call,
            Module("SynthesisLayer").call, Opcodes(pa.text("y")), pa.storage_of(torch.zeros(3)),
        )
    )  # fmt: skip


def places(value: Any, seen: set[int]) -> list[tuple[Any, Any]]:
    """Every (container, key) in the tree that could hold something else."""
    if id(value) in seen:
        return []
    seen.add(id(value))
    found: list[tuple[Any, Any]] = []
    if type(value) is dict:
        for key, item in value.items():
            found += [(value, key), *places(item, seen)]
    elif type(value) is Call:
        found.append((value, "arguments"))
        for item in value.arguments if type(value.arguments) is tuple else ():
            found += places(item, seen)
    return found


def disturb(container: Any, key: Any, rng: random.Random) -> None:
    if type(container) is Call:
        arguments = list(container.arguments) if type(container.arguments) is tuple else [container.arguments]
        if arguments and rng.random() < 0.8:
            arguments[rng.randrange(len(arguments))] = odd_value(rng)
        else:
            arguments.append(odd_value(rng))
        container.arguments = tuple(arguments)
    elif rng.random() < 0.15:
        container.pop(key, None)
    elif rng.random() < 0.15:
        container[rng.choice(("w_avg", "weight", "_forward_hooks", "extra", "_modules", "architecture"))] = odd_value(rng)
    else:
        container[key] = odd_value(rng)


@pytest.mark.slow
def test_wrong_values_in_a_right_container(tmp_path: Path) -> None:
    path, outcomes = tmp_path / "network.pkl", Counter[str]()
    for number in range(350):
        rng = random.Random(f"values-{number}")
        value = {"D": pa.critic().call, "G_ema": pa.generator().call, "training_set_kwargs": {"path": "x"}}
        found = places(value, set())
        # Values of the root modules are few among the many of the tree, and decide the most.
        deciding = {"_init_kwargs", "class_name", "z_dim", "c_dim", "img_resolution", "architecture", "activation"}
        options = [place for place in found if place[1] in deciding]
        for _ in range(rng.choice((1, 1, 2))):
            disturb(*rng.choice(options if rng.random() < 0.25 else found), rng)
        pa.write(path, value, rng.choice((3, 4)))
        outcomes[examine(path, tensors=number % 3 == 0)] += 1
    # Some changes do not matter, and each class but "not a checkpoint" is the right answer to others.
    assert {"read", "DamagedCheckpointError", "UnsafeCheckpointError", "UnsupportedCheckpointError"} == set(outcomes), outcomes


# --- random instructions ---------------------------------------------------------------------------------------------------------


def read(data: bytes, path: Path) -> str:
    path.write_bytes(data)
    try:
        read_pickle(CheckpointFile(path))
    except CheckpointError as error:
        return type(error).__name__
    return "read"


@pytest.mark.slow
def test_random_instructions(tmp_path: Path) -> None:
    outcomes = Counter(read(random_instructions(random.Random(number)), tmp_path / "x.pkl") for number in range(2000))
    assert {"DamagedCheckpointError", "UnsafeCheckpointError", "read"} <= set(outcomes), outcomes


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "x.pkl"


@settings(suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=200), protocol=st.integers(0, 6))
def test_random_bytes(scratch: Path, data: bytes, protocol: int) -> None:
    assert read(bytes([0x80, protocol]) + data, scratch)
    scratch.write_bytes(data)
    assert examine(scratch)


_TEXT = st.text(max_size=20)
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**79), 2**79 - 1) | st.floats() | _TEXT | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


def plain(value: Any) -> Any:
    """What the reader made of a plain value, its byte strings fetched from the file."""
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    if type(value) is dict:
        return {key: plain(item) for key, item in value.items()}
    return value.read() if hasattr(value, "read") else value


@settings(suppress_health_check=list(HealthCheck))
@given(value=_PLAIN, protocol=st.sampled_from((3, 4)))
def test_plain_values_are_read_as_they_were_written(scratch: Path, value: Any, protocol: int) -> None:
    scratch.write_bytes(pa.assemble(value, protocol))
    assert repr(plain(read_pickle(CheckpointFile(scratch)))) == repr(value)
