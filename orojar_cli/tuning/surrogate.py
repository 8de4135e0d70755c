"""A small network that imitates the coarse image as a function of w, so that Jacobians cost next to nothing while training.

One exact Jacobian of the generator costs as much as hundreds of images; the mapping's training needs a hundred thousand.  The coarse
image (8 pixels a side) is also what distributions of images are compared by.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.devices import Chunks
from orojar_cli.directions.settings import Settings
from orojar_cli.distributed import as_first, gathered, own
from orojar_cli.generators.protocol import Generator
from orojar_cli.progress import Progress
from orojar_cli.response.jacobian import Response
from orojar_cli.response.outputs import default_output, shrunk
from orojar_cli.runs.resume import Section

_IMAGE_BATCH, _BATCH, _RATE = 256, 512, 4e-3
_HELD_OUT = 512
# Pixels of a coarse image's height.
_HEIGHT = 8
# With fewer images for each coordinate than this, the weak ones are turned down.
_ENOUGH_IMAGES = 64


class Surrogate(nn.Module):
    """Coordinates [N, D], times `scale` [D], -> coarse images [N, P], a multilayer perceptron smooth enough for second derivatives."""

    scale: Tensor

    def __init__(self, scale: Tensor, outputs: int, width: int = 256) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(len(scale), width), nn.Linear(width, width), nn.Linear(width, outputs)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.silu(self.second(F.silu(self.first(x * self.scale)))))


@torch.no_grad()
def coarse_images(generator: Generator, w: Tensor, progress: Progress | None = None, kept: Section | None = None) -> Tensor:
    """The default output [N, P] for w [N, w_dim] at every layer, averaged to 8 pixels' height or little more; in a group of processes each
    draws its share.

    What `kept` holds of an interrupted computation is not drawn again.
    """
    mine, images, drawn = own(w), w.new_empty(0), 0
    if kept is not None and (found := kept.read()):
        images, drawn = found["images"].to(w), int(found["stop"])
    output = default_output(generator)
    at_once = min(_IMAGE_BATCH, Response(generator, outputs=(output,)).at_once())
    chunks = Chunks(drawn, max(1, len(mine)), at_once)
    for start, stop in chunks:
        with chunks.fitting():
            part = shrunk(generator, output(generator, mine[start:stop].unsqueeze(1).expand(-1, generator.num_ws, -1)), _HEIGHT)
            if not start:
                images = part.new_empty(len(mine), part.shape[1])
            images[start:stop] = part
        if chunks.failed:
            continue
        if kept is not None:
            kept.write({"images": images, "stop": torch.tensor(start + len(part), device="cpu")})
        if progress is not None:
            progress("images", (start + len(part)) * len(w) // len(mine), len(w))
    return gathered(images, len(w))


def surrogate_loss(surrogate: Surrogate, coordinates: Tensor, images: Tensor, rng: torch.Generator) -> Tensor:
    """Mean squared error at a batch drawn from these."""
    chosen = torch.randint(0, len(coordinates), (_BATCH,), generator=rng).to(coordinates.device)
    return (surrogate(coordinates[chosen]) - images[chosen]).square().mean()


def train_surrogate(
    coordinates: Tensor, images: Tensor, weights: Tensor, settings: Settings, steps: int, progress: Progress | None = None
) -> tuple[Surrogate, float]:
    """(surrogate, share of the images' variance it leaves unexplained on held-out samples).  Deterministic given the seed.

    `weights` [D] are the square roots of the coordinates' activeness, at most 1.  Where images are few for so many coordinates, those
    that hardly move an image would be learnt by heart; their input is the smaller the weaker they are.
    """
    few = len(coordinates) < _ENOUGH_IMAGES * coordinates.shape[1]
    scale = weights.sqrt() if few else torch.ones_like(weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)  # module initialisation takes no generator; the global state is restored
        surrogate = Surrogate(scale, images.shape[1]).to(coordinates.device)
    optimiser = torch.optim.Adam(surrogate.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, steps)
    rng = torch.Generator().manual_seed(settings.seed)
    count = len(coordinates) - _HELD_OUT
    for step in range(steps):
        loss = surrogate_loss(surrogate, coordinates[:count], images[:count], rng)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if progress is not None:
            progress("surrogate", step + 1, steps)
    surrogate.requires_grad_(False)
    # On unlike machines the last digits differ, and grow over thousands of steps.
    for parameter in surrogate.parameters():
        parameter.copy_(as_first(parameter))
    held = images[count:]
    error = (surrogate(coordinates[count:]) - held).square().mean() / held.var(0, correction=0).mean().clamp_min(1e-12)
    return surrogate, float(error)
