"""What does not fit a generator is refused with one sentence, in every family; truncation goes by both of its names."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from orojar_cli import load_checkpoint
from orojar_cli.errors import OptionError
from orojar_cli.generators.own.adapt import adapt

REFERENCES = Path(__file__).parent.parent / "references"
FILES = {"StyleGAN2": "sg2_cond_fp16_64.pkl", "StyleGAN3": "sg3_t_32.pkl", "ProGAN": "fb_pgan_32.pt"}


class Own(nn.Module):
    z_dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 16)

    def forward(self, z: Tensor) -> Tensor:
        return self.layer(z).reshape(-1, 1, 4, 4)


@pytest.fixture(params=[*FILES, "own"])
def generator(request: pytest.FixtureRequest):
    return adapt(Own(), "toys:Own") if request.param == "own" else load_checkpoint(REFERENCES / FILES[request.param]).generator


def points(generator, count: int = 2) -> tuple[Tensor, Tensor | None]:
    z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(0))
    return z, torch.eye(generator.c_dim)[:1].repeat(count, 1) if generator.c_dim else None


def test_latents_that_do_not_fit_are_refused(generator) -> None:
    z, label = points(generator)
    for wrong, message in (
        (z[:, :-1], r"z must be a tensor \[N"),
        (z[0], r"z must be a tensor \[N"),
        (z.numpy(), "z must be a tensor"),
        (z.long(), "z holds numbers of the type int64"),
        (z.to("meta"), r"z is on meta, the network on cpu: use z.to\(generator.device\)"),
    ):
        with pytest.raises(OptionError, match=message):
            generator(wrong, label)


def test_labels_that_do_not_fit_are_refused(generator) -> None:
    z, label = points(generator)
    if label is None:
        with pytest.raises(OptionError, match="not conditional: leave out the label"):
            generator.mapping(z, torch.ones(2, 1))
        return
    for wrong, message in ((None, "give a class from 0"), (label[:, :-1], "as a label"), (label[:1], "1 labels for 2 latents")):
        with pytest.raises(OptionError, match=message):
            generator.mapping(z, wrong)


def test_ws_that_do_not_fit_are_refused(generator) -> None:
    ws = generator.mapping(*points(generator))
    for wrong, message in (
        (ws[:, 0], r"ws must be a tensor \[N"),
        (torch.cat([ws, ws], 1), r"ws must be a tensor \[N"),
        (ws.int(), "ws holds numbers of the type int32"),
        (ws.to("meta"), "ws is on meta"),
    ):
        with pytest.raises(OptionError, match=message):
            generator.synthesis(wrong)


def test_numbers_of_another_format_are_named_before_torch_does() -> None:
    generator = load_checkpoint(REFERENCES / FILES["StyleGAN3"]).generator
    with pytest.raises(OptionError, match=r"z holds float64, the network float32: use z.to\(torch.float32\)"):
        generator(points(generator)[0].double())


def test_truncation_goes_by_both_names(generator) -> None:
    z, label = points(generator)
    ws, w = generator.mapping(z, label, 0.5, 1), generator.mapping.w(z, label)
    assert torch.equal(generator.mapping(z, label, truncation_psi=0.5, truncation_cutoff=1), ws)
    assert torch.equal(generator.mapping.broadcast(w, truncation_psi=0.5, truncation_cutoff=1), ws)
    assert torch.equal(generator(z, label, truncation_psi=0.5), generator(z, label, 0.5))
    assert not torch.equal(ws, generator.mapping(z, label))
    assert torch.equal(generator.mapping(z, label, 0.5, truncation_psi=0.5), generator.mapping(z, label, 0.5))
    for wrong, message in (
        ({"psi": 1.0, "truncation_psi": 0.5}, "psi = 1.0 and truncation_psi = 0.5 are the same option"),
        ({"cutoff": 0, "truncation_cutoff": 1}, "cutoff = 0 and truncation_cutoff = 1 are the same option"),
        ({"psi": float("nan")}, "psi = nan: truncation needs a finite number"),
    ):
        with pytest.raises(OptionError, match=message):
            generator(z, label, **wrong)


def test_a_generator_knows_its_file_and_a_changed_one_has_none() -> None:
    path = REFERENCES / FILES["StyleGAN3"]
    generator = load_checkpoint(path).generator
    assert generator.sha256 == copy.deepcopy(generator).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    generator.identity = ""
    assert generator.sha256 == "" and generator.device == torch.device("cpu")
