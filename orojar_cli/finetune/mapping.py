"""Fine-tuning all mapping layers: the meaning of good W directions moves into the axes of z, the images stay as they are.

Warm start: the mapping is regressed onto w = mean + z A, where the rows of A are the OroJaR directions of whitened w (one sigma each).
Then it is trained on the OroJaR loss of its axes (Wei et al. 2021, eq. 4-6, normalised per sample, over all of z) and on the
independent-mechanism contrast of the most active ones (Gresele et al. 2021), both through a surrogate of the coarse image, while two
anchors hold the distribution: the energy distance of coarse images and the sliced Wasserstein distance of w to the frozen mapping's.
Without them the loss would be lowest where nothing happens.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jacfwd, vmap

from orojar_cli.activeness import activeness
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.orojar import orojar
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import OptionError
from orojar_cli.finetune.anchor import energy_distance, random_projections, sliced_wasserstein
from orojar_cli.finetune.rotation import fold_rotation, z_directions
from orojar_cli.finetune.state import TrainingState
from orojar_cli.finetune.surrogate import Surrogate, coarse_images, train_surrogate
from orojar_cli.generators.protocol import Generator
from orojar_cli.jacobian import Response
from orojar_cli.outputs import Output, default_output
from orojar_cli.progress import Progress

_DATA_STREAM, _ORDER_STREAM = 50, 70
_ORDER_SAMPLES, _AVERAGE_SAMPLES = 24, 50_000
_REGRESSION_BATCH, _REGRESSION_RATE = 2048, 0.2
# Mapping weights are stored divided by their learning-rate multiplier of 0.01, so rates look a hundred times too large.
_BETAS = (0.9, 0.99)


@dataclass(frozen=True)
class MappingOptions:
    """How long and how hard to train; the weights multiply losses that are all of order 0.01 to 1."""

    steps: int = 1500
    regression_steps: int = 2500
    surrogate_steps: int = 4000
    images: int = 24_000
    batch: int = 48
    anchor_batch: int = 1536
    learning_rate: float = 0.05
    orojar_weight: float = 1.0
    contrast_weight: float = 0.1
    contrast_dims: int = 8
    image_weight: float = 4.0
    latent_weight: float = 1.0


@dataclass(frozen=True)
class Anchor:
    """The frozen mapping seen in the frame: w = mean + c A, c = (w - mean) A^-1, and what its w and coarse images look like."""

    mean: Tensor
    frame: Tensor
    inverse: Tensor
    weights: Tensor
    coordinates: Tensor
    images: Tensor

    def of(self, w: Tensor) -> Tensor:
        """Coordinates [N, D] of w [N, w_dim]."""
        return (w - self.mean) @ self.inverse


def prepare(
    generator: Generator, settings: Settings, options: MappingOptions, progress: Progress | None = None
) -> tuple[Anchor, Surrogate, float]:
    """(anchor, surrogate, the surrogate's unexplained share): everything that depends on the frozen generator alone.

    Raises OptionError for networks without a mapping and for conditional ones, whose w differ from class to class.
    """
    if not hasattr(generator.mapping, "layers"):
        raise OptionError("this network has no mapping layers to train; use --mode rotation")
    if generator.c_dim:
        raise OptionError("training the mapping of a conditional network is not supported; use --mode rotation --class N")
    output: Output = default_output(generator)
    directions = orojar(generator, Settings(space="w", num=None, samples=96, seed=settings.seed, subspace=10, outputs=(output,)), progress)
    if len(directions) < generator.w_dim:
        raise OptionError(f"w varies along {len(directions)} of its {generator.w_dim} dimensions only; use --mode rotation")
    frame = (directions.directions * directions.sigma.unsqueeze(1)).to(generator.mapping.w_avg)
    with torch.no_grad():
        w = generator.mapping.w(settings.latents(generator, options.images, _DATA_STREAM).z)
    images = coarse_images(generator, w, output, progress)
    weights = (directions.activeness / directions.activeness.max()).clamp_min(1e-5).sqrt().to(frame)
    inverse = torch.linalg.inv(frame.double()).to(frame)
    mean = w.mean(0)
    coordinates = (w - mean) @ inverse
    surrogate, unexplained = train_surrogate(coordinates, images, settings, options.surrogate_steps, progress)
    return Anchor(mean, frame, inverse, weights, coordinates, images), surrogate, unexplained


def tune_mapping(
    generator: Generator,
    anchor: Anchor,
    surrogate: Surrogate,
    settings: Settings,
    options: MappingOptions,
    progress: Progress | None = None,
    state: TrainingState | None = None,
) -> tuple[nn.Module, list[dict[str, float]]]:
    """(the tuned mapping, losses every 50 steps).  The generator given is not changed.

    With a `state` training continues from where it was saved and saves as it goes; every step draws its samples from the seed and its own
    number, so an interrupted and resumed run ends exactly where an uninterrupted one does.
    """
    mapping: Any = copy.deepcopy(generator.mapping).requires_grad_(True)
    state = state or TrainingState()
    history: list[dict[str, float]] = state.history
    stages = ((_regress, options.regression_steps, _REGRESSION_RATE), (_train, options.steps, options.learning_rate))
    for number, (loss_of, steps, rate) in enumerate(stages):
        if number < state.stage:
            continue
        optimiser = torch.optim.Adam(mapping.parameters(), rate, betas=_BETAS)
        first = state.restore(mapping, optimiser)
        for step in range(first, steps):
            for group in optimiser.param_groups:
                group["lr"] = rate * (0.05 + 0.475 * (1 + math.cos(math.pi * step / steps)))
            rng = torch.Generator().manual_seed(settings.seed * 1_000_003 + (number + 1) * 10_000_019 + step)
            losses = loss_of(mapping, anchor, surrogate, options, rng)
            optimiser.zero_grad()
            losses["total"].backward()
            optimiser.step()
            if step % 50 == 49:
                history.append({"stage": number, "step": step + 1} | {name: float(value.detach()) for name, value in losses.items()})
            state.save(mapping, optimiser, number, step + 1, last=step + 1 == steps)
            if progress is not None:
                progress(("warm start", "training")[number], step + 1, steps)
    mapping.requires_grad_(False)
    return mapping, history


def _regress(mapping: Any, anchor: Anchor, surrogate: Surrogate, options: MappingOptions, rng: torch.Generator) -> dict[str, Tensor]:
    z = torch.randn(_REGRESSION_BATCH, mapping.config.z_dim, generator=rng).to(anchor.mean)
    target = z[:, : len(anchor.frame)]
    target = torch.nn.functional.pad(target, (0, len(anchor.frame) - target.shape[1]))
    return {"total": ((anchor.of(mapping.w(z)) - target) * anchor.weights).square().sum(1).mean()}


def _train(mapping: Any, anchor: Anchor, surrogate: Surrogate, options: MappingOptions, rng: torch.Generator) -> dict[str, Tensor]:
    z = torch.randn(options.batch, mapping.config.z_dim, generator=rng).to(anchor.mean)
    columns = vmap(jacfwd(lambda point: surrogate(anchor.of(mapping.w(point.unsqueeze(0))))[0]))(z)
    grams = columns.transpose(1, 2) @ columns
    z = torch.randn(options.anchor_batch, mapping.config.z_dim, generator=rng).to(anchor.mean)
    coordinates = anchor.of(mapping.w(z))
    chosen = torch.randint(0, len(anchor.coordinates), (options.anchor_batch,), generator=rng).to(anchor.mean.device)
    half = options.anchor_batch // 2
    projections = random_projections(anchor.weights, 128, rng)
    losses = {
        "orojar": off_diagonal_share(grams),
        "contrast": mechanism_contrast(grams[:, : options.contrast_dims, : options.contrast_dims]),
        "images": energy_distance(surrogate(coordinates[:half]), anchor.images[chosen[:half]]),
        "latents": sliced_wasserstein(coordinates, anchor.coordinates[chosen], projections),
    }
    weights = (options.orojar_weight, options.contrast_weight, options.image_weight, options.latent_weight)
    weighted = [weight * loss for weight, loss in zip(weights, losses.values(), strict=True)]
    return {"total": torch.stack(weighted).sum()} | losses


def off_diagonal_share(grams: Tensor) -> Tensor:
    """E [sum_{i != j} M_ij^2 / (tr M)^2], differentiable."""
    diagonal = grams.diagonal(dim1=1, dim2=2)
    return ((grams.square().sum((1, 2)) - diagonal.square().sum(1)) / diagonal.sum(1).square().clamp_min(1e-12)).mean()


def mechanism_contrast(grams: Tensor, ridge: float = 1e-3) -> Tensor:
    """E [sum_i log M_ii - log det M] / d (Gresele et al. 2021, eq. 9, up to the factor 1/2): 0 where columns are orthogonal.

    `ridge`, a share of the mean diagonal, keeps the logarithms finite where a column vanishes.
    """
    scale = ridge * grams.diagonal(dim1=1, dim2=2).mean(1)
    ridged = grams + scale[:, None, None] * torch.eye(grams.shape[1]).to(grams)
    # Through Cholesky: batched LU determinants are not reliable in every build of the linear algebra library.
    log_determinant = 2 * torch.linalg.cholesky(ridged).diagonal(dim1=1, dim2=2).log().sum(1)
    return (ridged.diagonal(dim1=1, dim2=2).log().sum(1) - log_determinant).mean() / grams.shape[1]


@torch.no_grad()
def install_mapping(generator: Generator, mapping: nn.Module, settings: Settings) -> None:
    """Put a tuned mapping into the generator in place: most active axis first, `w_avg` the mean of its own w."""
    generator.mapping.load_state_dict(mapping.state_dict())
    axes = torch.eye(generator.z_dim).to(generator.mapping.w_avg)
    active = activeness(Response(generator, "z"), settings.latents(generator, _ORDER_SAMPLES, _ORDER_STREAM), axes)
    fold_rotation(generator, axes[active.argsort(descending=True, stable=True)])
    generator.mapping.w_avg.copy_(generator.mapping.w(settings.latents(generator, _AVERAGE_SAMPLES, _ORDER_STREAM + 1).z).mean(0))


def axes_of_mapping(active: Tensor, checkpoint: str, num_ws: int, options: dict[str, Any]) -> DirectionSet:
    """The z axes of a tuned network as a direction set (`checkpoint`: the tuned file's SHA-256)."""
    return z_directions(torch.eye(len(active)), active, "orojar-mapping", checkpoint, num_ws, options)
