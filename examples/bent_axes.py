"""Whether axes that bend come apart further when they are made orthogonal: python examples/bent_axes.py [--steps 800] [--out FILE].

On the bundled network, whose factors are known.  The straight axes are w = mean + z A, the rows of A the OroJaR directions of whitened w;
then z is moved by a learnt map first, w = mean + T(z) A, and T minimises a criterion of the exact Jacobian of the full image along the five
most active axes, with every axis at the same weight:

- "cosines": the mean squared cosine between its columns, which is what OroJaR asks for.
- "mixed": how much a column changes, relative to its length, where another coordinate moves: the mixed terms of the Hessian Penalty.
- "norms": how much the logarithm of its length changes then.  Where factors are independent, moving one does not change how much moving
  another does.
- "sparse": its sum of absolute values over its length, which is least where an axis changes few pixels.

`--criterion cosines+norms` minimises a sum, each part relative to its value on the straight axes.  T is one of two:

- "turned": T is made of rotations of pairs of coordinates, by angles that the other coordinates and the distance from the middle decide.
  Such a map keeps the normal distribution exactly: images come as often as before, and nothing has to hold it.
- "free": T is a multilayer perceptron that nothing holds; what it makes of the distribution is said.

Last, "held": T moves the five coordinates by a perceptron of all coordinates, and is held to the volume they have (the determinant of
their own block of its Jacobian) and to the distribution (the sliced Wasserstein distance).  It minimises the cosines of the surrogate that
`orojar finetune --mode mapping` trains, at sixteen times as many points: what that command does, for these axes alone.

The table has every criterion (of the cosines the root), disentanglement, completeness and best purity of the first ten axes (defined in the
README), and the least and largest standard deviation of T(z) over the coordinates it moves.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from orojar_cli import load_checkpoint
from orojar_cli.directions import Settings
from orojar_cli.files import write_text
from orojar_cli.response.outputs import default_output
from orojar_cli.tuning.anchor import random_projections, sliced_wasserstein
from orojar_cli.tuning.bend import squared_cosines, volume_change
from orojar_cli.tuning.estimators import axis_columns
from orojar_cli.tuning.mapping import MappingOptions, prepare
from orojar_cli.tuning.surrogate import Surrogate

sys.path.insert(0, str(Path(__file__).parent / "worlds"))
from disentanglement import measure_factors, response_matrix, scores

ROOT = Path(__file__).parent.parent
AXES, MOVED, COUNT = 5, 8, 10
STEP = 0.1
COSINES, DISTRIBUTION, VOLUME = 20.0, 30.0, 0.3
BATCH = 16


def minimise(move: nn.Module, loss: Callable[[int], Tensor], steps: int, rate: float) -> None:
    """Train a map in place by Adam on the loss of each step's number; the rate rises for a tenth of the steps and then falls."""
    optimiser = torch.optim.Adam(move.parameters(), rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.1)
    for step in range(steps):
        value = loss(step)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()


class Twist(nn.Module):
    """z [N, D] -> the same with coordinates `first` and `second` rotated into each other, by an angle that their distance from 0 and the
    others among the `moved` first coordinates decide; at first by nothing.  The Jacobian's determinant is 1 and |z| stays: so does N(0, I).
    """

    def __init__(self, first: int, second: int, moved: int, width: int = 32) -> None:
        super().__init__()
        self.pair = [first, second]
        self.others = [index for index in range(moved) if index not in self.pair]
        self.angle = nn.Sequential(nn.Linear(moved - 1, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))
        for parameter in self.angle[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor) -> Tensor:
        x, y = z[:, self.pair].T
        distance = (x.square() + y.square() + 1e-6).sqrt()
        angle = self.angle(torch.cat([z[:, self.others], distance.unsqueeze(1)], 1)).squeeze(1)
        turned = list(z.unbind(1))
        turned[self.pair[0]] = angle.cos() * x - angle.sin() * y
        turned[self.pair[1]] = angle.sin() * x + angle.cos() * y
        return torch.stack(turned, 1)


class Free(nn.Module):
    """z [N, D] -> the same with something learnt added to its `moved` first coordinates, at first nothing."""

    def __init__(self, moved: int, width: int = 128) -> None:
        super().__init__()
        self.moved = moved
        self.first, self.second, self.last = nn.Linear(moved, width), nn.Linear(width, width), nn.Linear(width, moved)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor) -> Tensor:
        inside = z[:, : self.moved]
        inside = inside + self.last(silu(self.second(silu(self.first(inside)))))
        return torch.cat([inside, z[:, self.moved :]], 1)


