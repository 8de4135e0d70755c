"""Fine-tuning all mapping layers: the meaning of good W directions moves into the axes of z, the images stay as they are.

Warm start: z is rotated to where the mapping comes nearest to w = mean + z A, where the rows of A are the OroJaR directions of whitened w
(one sigma each), and the mapping regressed onto that.
Then it is trained on the OroJaR loss of its axes (Wei et al. 2021, eq. 4-6, normalised per sample, over all of z) and on the
independent-mechanism contrast of the most active ones (Gresele et al. 2021), both through a surrogate of the coarse image, while two
anchors hold the distribution: the energy distance of coarse images and the sliced Wasserstein distance of w to the frozen mapping's.
Without them the loss would be lowest where nothing happens.  At last the distribution of w settles where it was (settling.py).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jacfwd, jacrev, vmap

from orojar_cli.devices import on_processor
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.orojar import orojar
from orojar_cli.directions.settings import Settings
from orojar_cli.distributed import as_first, joined, own
from orojar_cli.errors import OptionError
from orojar_cli.generators.mapping import Mapping
from orojar_cli.generators.protocol import Generator
from orojar_cli.progress import Progress
from orojar_cli.response.budget import MINUTE, affordable, arithmetic
from orojar_cli.response.outputs import Output, default_output
from orojar_cli.tuning.anchor import Anchor, image_distance, random_projections, sliced_wasserstein
from orojar_cli.tuning.bend import Bend, squared_cosines, straight_mapping, volume_change, wide_config
from orojar_cli.tuning.classes import AllClasses
from orojar_cli.tuning.estimators import axis_columns, hessian_of_axes
from orojar_cli.tuning.rotation import axis_activeness, fold_rotation, z_directions
from orojar_cli.tuning.settling import Settling
from orojar_cli.tuning.state import TrainingState
from orojar_cli.tuning.surrogate import Surrogate, coarse_images, train_surrogate
from orojar_cli.tuning.training import Kept, Stage, ramp, run_stages
from orojar_cli.tuning.watch import Watch, with_mapping

_DATA_STREAM, _AVERAGE_STREAM, _AVERAGE_SAMPLES = 50, 71, 50_000
_ALIGNMENT_STREAM, _ALIGNMENT_SAMPLES = 52, 32_768
_MOVED_STREAM = 54
# Of the frozen network, that those of the tuned one are compared with, at most: all pairs of them are held at once.
_ANCHOR_IMAGES = 8000
# Most and least images of the tuned network, to tell how far they moved.
_COMPARED_RANGE = (4000, 512)
# Mapping weights are stored divided by their learning-rate multiplier of 0.01, so rates look a hundred times too large.
_REGRESSION_BATCH, _REGRESSION_RATE = 512, 0.2
# Most and least steps of the warm start: a large mapping, whose loss is level by then, gets five minutes of one core at most.
_REGRESSION_RANGE, _REGRESSION_ARITHMETIC = (6000, 3000), 6 * MINUTE
# Most and least latents of the frame and images the surrogate learns from, where nobody says how many: ten minutes of one core at most.
_FRAME_RANGE, _IMAGE_RANGE, _IMAGE_ARITHMETIC = (384, 64), (40_000, 4000), 10 * MINUTE
# What a sample of the frame costs: ten columns and its point, and half as much again for those that stop the search and judge it.
_FRAME_COLUMNS = 1.6 * 11


@dataclass(frozen=True)
class MappingOptions:
    """How long and how hard to train; the weights multiply losses that are all of order 0.01 to 1.

    `wide`: axes bend (bend.py), and are written into a wider mapping; `bending` gives the numbers that go with it.

    `penalty` "orojar" or "hessian" (of all axes, on the surrogate); its weight warms up over the first `ramp` steps.  `images`,
    `frame_samples`, `regression_steps` and `settling_steps` None: as many as `prepared` says.  The settling is for images that moved by
    an energy distance beyond `settle_beyond`: where they did not it would cost disentanglement for nothing.
    """

    steps: int = 2000
    regression_steps: int | None = None
    settling_steps: int | None = None
    surrogate_steps: int = 6000
    images: int | None = None
    frame_samples: int | None = None
    batch: int = 48
    anchor_batch: int = 1536
    learning_rate: float = 0.05
    orojar_weight: float = 1.0
    contrast_weight: float = 0.15
    contrast_dims: int = 10
    image_weight: float = 4.0
    latent_weight: float = 1.0
    penalty: str = "orojar"
    ramp: int = 0
    settle_beyond: float = 0.005
    wide: bool = False
    volume_weight: float = 0.3

    @property
    def bending(self) -> MappingOptions:
        """The same for axes that bend: how far they are held to the distribution does not depend on the penalty's weight."""
        penalty = 5 * self.orojar_weight
        return replace(self, wide=True, batch=256, learning_rate=3e-3, orojar_weight=penalty, image_weight=10.0, latent_weight=30.0)


