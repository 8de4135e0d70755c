from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from orojar_cli.errors import OptionError
from orojar_cli.response.outputs import Output
from orojar_cli.runs.resume import Partial
from orojar_cli.tuning.adversary import Adversary
from orojar_cli.tuning.dataset import TrainingPictures
from orojar_cli.tuning.mapping import tune_mapping
from orojar_cli.tuning.refinement import RefinementOptions, outputs_of_layers, refinement
from orojar_cli.tuning.state import TrainingState
from orojar_cli.tuning.watch import Watch, with_mapping

REFINING = RefinementOptions(steps=4, batch=3, dims=3, outputs=(Output("image", 8), Output("b", 8)))


@pytest.fixture
def pictures(tmp_path: Path) -> TrainingPictures:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(4):
        Image.new("RGB", (32, 32), (60 * index, 255 - 60 * index, 40)).save(folder / f"{index}.png")
    return TrainingPictures(folder, (3, 32, 32))


@pytest.mark.slow
def test_everything_at_once_resumes_bit_by_bit(prepared, settings, quick, shapes, pictures, tmp_path: Path) -> None:
    """Penalty with a ramp, refinement on two outputs, critic, watch: interrupted in the refinement, then continued."""
    generator, anchor, surrogate, _ = prepared
    options = replace(quick, regression_steps=4, steps=4, penalty="hessian", ramp=3)
    records: list[dict[str, Any]] = []

    def run(state: TrainingState, stop: int | None = None) -> tuple[torch.nn.Module, list[dict[str, Any]], Adversary]:
        adversary = Adversary(generator, shapes.critic, pictures, batch=4)
        observers = [lambda record, _: records.append(record)]
        watch = Watch(generator, anchor, surrogate, settings, every=2, images=32, critic=shapes.critic, observers=observers)

        def progress(stage: str, done: int, total: int) -> None:
            if stage == "refinement" and done == stop:
                raise KeyboardInterrupt

        stage = refinement(generator, anchor, surrogate, options, REFINING, adversary)
        return *tune_mapping(generator, anchor, surrogate, settings, options, progress, state, (stage,), watch), adversary

    whole, history, adversary = run(TrainingState())
    assert [(record["stage"], record["step"]) for record in records] == [(1, 2), (1, 4), (2, 2), (2, 4)]
    for name in ("orojar_loss", "off_diagonal_share", "latent_distance", "latent_floor", "image_distance", "image_floor", "critic_shift"):
        assert np.isfinite(records[-1][name])
    assert len(records[-1]["activeness"]) == 64 and set(records[-1]["held_out"]) == {"total", "hessian", "images", "latents", "critic"}
    path = tmp_path / "state.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run(TrainingState(Partial(path), every=3), 4)
    again, resumed, opponent = run(TrainingState(Partial(path), every=3))
    assert resumed == history
    for ours, theirs in ((whole, again), (adversary.critic, opponent.critic)):
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(adversary.critic.parameters(), shapes.critic.parameters(), strict=True))


@pytest.mark.slow
def test_gradients_through_the_generator_lower_the_penalty(prepared, quick) -> None:
    """Without anchors, on one batch: the off-diagonal share of the first axes falls, on the image and on activations."""
    generator, anchor, surrogate, _ = prepared
    options = replace(quick, image_weight=0.0, latent_weight=0.0)
    losses = refinement(generator, anchor, surrogate, options, REFINING).losses
    mapping = copy.deepcopy(generator.mapping).requires_grad_(True)
    optimiser = torch.optim.Adam(mapping.parameters(), 0.05)
    seen = []
    for step in range(15):
        parts = losses(mapping, step, torch.Generator().manual_seed(5))
        assert torch.allclose(parts["total"], parts["orojar"])
        seen.append(float(parts["orojar"].detach()))
        optimiser.zero_grad()
        parts["total"].backward()
        optimiser.step()
    assert seen[-1] < 0.7 * seen[0]


def test_the_critic_learns_to_tell_pictures_from_images(prepared, shapes, pictures) -> None:
    generator = prepared[0]
    adversary = Adversary(generator, shapes.critic, pictures, batch=8)
    original = copy.deepcopy(shapes.critic.state_dict())
    logits = [adversary.step(generator.mapping, step, torch.Generator().manual_seed(step)) for step in range(12)]
    gaps = [entry["critic_real"] - entry["critic_fake"] for entry in logits]
    assert np.mean(gaps[-3:]) > gaps[0] + 1
    assert all(torch.equal(shapes.critic.state_dict()[name], tensor) for name, tensor in original.items())
    mapping = copy.deepcopy(generator.mapping).requires_grad_(True)
    adversary.loss(mapping, torch.Generator().manual_seed(0)).backward()
    assert all(float(parameter.grad.abs().sum()) > 0 for parameter in mapping.parameters())
    assert all(parameter.grad is None or not parameter.requires_grad for parameter in adversary.critic.parameters())


def test_a_critic_in_pieces_learns_the_same(prepared, shapes, pictures) -> None:
    """One group at a time, with R1 at the first step: the same logits, the same critic, the same gradient for the mapping."""
    generator = prepared[0]
    mapping = copy.deepcopy(generator.mapping).requires_grad_(True)
    found = []
    for at_once in (None, 1):
        adversary = Adversary(generator, shapes.critic, pictures, batch=8)
        adversary.images_at_once = at_once
        steps = [adversary.step(mapping, step, torch.Generator().manual_seed(step)) for step in range(2)]
        logits = [{name: float(value) for name, value in step.items()} for step in steps]
        slopes = torch.autograd.grad(adversary.loss(mapping, torch.Generator().manual_seed(2)), list(mapping.parameters()))
        found.append((logits, torch.cat([slope.flatten() for slope in slopes])))
    (whole, slope), (pieced, again) = found
    assert whole == [pytest.approx(logits, rel=1e-3) for logits in pieced]
    assert torch.allclose(slope, again, atol=1e-3 * float(slope.abs().max()))


def test_data_is_refused_where_it_cannot_be_used(conditional, shapes, pictures) -> None:
    with pytest.raises(OptionError, match="has none"):
        Adversary(shapes.generator, None, pictures)
    with pytest.raises(OptionError, match="classes are not known"):
        Adversary(conditional.generator, conditional.critic or torch.nn.Identity(), pictures)


def test_layers_to_reg_are_blocks(shapes) -> None:
    assert outputs_of_layers(shapes.generator, (0, 1, 2)) == (Output("b", 4), Output("b", 8))
    with pytest.raises(OptionError, match="layers-to-reg 99"):
        outputs_of_layers(shapes.generator, (1, 99))


def test_another_mapping_in_a_generator_leaves_the_first_alone(shapes) -> None:
    generator = shapes.generator
    mapping = copy.deepcopy(generator.mapping)
    view = with_mapping(generator, mapping)
    assert view.mapping is mapping and generator.mapping is not mapping
    assert view.synthesis is generator.synthesis


def test_the_frozen_mapping_is_as_far_from_itself_as_its_own_samples(prepared, settings) -> None:
    """The tuned and the frozen network are looked at in latents of their own, so nothing has the distance nought."""
    generator, anchor, surrogate, _ = prepared
    record = Watch(generator, anchor, surrogate, settings, images=64).measure(generator.mapping)
    for name in ("latent", "image"):
        assert record[f"{name}_distance"] == pytest.approx(record[f"{name}_floor"])
    assert record["latent_floor"] > 1e-4