class Held(nn.Module):
    """z [N, D] -> the same with something learnt of all of z added to its `moved` first coordinates, at first nothing."""

    def __init__(self, dims: int, moved: int, width: int = 192) -> None:
        super().__init__()
        self.moved = moved
        self.first, self.second, self.last = nn.Linear(dims, width), nn.Linear(width, width), nn.Linear(width, moved)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor) -> Tensor:
        hidden = silu(self.first(z))
        change = self.last(hidden + silu(self.second(hidden)))
        return torch.cat([z[:, : self.moved] + change, z[:, self.moved :]], 1)

    def train_on(self, surrogate: Surrogate, weights: Tensor, steps: int, rate: float = 3e-3) -> None:
        """Minimise the cosines of the surrogate's columns, with volume and distribution held; `weights` are the anchor's."""

        def draw(z: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
            coordinates = self(z)
            return surrogate(coordinates), coordinates

        def loss(step: int) -> Tensor:
            z = normal(16 * BATCH, len(weights), step)
            images, coordinates = axis_columns(draw, z, z[:, :0], AXES)
            volume = volume_change(coordinates[:, :, :AXES])
            projections = random_projections(weights, 128, torch.Generator().manual_seed(step))
            ours, wanted = (normal(1024, len(weights), start + step) for start in (1 << 24, 1 << 25))
            moved = sliced_wasserstein(self(ours), wanted, projections)
            return COSINES * squared_cosines(images) + DISTRIBUTION * moved + VOLUME * volume

        minimise(self, loss, steps, rate)


def turned(moved: int) -> nn.Module:
    """A twist of every pair of the `moved` first coordinates, one after another."""
    return nn.Sequential(*(Twist(first, second, moved) for first in range(moved) for second in range(first + 1, moved)))


def column_changes(bent: Bent, z: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(||dJ_i / dz_j||^2 over ||J_i||^2, (d log ||J_i|| / dz_j)^2), both [N, AXES - 1], for a random axis j at every point and all i != j.

    Derivatives along j are central differences of exact columns.
    """
    moved = torch.randint(AXES, (len(z),), generator=rng)
    step = STEP * torch.eye(z.shape[1], device=z.device)[moved]
    after, before = bent.columns(torch.cat([z + step, z - step])).chunk(2)
    others = torch.arange(AXES, device=z.device) != moved[:, None]
    after, before = (columns[others].unflatten(0, (len(z), AXES - 1)) for columns in (after, before))
    long, short = (columns.norm(dim=2).clamp_min(1e-12) for columns in (after, before))
    mixed = ((after - before) / (2 * STEP)).square().sum(2) / (long * short)
    return mixed, ((long.log() - short.log()) / (2 * STEP)).square()


# Each takes the bent axes, points z [N, D] and what draws the axis to move along, to a number to be small.
CRITERIA: dict[str, Callable[[Bent, Tensor, torch.Generator], Tensor]] = {
    "cosines": lambda bent, z, rng: squared_cosines(bent.columns(z)),
    "mixed": lambda bent, z, rng: column_changes(bent, z, rng)[0].mean(),
    "norms": lambda bent, z, rng: column_changes(bent, z, rng)[1].mean(),
    "sparse": lambda bent, z, rng: spread_out(bent.columns(z)),
}


def spread_out(columns: Tensor) -> Tensor:
    """Mean over columns [N, K, P] of |J|_1 / (sqrt(P) |J|_2): 1 where every pixel changes alike, near 0 where few do."""
    return (columns.abs().sum(2) / columns.norm(dim=2).clamp_min(1e-12)).mean() / columns.shape[2] ** 0.5


class Bent:
    """Images of w = mean + T(z) A, as a function of z [N, D]."""

    def __init__(self, generator: Any, mean: Tensor, frame: Tensor, move: nn.Module) -> None:
        self.generator, self.mean, self.frame, self.move = generator, mean, frame, move

    def __call__(self, z: Tensor) -> Tensor:
        w = self.mean + self.move(z) @ self.frame
        return self.generator.synthesis(w.unsqueeze(1).expand(-1, self.generator.num_ws, -1))

    def columns(self, z: Tensor) -> Tensor:
        """[N, AXES, P] exact derivatives of the full image along the first axes, differentiable in the map."""
        return axis_columns(lambda points, _: (self(points).flatten(1),), z, z[:, :0], AXES)[0]

    def train(self, criterion: str, unit: dict[str, float], steps: int, rate: float = 5e-3) -> None:
        """Minimise a criterion, or a sum of several (`a+b`) in their units, at fresh z in every step."""

        def loss(step: int) -> Tensor:
            z, rng = normal(BATCH, len(self.frame), step), torch.Generator().manual_seed(step)
            return torch.stack([CRITERIA[name](self, z, rng) / unit[name] for name in criterion.split("+")]).sum()

        minimise(self.move, loss, steps, rate)

    @torch.no_grad()
    def measured(self, latents: int) -> dict[str, Any]:
        """The scores at so many latents that took no part, with factors' deviations over eight times as many images of its own."""
        z = normal(latents, len(self.frame), 1 << 20)
        images = (self(part) for part in normal(8 * latents, len(self.frame), 1 << 21).split(256))
        deviation = torch.cat([measure_factors(part) for part in images]).std(0)
        response = response_matrix(self, z, torch.eye(len(self.frame), device=z.device)[:COUNT], 1.0, deviation)
        spread = self.move(normal(4096, len(self.frame), 1 << 22))[:, :MOVED].std(0)
        rng = torch.Generator().manual_seed(1 << 23)
        values = {name: float(torch.stack([of(self, part, rng) for part in z.split(BATCH)]).mean()) for name, of in CRITERIA.items()}
        values["cosines"] **= 0.5
        return values | scores(response) | {"least": float(spread.min()), "most": float(spread.max())}


def normal(count: int, dims: int, seed: int) -> Tensor:
    return torch.randn(count, dims, generator=torch.Generator().manual_seed(seed))


def rows(
    generator: Any, criteria: Sequence[str], steps: int, samples: int, images: int, latents: int, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """The table: name -> scores.  The straight frame is that of `orojar finetune --mode mapping`, one sigma an axis, most active first."""
    settings = Settings("z", seed=0, outputs=(default_output(generator),))
    anchor, surrogate, _ = prepare(generator, settings, MappingOptions(frame_samples=samples, images=images))
    mean, frame = anchor.mean, anchor.frame
    asked = {"straight": ("", nn.Identity())}
    for criterion in criteria:
        asked[f"turned, {criterion}"] = criterion, turned(MOVED)
        if criterion == "cosines":
            asked[f"free, {criterion}"] = criterion, Free(MOVED)
    asked["held, cosines"] = "", Held(len(frame), AXES)
    table, unit = {}, {}
    for name, (criterion, move) in asked.items():
        bent, started = Bent(generator, mean, frame, move), time.monotonic()
        if criterion:
            bent.train(criterion, unit, steps)
        if isinstance(move, Held):
            move.train_on(surrogate, anchor.weights, steps)
        table[name] = bent.measured(latents)
        unit = unit or table[name] | {"cosines": table[name]["cosines"] ** 2}
        say(f"{name}: {json.dumps({key: round(value, 3) for key, value in table[name].items()})} {time.monotonic() - started:.0f} s")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "checkpoints" / "shapes32.pkl")
    parser.add_argument("--steps", type=int, default=800, help="of training each map; 800 take some four minutes of one core")
    parser.add_argument("--samples", type=int, default=384, help="Gram matrices that the straight frame is found from")
    parser.add_argument("--images", type=int, default=40_000, help="that the surrogate learns from")
    parser.add_argument("--latents", type=int, default=256, help="that the scores are measured at")
    parser.add_argument("--out", type=Path, help="write the table as JSON too")
    parser.add_argument("--criterion", action="append", metavar="NAME[+NAME]", help="repeat for several [default: cosines]")
    options = parser.parse_args()
    criteria = options.criterion or ["cosines"]
    if unknown := {name for criterion in criteria for name in criterion.split("+")} - set(CRITERIA):
        parser.error(f"unknown criterion {', '.join(sorted(unknown))}; choose of {', '.join(CRITERIA)}")
    torch.manual_seed(0)
    generator = load_checkpoint(options.checkpoint).generator.requires_grad_(False)
    table = rows(generator, criteria, options.steps, options.samples, options.images, options.latents, lambda line: print(line, flush=True))
    if options.out is not None:
        write_text(options.out, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