def check_trainable(generator: Generator) -> None:
    """Raise OptionError for a network without a mapping to train."""
    if not hasattr(generator.mapping, "layers"):
        raise OptionError("this network has no mapping layers to train; use --mode rotation")


def prepared(generator: Generator, options: MappingOptions) -> MappingOptions:
    """The same options with numbers of latents that the frame is found from, of images that the surrogate learns from and of steps of the
    warm start: those given, or what a network of this size is worth; and of steps of the settling."""
    image = arithmetic(generator, (default_output(generator),))
    samples = options.frame_samples or affordable(_FRAME_COLUMNS * image, *_FRAME_RANGE, 2 * MINUTE)
    images = options.images or affordable(image, *_IMAGE_RANGE, _IMAGE_ARITHMETIC)
    steps = options.regression_steps
    if steps is None:
        written: Any = Mapping(wide_config(generator)) if options.wide else generator.mapping
        weights = sum(parameter.numel() for parameter in written.parameters())
        steps = affordable(3 * _REGRESSION_BATCH * max(1, weights), *_REGRESSION_RANGE, _REGRESSION_ARITHMETIC)
    settling = options.steps // 2 if options.settling_steps is None else options.settling_steps
    return replace(options, frame_samples=samples, images=images, regression_steps=steps, settling_steps=settling)


def images_to_prepare(options: MappingOptions) -> float:
    """What `prepare` costs, in images of `default_output`; the options are those of `prepared`."""
    return _FRAME_COLUMNS * (options.frame_samples or 0) + (options.images or 0)


def prepare(
    generator: Generator, settings: Settings, options: MappingOptions, progress: Progress | None = None
) -> tuple[Anchor, Surrogate, float]:
    """(anchor, surrogate, the surrogate's unexplained share): everything that depends on the frozen generator alone.

    Where there are classes, the frame is found at the settings' class or over all of them; anchor and surrogate always hold for all.
    Raises OptionError for networks without a mapping and for those whose w does not fill its space.
    """
    check_trainable(generator)
    output: Output = default_output(generator)
    options = prepared(generator, options)
    assert options.images is not None and options.frame_samples is not None
    found_at = replace(settings, space="w", num=None, samples=options.frame_samples, subspace=10, outputs=(output,))
    directions = orojar(generator, found_at, progress)
    if len(directions) < generator.w_dim:
        raise OptionError(f"w varies along {len(directions)} of its {generator.w_dim} dimensions only; use --mode rotation")
    frame = (directions.directions * directions.sigma.unsqueeze(1)).to(generator.mapping.w_avg)
    at = AllClasses.of(settings).latents(generator, options.images, _DATA_STREAM)
    with torch.no_grad():
        w = generator.mapping.w(at.z, at.label)
    images = coarse_images(generator, w, progress, settings.partial.section("images"))
    weights = (directions.activeness / directions.activeness.max()).clamp_min(1e-5).sqrt().to(frame)
    anchor = Anchor.of_network(generator, settings, w, at.label, frame, weights, images[:_ANCHOR_IMAGES])
    surrogate, unexplained = train_surrogate(anchor.of(w), images, weights, settings, options.surrogate_steps, progress)
    return anchor, surrogate, unexplained


