"""Training the mapping on the generator itself: the loss of the most active axes on images or activations, without a surrogate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from orojar_cli.distributed import joined, own
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.response.outputs import Output, default_output
from orojar_cli.response.recomputation import pieces, recomputed
from orojar_cli.tuning.adversary import Adversary
from orojar_cli.tuning.anchor import Anchor
from orojar_cli.tuning.estimators import HESSIAN_DRAWS, axis_grams, hessian_of_axes
from orojar_cli.tuning.mapping import MappingOptions, anchor_losses, off_diagonal_share
from orojar_cli.tuning.surrogate import Surrogate
from orojar_cli.tuning.training import Stage, ramp


@dataclass(frozen=True)
class RefinementOptions:
    """`dims`: the axes counted, from the first of the frame on; `outputs`: responses whose losses are averaged (default: the coarse
    image); `anchor`: how many times as heavy the anchors are as in the training before, whose samples are not as noisy."""

    steps: int = 0
    learning_rate: float = 0.01
    batch: int = 12
    dims: int = 10
    outputs: tuple[Output, ...] = ()
    anchor: float = 4.0
    critic_weight: float = 0.1


def refinement(
    generator: Generator,
    anchor: Anchor,
    surrogate: Surrogate,
    training: MappingOptions,
    options: RefinementOptions,
    adversary: Adversary | None = None,
) -> Stage:
    """A stage for `tune_mapping`: the penalty of `training` on the generator's own outputs, the same anchors, and the critic's part
    where there is an `adversary`.  Where the memory for it all would be much, responses are recomputed for their gradient."""
    outputs = options.outputs or (default_output(generator),)
    dims = min(options.dims, generator.z_dim)

    def losses(mapping: Any, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        z, label = anchor.draw(options.batch, rng, focused=True)

        def draw(points: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
            ws = mapping(points, labels)
            return tuple(output(generator, ws) for output in outputs)

        if training.penalty == "hessian":
            few = pieces(generator, outputs, HESSIAN_DRAWS * len(own(z)))
            penalty = hessian_of_axes(recomputed(draw, few and few[0]), z, label, dims, rng)
        else:
            grams = axis_grams(draw, own(z), own(label), dims, at_once=pieces(generator, outputs, len(own(z)), dims))
            penalty = torch.stack([off_diagonal_share(joined(part, len(z))) for part in grams]).mean()
        held = anchor_losses(mapping, anchor, surrogate, training, rng)
        total = training.orojar_weight * ramp(step, training.ramp) * penalty
        total = total + options.anchor * (training.image_weight * held["images"] + training.latent_weight * held["latents"])
        parts = {training.penalty: penalty} | held
        if adversary is not None:
            parts["critic"] = adversary.loss(mapping, rng)
            total = total + options.critic_weight * parts["critic"]
        return {"total": total} | parts

    return Stage("refinement", options.steps, options.learning_rate, losses, companion=adversary)


def outputs_of_layers(generator: Generator, layers: tuple[int, ...]) -> tuple[Output, ...]:
    """The blocks' features that entries of ws drive, as outputs; raises OptionError for an entry that drives none."""
    if not layers:
        return ()
    resolutions = {layer.ws: layer.resolution for layer in generator.config.layers()}
    missing = [layer for layer in layers if layer not in resolutions]
    if missing or not hasattr(generator.synthesis, "run"):
        raise OptionError(f"--layers-to-reg {[*missing, *layers][0]}: no such activations in this network")
    return tuple(Output("b", size) for size in dict.fromkeys(resolutions[layer] for layer in layers))
