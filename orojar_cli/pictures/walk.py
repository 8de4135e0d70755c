"""Walks along directions: points in, pictures out."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from orojar_cli.devices import Chunks, memory_budget, prepare
from orojar_cli.directions.applied import chosen_layers, displaced
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.distributed import as_first, gathered, is_shared, processes, share
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator, arrange
from orojar_cli.latents.projected import Points, ProjectedLatents
from orojar_cli.latents.spaces import style_offsets
from orojar_cli.media.pixels import to_uint8
from orojar_cli.response.jacobian import DEFAULT_BUDGET

# Bytes of pictures that are kept to be shown again.
_SHOWN_AGAIN = 1 << 30


def strengths(extent: float, steps: int) -> list[float]:
    """`steps` values from -extent to +extent, evenly spaced; one step is 0."""
    if steps < 1:
        raise OptionError(f"{steps} steps: at least one is needed")
    return [0.0] if steps == 1 else [extent * (2 * index / (steps - 1) - 1) for index in range(steps)]


def round_steps(extent: float) -> int:
    """How many steps of a grid that nobody described: seven where they are round numbers (to two digits), else five."""
    step = extent / 3
    return 7 if abs(step - float(f"{step:.2g}")) <= 1e-9 * abs(extent) else 5


def there_and_back(extent: float, frames: int, ease: bool = True, rest: bool = False) -> list[float]:
    """Strengths of a seamless loop of `frames` frames: from 0 to +extent, back to -extent and to 0.

    With `ease` the movement is a sine (slow at the ends), else at constant speed.  With `rest` an eased loop also starts and ends at
    rest, so that loops along different directions can follow one another without a jerk.
    """
    phases = [index / frames for index in range(frames)]
    if not ease:
        parts = [1 - abs((4 * phase + 1) % 4 - 2) for phase in phases]
    elif not rest:
        parts = [math.sin(2 * math.pi * phase) for phase in phases]
    else:
        parts = [_rested(phase) for phase in phases]
    # The same place on the way there and on the way back is the same number, and so drawn once.
    return [extent * round(part, 12) for part in parts]


def _rested(phase: float) -> float:
    """Half cosines 0 -> 1 -> -1 -> 0 in a quarter, a half and a quarter of the time: the same top speed in each."""
    if phase < 0.25:
        return (1 - math.cos(4 * math.pi * phase)) / 2
    if phase < 0.75:
        return math.cos(2 * math.pi * (phase - 0.25))
    return -(1 + math.cos(4 * math.pi * (phase - 0.75))) / 2


class Renderer:
    """Draws a generator's pictures in batches that fit a memory budget.

    Where a renderer is `shared`, each process of a group draws its share of what it is asked for, and all get everything: all must ask.
    """

    def __init__(self, generator: Generator, noise_mode: str = "const", budget: int | None = None, shared: bool = False) -> None:
        self.generator, self.noise_mode = generator, noise_mode
        self._precision = {"fp16": True} if getattr(generator, "fp16", False) else {}
        arrange(generator)
        prepare(generator.device)
        budget = memory_budget(generator.device, DEFAULT_BUDGET) if budget is None else budget
        self.batch = max(1, budget // (4 * 4 * max(cost.numbers for cost in generator.config.costs())))
        self._shared = shared and is_shared()
        if self._shared:
            # What is asked for at once is the same in all, whose memories may differ.
            self.batch = processes() * int(as_first(torch.tensor(self.batch, device="cpu")))

    @torch.no_grad()
    def images(
        self, ws: Tensor, style_offsets: dict[str, Tensor] | None = None, seeds: Sequence[int] | None = None, alpha: bool = False
    ) -> np.ndarray:
        """[N, H, W, 3] uint8 of ws [N, num_ws, w_dim], with `style_offsets` [N, styles] added to the styles of the layers named.

        Noise of mode "random" is that of `seeds`, one for each image (by default of one seed for all): films do not flicker.
        With `alpha` an alpha channel is kept: [N, H, W, 4].
        """
        if self._shared:
            return self._together(ws, style_offsets, seeds, alpha)
        chunks = Chunks(0, len(ws), self.batch)
        parts = self._drawn(chunks, ws, style_offsets, seeds, alpha)
        self.batch = chunks.size
        return np.concatenate(parts)

    def _together(self, ws: Tensor, style_offsets: dict[str, Tensor] | None, seeds: Sequence[int] | None, alpha: bool) -> np.ndarray:
        """`images`, of which each process draws its share."""
        mine = share(len(ws))
        parts = self._drawn(Chunks(mine.start, mine.stop, self.batch // processes()), ws, style_offsets, seeds, alpha)
        channels = 4 if alpha and self.generator.img_channels in (2, 4) else 3
        nothing = np.empty((0, *self.generator.image_shape[1:], channels), np.uint8)
        return gathered(torch.from_numpy(np.concatenate([nothing, *parts])), len(ws)).numpy()

    def _drawn(
        self, chunks: Chunks, ws: Tensor, style_offsets: dict[str, Tensor] | None, seeds: Sequence[int] | None, alpha: bool
    ) -> list[np.ndarray]:
        parts = []
        for start, stop in chunks:
            with chunks.fitting():
                part = slice(start, stop)
                rng = None if self.noise_mode != "random" else [0] * len(ws[part]) if seeds is None else list(seeds[part])
                styles = {} if style_offsets is None else {"style_offsets": {name: offset[part] for name, offset in style_offsets.items()}}
                images = self.generator.synthesis(ws[part], noise_mode=self.noise_mode, rng=rng, **styles, **self._precision)
                parts.append(to_uint8(images, alpha))
        return parts


def along(directions: DirectionSet, index: int | None, values: Sequence[float] | Tensor, edits: Sequence[tuple[int, float]] = ()) -> Tensor:
    """Displacements [S, D] in the set's space: direction `index` (None: nothing) at S strengths in sigmas, on top of `edits`.

    `edits` are (dimension, strength) pairs that are applied throughout; displacements in one space add up.
    """
    values = torch.as_tensor(values, dtype=torch.float32, device="cpu")
    total = torch.zeros(len(values), directions.directions.shape[1], device="cpu")
    for edited, strength in edits:
        total = total + directions.displacement(edited, strength)
    return total if index is None else total + directions.displacement(index, values)


@torch.no_grad()
def centring(
    generator: Generator, at: Points, directions: DirectionSet, indices: Sequence[int], layers: Sequence[int] | None = None
) -> Tensor:
    """Displacements [N, D] that take from every point what it has along the directions `indices`, seen from the mean latent.

    So do the papers' films (z - (z q) q / (q q)): every row starts at the same place.  In w the mean of the entries that the set moves
    counts.  Raises OptionError for p and s, in which points have no coordinates of their own.
    """
    space, where = directions.space, chosen_layers(generator, directions, layers)
    if space not in ("z", "w", "w+"):
        raise OptionError(f"--center takes away coordinates in z, w or w+, and these directions are in {space}")
    if isinstance(at, ProjectedLatents):
        if space == "z":
            raise OptionError("a projected w has no z to center: use directions in w or w+")
        ws = at.ws
    elif space == "z":
        offsets = at.z
    else:
        ws = generator.mapping(at.z, at.label, at.psi, at.cutoff)
    if space != "z":
        mean = generator.mapping.w_avg
        own = ws[:, list(where)] - mean.reshape(-1, mean.shape[-1]).mean(0)
        offsets = own.flatten(1) if space == "w+" else own.mean(1)
    span = torch.linalg.qr(directions.directions[list(indices)].double().T).Q.to(offsets)
    return -(offsets @ span) @ span.T


@torch.no_grad()
def moved_ws(
    generator: Generator,
    at: Points,
    directions: DirectionSet,
    displacements: Tensor,
    layers: Sequence[int] | None = None,
) -> Tensor:
    """ws [S, N, num_ws, w_dim] of N points moved by S displacements [S, D], the same for all, or [S, N, D] in the direction set's own
    space."""
    return torch.stack([displaced(generator, at, directions, step.expand(len(at), -1), layers) for step in displacements])


def walk_ws(
    generator: Generator, at: Points, directions: DirectionSet, index: int, values: Sequence[float], layers: Sequence[int] | None = None
) -> Tensor:
    """ws [S, N, num_ws, w_dim] of the points `at` with direction `index` added at S strengths (in sigmas), in the set's own space.

    Directions in s do not move ws: their pictures are those of `walk`.
    """
    return moved_ws(generator, at, directions, along(directions, index, values).to(_device(at)), layers)


def pictures_at(
    renderer: Renderer,
    at: Points,
    directions: DirectionSet,
    displacements: Tensor,
    layers: Sequence[int] | None = None,
) -> Iterator[np.ndarray]:
    """For every displacement, [S, D] or each point's own [S, N, D], in turn the pictures [N, H, W, 3] uint8 of all points; rendered in
    batches across displacements.

    Equal displacements, of which a loop there and back has two each, are drawn once, where a gigabyte holds what is shown again.
    """
    keys = [row.tobytes() for row in (displacements.cpu() + 0.0).numpy()]
    each = len(at) * math.prod(_picture_shape(renderer.generator))
    return drawn_once(keys, lambda chosen: _drawn(renderer, at, directions, displacements[chosen], layers), each)


def drawn_once(keys: Sequence[Hashable], draw: Callable[[list[int]], Iterator[np.ndarray]], each: int) -> Iterator[np.ndarray]:
    """What `draw` gives, in the order of the numbers it is called with, for every number of `keys` in turn.

    Equal keys, which are the same pictures, are drawn once, where a gigabyte holds what is shown again, of `each` bytes.
    """
    first, last = dict[Hashable, int](), dict[Hashable, int]()
    for number, key in enumerate(keys):
        first.setdefault(key, number)
        last[key] = number
    again = sum(last[key] > number for key, number in first.items())
    if again * each > _SHOWN_AGAIN:
        yield from draw(list(range(len(keys))))
        return
    new, held = draw(list(first.values())), dict[Hashable, np.ndarray]()
    for number, key in enumerate(keys):
        pictures = held[key] if key in held else next(new)
        yield pictures
        held[key] = pictures
        if last[key] == number:
            del held[key]


def _drawn(
    renderer: Renderer,
    at: Points,
    directions: DirectionSet,
    displacements: Tensor,
    layers: Sequence[int] | None,
) -> Iterator[np.ndarray]:
    generator, per_batch = renderer.generator, max(1, renderer.batch // len(at))
    for group in displacements.to(_device(at)).split(per_batch):
        ws = moved_ws(generator, at, directions, group, layers)
        each = group if group.ndim == 3 else group.unsqueeze(1).expand(-1, len(at), -1)
        styles = style_offsets(generator, each.flatten(0, 1), directions.space, directions.layers)
        drawn = renderer.images(ws.flatten(0, 1), styles, at.seeds and at.seeds * len(group))
        yield from drawn.reshape(len(group), len(at), *_picture_shape(generator))


def walk(
    renderer: Renderer,
    at: Points,
    directions: DirectionSet,
    index: int,
    values: Sequence[float],
    layers: Sequence[int] | None = None,
    edits: Sequence[tuple[int, float]] = (),
) -> Iterator[np.ndarray]:
    """For every strength in turn the pictures [N, H, W, 3] uint8 of all points; rendered in batches across strengths."""
    return pictures_at(renderer, at, directions, along(directions, index, values, edits), layers)


def _device(at: Points) -> torch.device:
    return at.ws.device if isinstance(at, ProjectedLatents) else at.z.device


def _picture_shape(generator: Generator) -> tuple[int, int, int]:
    _, height, width = generator.image_shape
    return height, width, 3


def dimension_rows(
    renderer: Renderer,
    at: Points,
    directions: DirectionSet,
    dimensions: Sequence[int],
    values: Sequence[float],
    layers: Sequence[int] | None = None,
    edits: Sequence[tuple[int, float]] = (),
) -> Iterator[np.ndarray]:
    """For every dimension the row [N * S, H, W, 3] of its grid: each point's walk from left to right, points one after another."""
    # Together, because the rows share the picture that they start from.
    steps = torch.cat([along(directions, index, values, edits) for index in dimensions])
    drawn = pictures_at(renderer, at, directions, steps, layers)
    for _ in dimensions:
        pictures = np.stack([next(drawn) for _ in values])
        yield pictures.swapaxes(0, 1).reshape(-1, *pictures.shape[2:])