def tune_mapping(
    generator: Generator,
    anchor: Anchor,
    surrogate: Surrogate,
    settings: Settings,
    options: MappingOptions,
    progress: Progress | None = None,
    state: TrainingState | None = None,
    further: Sequence[Stage] = (),
    watch: Watch | None = None,
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(the tuned mapping, losses every 50 steps and what the `watch` saw).  The generator given is not changed.

    `further` are stages between the training and the settling (settling.py).  With a `state` training continues from where it was saved
    and saves as it goes; every step draws its samples from the seed and its own number, so an interrupted and resumed run ends exactly
    where an uninterrupted one does.
    """
    state = state or TrainingState()
    options = prepared(generator, options)
    assert options.regression_steps is not None and options.settling_steps is not None
    if options.wide:
        mapping: Any = straight_mapping(anchor, settings.seed)
        bend = Bend(anchor, settings.seed)

        def bending(bend: Any, step: int, rng: torch.Generator) -> dict[str, Tensor]:
            return bending_losses(bend, anchor, surrogate, options, step, rng)

        def folding(mapping: Any, step: int, rng: torch.Generator) -> dict[str, Tensor]:
            return regression_losses(mapping, anchor, torch.no_grad()(bend.coordinates), rng)

        held = Kept({"bend.": bend})
        first = (
            Stage("training", options.steps, options.learning_rate, bending, module=bend),
            Stage("folding", options.regression_steps, _REGRESSION_RATE, folding, watched=False, companion=held),
        )
    else:
        mapping = copy.deepcopy(generator.mapping)
        if options.regression_steps:
            align(generator, mapping, anchor, settings)
            if progress is not None:
                progress("alignment", 1, 1)

        def warm_start(mapping: Any, step: int, rng: torch.Generator) -> dict[str, Tensor]:
            return regression_losses(mapping, anchor, anchor.target, rng)

        def training(mapping: Any, step: int, rng: torch.Generator) -> dict[str, Tensor]:
            return training_losses(mapping, anchor, surrogate, options, step, rng)

        first = (
            Stage("warm start", options.regression_steps, _REGRESSION_RATE, warm_start, watched=False),
            Stage("training", options.steps, options.learning_rate, training),
        )
    mapping.requires_grad_(True)
    settled = Settling(anchor, mapping, settings.seed, progress)

    def settling(mapping: Any, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        return regression_losses(mapping, anchor, settled.target, rng)

    def moved(mapping: Any) -> bool:
        return images_moved(mapping, anchor, settings, progress) > options.settle_beyond

    stages = (
        *first,
        *further,
        Stage("settling", options.settling_steps, options.learning_rate, settling, watched=False, companion=settled, needed=moved),
    )
    run_stages(mapping, stages, settings.seed, state, progress, watch)
    mapping.requires_grad_(False)
    return mapping, state.history


@torch.no_grad()
def images_moved(mapping: Any, anchor: Anchor, settings: Settings, progress: Progress | None = None) -> float:
    """`image_distance` of coarse images by `mapping` to those by the frozen one, over all classes; the same in all processes."""
    generator = anchor.generator
    at = AllClasses.of(settings).latents(generator, images_to_compare(generator), _MOVED_STREAM)
    images = coarse_images(generator, mapping.w(at.z, at.label), progress)
    return float(as_first(image_distance(images, anchor.images)))


def images_to_compare(generator: Generator) -> int:
    """How many images tell how far a distribution moved: what some minutes of arithmetic draw, but 4,000 at most."""
    return affordable(arithmetic(generator, (default_output(generator),)), *_COMPARED_RANGE, 4 * MINUTE)


@torch.no_grad()
def align(generator: Generator, mapping: nn.Module, anchor: Anchor, settings: Settings) -> None:
    """Rotate the z that `mapping`, a copy of the generator's, reads, in place: to the least weighted squared distance of w to the frame's.

    The images' distribution stays as it is.  With coordinates c and what the frame gives them the rotation is the orthogonal factor of
    W^2 E[c z^T] (the orthogonal Procrustes problem, Schönemann 1966).
    """
    rng = torch.Generator().manual_seed(settings.seed * 1000 + _ALIGNMENT_STREAM)
    z, label = anchor.draw(_ALIGNMENT_SAMPLES, rng)
    dims = min(z.shape[1], len(anchor.weights))
    nearest = torch.zeros(z.shape[1], z.shape[1]).to(z)
    inside = anchor.of(mapping.w(z, label)) - label @ anchor.offsets  # type: ignore[operator]
    nearest[:dims] = ((inside * anchor.weights.square()).T @ z)[:dims]
    left, _, right = torch.linalg.svd(on_processor(nearest))
    fold_rotation(with_mapping(generator, mapping), as_first(left @ right))


def regression_losses(mapping: Any, anchor: Anchor, target: Callable[[Tensor, Tensor], Tensor], rng: torch.Generator) -> dict[str, Tensor]:
    """What the warm start and the settling minimise: the weighted squared distance of w to the `target` of z [N, z_dim] and labels, both
    as coordinates [N, D]."""
    z, label = anchor.draw(_REGRESSION_BATCH, rng)
    coordinates = joined(anchor.of(mapping.w(own(z), own(label))), len(z))
    return {"total": ((coordinates - target(z, label)) * anchor.weights).square().sum(1).mean()}


def training_losses(
    mapping: Any, anchor: Anchor, surrogate: Surrogate, options: MappingOptions, step: int, rng: torch.Generator
) -> dict[str, Tensor]:
    """What the training minimises: the penalty, the mechanism contrast and the anchors, by their weights."""
    z, label = anchor.draw(options.batch, rng, focused=True)
    mine = surrogate_grams(mapping, anchor, surrogate, own(z), own(label))
    grams = PulledGrams(joined(mine.rows, len(z)), joined(mine.inner, len(z)))
    if options.penalty == "hessian":
        penalty = hessian_of_axes(lambda z, label: (surrogate(anchor.of(mapping.w(z, label))),), z, label, mapping.config.z_dim, rng)
    else:
        penalty = grams.off_diagonal_share()
    losses = {
        options.penalty: penalty,
        "contrast": mechanism_contrast(grams.leading(options.contrast_dims)),
    } | anchor_losses(mapping, anchor, surrogate, options, rng)
    weights = (options.orojar_weight * ramp(step, options.ramp), options.contrast_weight, options.image_weight, options.latent_weight)
    return _weighted(losses, weights)


def bending_losses(
    bend: Any, anchor: Anchor, surrogate: Surrogate, options: MappingOptions, step: int, rng: torch.Generator
) -> dict[str, Tensor]:
    """What the training minimises where axes bend: the squared cosines of the surrogate's columns along the most active axes, with the
    volume that these span and both anchors holding them."""
    z, label = anchor.draw(options.batch, rng)

    def draw(z: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        coordinates = bend.coordinates(z, label)
        return surrogate(coordinates), coordinates[:, : bend.axes]

    images, block = (joined(part, len(z)) for part in axis_columns(draw, own(z), own(label), bend.axes))
    losses = {"cosines": squared_cosines(images), "volume": volume_change(block)} | anchor_losses(bend, anchor, surrogate, options, rng)
    weights = (options.orojar_weight * ramp(step, options.ramp), options.volume_weight, options.image_weight, options.latent_weight)
    return _weighted(losses, weights)


def _weighted(losses: dict[str, Tensor], weights: Sequence[float]) -> dict[str, Tensor]:
    """The losses, and as "total" their sum by the weights, in order."""
    weighted = [weight * loss for weight, loss in zip(weights, losses.values(), strict=True)]
    return {"total": torch.stack(weighted).sum()} | losses


@dataclass(frozen=True)
class PulledGrams:
    """Gram matrices M = R^T K R [N, d, d] of d axes that act through k coordinates: `rows` R [N, k, d], `inner` K [N, k, k].

    What is asked of them needs no [N, d, d].
    """

    rows: Tensor
    inner: Tensor

    def off_diagonal_share(self) -> Tensor:
        """E [sum_{i != j} M_ij^2 / (tr M)^2], differentiable: the squares of M sum to tr (K S)^2, its trace is tr K S, with S = R R^T."""
        product = self.inner @ (self.rows @ self.rows.transpose(1, 2))
        diagonal = (self.rows * (self.inner @ self.rows)).sum(1)
        squares = (product * product.transpose(1, 2)).sum((1, 2))
        return _share(squares, diagonal)

    def leading(self, count: int) -> Tensor:
        """M of the first `count` axes, [N, count, count]."""
        rows = self.rows[:, :, :count]
        return rows.transpose(1, 2) @ self.inner @ rows


def surrogate_grams(mapping: Any, anchor: Anchor, surrogate: Surrogate, z: Tensor, label: Tensor) -> PulledGrams:
    """Gram matrices of the surrogate's images along the axes of z, differentiable in the mapping, through the coordinates of the frame
    that images move along (`Anchor.leading`): a row of the mapping's Jacobian and a column of the surrogate's for each of these."""

    def leading(point: Tensor, kind: Tensor) -> tuple[Tensor, Tensor]:
        coordinates = anchor.of(mapping.w(point[None], kind[None]))[0]
        return coordinates[: anchor.leading], coordinates

    rows, coordinates = vmap(jacrev(leading, has_aux=True))(z, label)
    rest = coordinates[:, anchor.leading :]
    moved = vmap(jacfwd(lambda first, others: surrogate(torch.cat([first, others])[None])[0]))(coordinates[:, : anchor.leading], rest)
    return PulledGrams(rows, moved.transpose(1, 2) @ moved)


def anchor_losses(mapping: Any, anchor: Anchor, surrogate: Surrogate, options: MappingOptions, rng: torch.Generator) -> dict[str, Tensor]:
    """How far the coarse images and the w of a fresh batch are from the frozen mapping's."""
    z, label, frozen, images = anchor.sample(options.anchor_batch, surrogate, rng)
    coordinates = joined(anchor.of(mapping.w(own(z), own(label))), len(z))
    projections = random_projections(anchor.weights, 128, rng)
    return {
        "images": image_distance(surrogate(coordinates[: len(images)]), images),
        "latents": sliced_wasserstein(coordinates, frozen, projections),
    }


def off_diagonal_share(grams: Tensor) -> Tensor:
    """E [sum_{i != j} M_ij^2 / (tr M)^2], differentiable."""
    return _share(grams.square().sum((1, 2)), grams.diagonal(dim1=1, dim2=2))


def _share(squares: Tensor, diagonal: Tensor) -> Tensor:
    """The mean over points of (sum M_ij^2 [N] - sum M_ii^2) / (sum M_ii)^2, M_ii [N, d]."""
    return ((squares - diagonal.square().sum(1)) / diagonal.sum(1).square().clamp_min(1e-12)).mean()


def mechanism_contrast(grams: Tensor, ridge: float = 1e-3) -> Tensor:
    """E [sum_i log M_ii - log det M] / d (Gresele et al. 2021, eq. 9, up to the factor 1/2): 0 where columns are orthogonal.

    `ridge`, a share of the mean diagonal, keeps the logarithms finite where a column vanishes.
    """
    scale = ridge * grams.diagonal(dim1=1, dim2=2).mean(1)
    ridged = grams + scale[:, None, None] * torch.eye(grams.shape[1], dtype=grams.dtype, device=grams.device)
    # Through Cholesky: batched LU determinants are not reliable in every build of the linear algebra library.
    log_determinant = 2 * torch.linalg.cholesky(ridged).diagonal(dim1=1, dim2=2).log().sum(1)
    return (ridged.diagonal(dim1=1, dim2=2).log().sum(1) - log_determinant).mean() / grams.shape[1]


@torch.no_grad()
def install_mapping(generator: Generator, mapping: nn.Module, settings: Settings) -> None:
    """Put a tuned mapping into the generator in place: most active axis first, `w_avg` the mean of its own w."""
    network: Any = generator
    network.replace_mapping(mapping)
    axes = torch.eye(generator.z_dim, device=generator.device)
    active = axis_activeness(generator, settings, axes)
    fold_rotation(generator, axes[active.argsort(descending=True, stable=True)])
    at = AllClasses.of(settings).latents(generator, _AVERAGE_SAMPLES, _AVERAGE_STREAM)
    generator.mapping.renew_average(at.z, at.label)


def axes_of_mapping(active: Tensor, checkpoint: str, num_ws: int, options: dict[str, Any]) -> DirectionSet:
    """The z axes of a tuned network as a direction set (`checkpoint`: the tuned file's SHA-256)."""
    return z_directions(torch.eye(len(active), device="cpu"), active, "orojar-mapping", checkpoint, num_ws, options)
