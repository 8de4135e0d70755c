"""Variation predictability (VP): can a small network tell which dimension two pictures differ in?"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.devices import Chunks, on_processor
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.settings import MetricSettings, response_of
from orojar_cli.measures.uncertainty import RUNS, WITHOUT_DIMENSION, draw_is_measured, interval_of
from orojar_cli.progress import Progress

_STREAM, _PAIR_STREAM = 110, 111
_EXTENT = 2.0
_SOURCE = "variation predictability (Zhu et al., ECCV 2020), section 3.4"


@dataclass(frozen=True)
class Protocol:
    """How VP is measured: `pairs` of images, `test_share` of them held out, `widths` of the four convolutions, `joined` "channels" (both
    images, 6 channels) or "difference" (3), Adam with `rate`, `batch` and `epochs`, `runs` from different initialisations."""

    pairs: int
    test_share: float
    widths: tuple[int, int, int, int]
    joined: str
    rate: float
    batch: int
    epochs: int
    runs: int


PROTOCOLS = {
    # OroJaR (Wei et al., ICCV 2021), as its authors measured Edges+Shoes and CLEVR.
    "paper": Protocol(10_000, 0.9, (64, 64, 128, 256), "channels", 5e-4, 32, 300, 3),
    "small": Protocol(3000, 1 / 3, (24, 24, 48, 96), "difference", 2e-3, 50, 12, 3),
}


def predictability(
    generator: Generator, directions: DirectionSet, settings: MetricSettings, progress: Progress | None = None
) -> list[Measurement]:
    """Share of held-out pairs whose differing dimension a convnet names, after the last epoch ("vp") and at the best one ("vp_best").

    A pair is two images that differ in one random dimension.  In z the latents are U[-2, 2] in all of z, and the dimension takes two such
    values, as in the paper; elsewhere w is sampled as usual and the dimension adds two displacements from U[-2, 2] sigmas to it.  The
    split is seeded and the same for all runs, which differ in their initialisation and order; the mean of the runs is given.  The best
    epoch is chosen on the held-out pairs, as the papers do, and flatters.  Chance is 1 / dimensions.
    Raises OptionError for fewer than two directions or an unknown protocol.
    """
    protocol = PROTOCOLS.get(settings.protocol)
    if protocol is None:
        raise OptionError(f"unknown protocol {settings.protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    if settings.pairs is not None:
        protocol = replace(protocol, pairs=settings.pairs)
    chosen = settings.chosen(directions)
    if len(chosen) < 2:
        raise OptionError("predictability needs at least two directions to tell apart")
    inputs, targets = image_pairs(generator, chosen, settings, protocol, progress)
    tests = round(protocol.pairs * protocol.test_share)
    last, best = [], []
    for run in range(protocol.runs):
        correct = _train(inputs, targets, len(chosen), tests, protocol, settings.seed * 1000 + run, run, progress)
        last.append(correct[-1])
        best.append(correct[correct.mean(1).argmax()])
    names = targets[:tests].cpu().numpy()
    record = settings.record(tests, protocol=settings.protocol, dimensions=len(chosen), **asdict(protocol))
    made = []
    for metric, runs in (("vp", last), ("vp_best", best)):
        values = np.stack(runs).mean(0)
        details: dict[str, list[float]] = {
            RUNS: [float(run.mean()) for run in runs],
            "dimensions": [float(values[names == index].mean()) if (names == index).any() else 0.0 for index in range(len(chosen))],
        }
        if draw_is_measured(chosen):
            details[WITHOUT_DIMENSION] = [float(values[names != index].mean()) for index in range(len(chosen))]
        made.append(
            Measurement(
                metric=metric,
                subject=settings.name(directions),
                value=float(values.mean()),
                interval=interval_of(values, details),
                better="higher",
                source=_SOURCE,
                settings=record,
                details=details | {"chance": 1 / len(chosen)},
                per_latent=values,
            )
        )
    return made


@torch.no_grad()
def image_pairs(
    generator: Generator, directions: DirectionSet, settings: MetricSettings, protocol: Protocol, progress: Progress | None = None
) -> tuple[Tensor, Tensor]:
    """(the joined images [N, C, H, W], the dimension each pair differs in [N]); the first are the held-out ones."""
    rng = torch.Generator().manual_seed(settings.seed * 1000 + _PAIR_STREAM)
    at = settings.latents(generator, protocol.pairs, _STREAM)
    device = at.z.device
    response = response_of(generator, directions)
    if directions.space == "z":
        z = (torch.rand(protocol.pairs, generator.z_dim, generator=rng) * 2 - 1) * _EXTENT
        at = Latents(z.to(device), at.label, at.psi, at.cutoff)
    targets = torch.randint(0, len(directions), (protocol.pairs,), generator=rng)
    values = (torch.rand(2, protocol.pairs, 1, generator=rng) * 2 - 1) * _EXTENT
    units, sigma = directions.directions[targets].to(device), directions.sigma[targets].unsqueeze(1).to(device)
    # In z the dimension is set to the values, elsewhere they are added.
    origin = (at.z * units).sum(1, keepdim=True) if directions.space == "z" else torch.zeros_like(sigma)
    values = values.to(device)
    parts = []
    chunks = Chunks(0, protocol.pairs, response.at_once(4, settings.budget))
    for start, stop in chunks:
        with chunks.fitting():
            part = slice(start, stop)
            moves = (((value * sigma - origin) * units)[part] for value in values)
            first, second = (response(at[part], move)[0].unflatten(1, generator.image_shape) for move in moves)
            parts.append(torch.cat([first, second], 1) if protocol.joined == "channels" else second - first)
        if progress is not None:
            progress("pairs of images", stop, protocol.pairs)
    return torch.cat(parts), targets.to(device)


def _network(channels: int, classes: int, widths: tuple[int, ...]) -> nn.Module:
    """The convnet of Zhu et al.: 7x7 with stride 2, 3x3, max-pool, two more 3x3, global average, linear."""
    first, second, third, fourth = widths
    return nn.Sequential(
        nn.Conv2d(channels, first, 7, 2, 3),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, 1, 1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(second, third, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(third, fourth, 3, 1, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(fourth, classes),
    )


def _train(
    inputs: Tensor, targets: Tensor, classes: int, tests: int, protocol: Protocol, seed: int, run: int, progress: Progress | None
) -> np.ndarray:
    """[epochs, tests]: whether each held-out pair is named rightly after each epoch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # module initialisation takes no generator; the global state is restored
        network = _network(inputs.shape[1], classes, protocol.widths).to(inputs.device)
    rng = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(network.parameters(), protocol.rate)
    correct = []
    for epoch in range(protocol.epochs):
        order = torch.randperm(len(inputs) - tests, generator=rng).to(inputs.device) + tests
        for batch in order.split(protocol.batch):
            loss = F.cross_entropy(network(inputs[batch]), targets[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            guesses = torch.cat([network(part).argmax(1) for part in inputs[:tests].split(256)])
        correct.append(on_processor(guesses == targets[:tests]).numpy())
        if progress is not None:
            progress(f"predictability, run {run + 1} of {protocol.runs}", epoch + 1, protocol.epochs)
    return np.stack(correct)
