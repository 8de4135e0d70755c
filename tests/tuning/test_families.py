"""Mapping mode on the families other than plain StyleGAN2: networks with classes, StyleGAN3."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from paths import REFERENCES
from torch import nn

from orojar_cli import load_checkpoint
from orojar_cli.diagonaliser import normalise_by_trace, orojar_loss
from orojar_cli.directions import Settings
from orojar_cli.errors import OptionError
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.outputs import default_output
from orojar_cli.tuning.anchor import energy_distance
from orojar_cli.tuning.classes import AllClasses
from orojar_cli.tuning.mapping import MappingOptions, install_mapping, prepare, tune_mapping
from orojar_cli.tuning.rotation import find_rotation, fold_rotation
from orojar_cli.tuning.surrogate import coarse_images
from orojar_cli.tuning.watch import with_mapping

SMALL = MappingOptions(steps=4, regression_steps=20, surrogate_steps=40, images=600, frame_samples=8, batch=4, anchor_batch=96)
LONGER = MappingOptions(steps=200, regression_steps=600, surrogate_steps=800, images=2000, frame_samples=12, batch=16, anchor_batch=512)


def tuned(generator: Any, settings: Settings, options: MappingOptions) -> tuple[Any, nn.Module, float]:
    anchor, surrogate, unexplained = prepare(generator, settings, options)
    return anchor, tune_mapping(generator, anchor, surrogate, settings, options)[0], unexplained


@pytest.mark.slow
@pytest.mark.usefixtures("rough")
def test_classes_keep_their_own_frame(conditional) -> None:
    generator = conditional.generator
    settings = AllClasses.of(Settings(space="z", seed=2))
    anchor, mapping, _ = tuned(generator, settings, SMALL)
    assert anchor.offsets.shape == (generator.c_dim, generator.w_dim)
    for index in range(2):
        label = torch.eye(generator.c_dim)[index].expand(4000, -1)
        z = torch.randn(4000, generator.z_dim, generator=torch.Generator().manual_seed(index))
        with torch.no_grad():
            coordinates = anchor.of(generator.mapping.w(z, label))
        assert torch.allclose(coordinates.mean(0), anchor.offsets[index], atol=0.15)
    z, label, frozen, images = anchor.sample(64, lambda c: c[:, :3], torch.Generator().manual_seed(0))
    assert len(label.unique(dim=0)) == 1 and frozen.shape == (64, generator.w_dim) and images.shape == (32, 3)
    assert len(anchor.draw(64, torch.Generator().manual_seed(0))[1].unique(dim=0)) > 1
    assert any(not torch.equal(a, b) for a, b in zip(mapping.parameters(), generator.mapping.parameters(), strict=True))


@pytest.mark.slow
@pytest.mark.usefixtures("rough")
def test_the_frame_of_one_class_and_its_training(conditional) -> None:
    generator = conditional.generator
    settings = Settings(space="z", seed=2, class_index=1)
    anchor, mapping, _ = tuned(generator, settings, SMALL)
    assert bool((anchor.draw(8, torch.Generator(), focused=True)[1].argmax(1) == 1).all())
    before = generator.mapping.w_avg.clone()
    install_mapping(generator, mapping, settings)
    at = AllClasses.of(settings).latents(generator, 20_000, 9)
    mean = generator.mapping.w(at.z, at.label).mean(0)
    assert not torch.equal(before, generator.mapping.w_avg)
    assert torch.allclose(generator.mapping.w_avg, mean, atol=0.05 * float(generator.mapping.w(at.z, at.label).std()))
    with pytest.raises(OptionError, match="class from 0 to"):
        prepare(generator, replace(settings, class_index=99), SMALL)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "start"), [("sg2_cond_fp16_64", "rotation"), ("sg3_t_32", "frame")])
def test_the_held_out_loss_gets_better(name: str, start: str) -> None:
    """On networks of random weights, with a small budget, on the coarse image that is trained on; the images stay."""
    generator = load_checkpoint(REFERENCES / f"{name}.pkl").generator
    coarse = default_output(generator)
    settings = AllClasses.of(Settings(space="z", outputs=(coarse,), samples=96))
    at, cloud = settings.latents(generator, 8, 60), settings.latents(generator, 600, 61)

    def losses(network: Any) -> tuple[float, float]:
        grams = gram_matrices(Response(network, "z", outputs=(coarse,)), at, torch.eye(generator.z_dim))
        return orojar_loss(grams), orojar_loss(normalise_by_trace(grams))

    before = losses(generator)
    images = coarse_images(generator, generator.mapping.w(cloud.z, cloud.label))
    if start == "rotation":
        fold_rotation(generator, find_rotation(generator, settings).matrix)
    options = LONGER if start == "frame" else replace(LONGER, regression_steps=0, learning_rate=0.01)
    _, mapping, unexplained = tuned(generator, settings, options)
    assert 0 < unexplained < 0.9
    after = losses(with_mapping(generator, mapping))
    # The loss, which latents of large Jacobians dominate; the mean share of all latents at least does not get worse.
    assert after[0] < 0.9 * before[0] and after[1] < 1.05 * before[1]
    moved = coarse_images(generator, mapping.w(cloud.z, cloud.label))  # type: ignore[operator]
    spread = float((images[:300] - images[300:]).norm(dim=1).mean())
    assert float(energy_distance(moved[300:], images[:300])) < 0.02 * spread
