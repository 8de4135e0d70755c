"""What the fuzzers (fuzz_reader.py, fuzz_atheris.py) found, each as the smallest file that shows it."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import torch
from fuzz_reader import examine, interesting_positions, mutate
from test_state_dict import TENSORS, layout

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError

NAME = "\x1b[2Jmain\n"


def stack(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    """A small DCGAN generator whose names hold control characters."""
    tensors = {"0.weight": torch.ones(3, 2, 4, 4), "1.running_mean": torch.ones(2), "1.running_var": torch.ones(2)}
    tensors |= {"1.weight": torch.ones(2), "1.bias": torch.ones(2), "2.weight": torch.ones(2, 1, 4, 4)}
    return {f"{NAME}.{name}": tensor for name, tensor in (tensors | changes).items() if tensor.numel()}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"1.weight": torch.ones(0)}, "is missing"),
        ({"1.weight": torch.ones(3)}, "has shape"),
        ({"1.weight": torch.ones(2, dtype=torch.int64)}, "holds int64"),
    ],
)
def test_names_in_messages_are_escaped(changes: dict[str, torch.Tensor], words: str, tmp_path: Path) -> None:
    torch.save({"netG": stack(**changes)}, tmp_path / "network.pt")
    with pytest.raises(DamagedCheckpointError, match=words) as caught:
        load_checkpoint(tmp_path / "network.pt")
    message = str(caught.value)
    assert message.isascii() and message.isprintable() and r"\x1b[2Jmain\x0a.1.weight" in message


@pytest.mark.parametrize("kind", ["stylegan2", "dcgan"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_damaged_state_dictionaries(zipped: bool, kind: str, tmp_path: Path) -> None:
    source, path, outcomes = tmp_path / "source.pt", tmp_path / "network.pt", Counter[str]()
    torch.save({"netG": layout(TENSORS) if kind == "stylegan2" else stack()}, source, _use_new_zipfile_serialization=zipped)
    data, positions = source.read_bytes(), interesting_positions(source)
    for number in range(100):
        path.write_bytes(mutate(data, positions, random.Random(f"{kind}-{number}")))
        outcomes[examine(path, tensors=number % 5 == 0)] += 1
    assert len(outcomes) >= 3 and outcomes["DamagedCheckpointError"] > 15, outcomes


def test_names_in_messages_of_the_writer_are_escaped(tmp_path: Path) -> None:
    shared = stack()
    torch.save({"netG": shared, "netG_tmp": dict(shared)}, tmp_path / "network.pt")
    loaded = load_checkpoint(tmp_path / "network.pt")
    loaded.generator.synthesis.first.affine.weight.mul_(2)
    with pytest.raises(UnsupportedCheckpointError, match="in the same bytes") as caught:
        save_checkpoint(loaded, tmp_path / "new.pt")
    message = str(caught.value)
    assert message.isascii() and message.isprintable() and r"\x1b[2Jmain\x0a.0.weight" in message
