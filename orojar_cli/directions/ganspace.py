"""GANSpace: principal components of w (Härkönen et al., NeurIPS 2020, arXiv 2004.02546)."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from orojar_cli.devices import Chunks
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.directions.method import Method, Option, with_defaults
from orojar_cli.directions.settings import Settings
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.moments import Moments, latent_samples
from orojar_cli.latents.points import Latents, normal_latents, one_hot
from orojar_cli.latents.spaces import free_coordinates
from orojar_cli.progress import Progress
from orojar_cli.response.outputs import Output

_STREAM = 4
# A multiple of 16: so many normal numbers are drawn at a time, and a part's are those that one draw of all has in its place.
_PART = 8192
_SAMPLES, _SAMPLES_WITH_ACTIVATION = 100_000, 10_000
_OPTIONS = {"activation": Option(None, str), "num_samples": Option(None, int, low=2)}


def ganspace(generator: Generator, settings: Settings, progress: Progress | None = None) -> DirectionSet:
    """Principal components of the latents (w or p), largest variance first; one sigma is the data's standard deviation.

    Option `num_samples` (None: 100,000; 10,000 with an activation): memory does not grow with it.  Option `activation` ("b16", …)
    decomposes the features of that block instead, all of which are held, and carries its components back to the latent by least
    squares, as the authors do for BigGAN.
    """
    options = with_defaults(_OPTIONS, settings.options)
    activation = options["activation"]
    count = options["num_samples"] or (_SAMPLES_WITH_ACTIVATION if activation else _SAMPLES)
    free = free_coordinates(generator, settings.space, settings.layers_of(generator))
    kept: list[torch.Tensor] = []

    def drawn() -> Iterator[torch.Tensor]:
        done = 0
        for at in latents_in_parts(generator, settings, count):
            latents = latent_samples(generator, at, settings.space).cpu()
            if free is not None:
                latents = torch.zeros_like(latents).index_copy_(1, free, latents[:, free])
            if activation:
                kept.append(latents)
            yield latents
            done += len(latents)
            if progress is not None:
                progress("sampling", done, count)

    moments = Moments.over(drawn())
    if activation:
        coordinates, values = _by_activation(generator, settings, torch.cat(kept), activation, progress)
    else:
        scales, values = moments.whitening()
        coordinates = (scales / scales.norm(dim=0).clamp_min(1e-30)).T
        if free is not None:  # the rest do not vary, so they are no directions
            coordinates, values = coordinates[: len(free)], values[: len(free)]
    frame = Frame(torch.eye(len(coordinates[0]), device=generator.device), moments, False)
    return finished(
        generator, settings, frame, coordinates, "ganspace", by_activeness=False, scores={"variance": values}, progress=progress
    )


def latents_in_parts(generator: Generator, settings: Settings, count: int, size: int = _PART) -> Iterator[Latents]:
    """The latents that `settings.latents` draws at once, `size` at a time; where z is truncated, by drawing again, all z are held."""
    if hasattr(generator, "z_limit") and generator.z_limit(settings.psi) is not None:
        whole = settings.latents(generator, count, _STREAM)
        yield from (whole[start : start + size] for start in range(0, count, size))
        return
    rng = torch.Generator().manual_seed(settings.seed * 1000 + _STREAM)
    for start in range(0, count, size):
        number = min(size, count - start)
        z = normal_latents(generator, number, rng, settings.psi)
        yield Latents(z, one_hot(generator, settings.class_index, number), settings.psi)


@torch.no_grad()
def _by_activation(
    generator: Generator, settings: Settings, latents: torch.Tensor, activation: str, progress: Progress | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latent directions [K, D] that least squares assigns to the principal components of a block's features, and their variances."""
    output = Output.parse(activation)
    device = generator.device
    features = []
    chunks = Chunks(0, len(latents), 256)
    for start, stop in chunks:
        with chunks.fitting():
            ws = latents[start:stop].to(device).unsqueeze(1).expand(-1, generator.num_ws, -1)
            features.append(output(generator, ws).cpu())
        if progress is not None:
            progress("features", min(stop, len(latents)), len(latents))
    stacked = torch.cat(features)
    rank = min(generator.w_dim, *stacked.shape) - 1
    torch_rng = torch.random.fork_rng(devices=[])
    with torch_rng:
        torch.manual_seed(settings.seed)  # pca_lowrank takes no generator; the global state is restored
        _, singular, components = torch.pca_lowrank(stacked, q=min(rank, max(settings.num or rank, 16)))
    scores = (stacked - stacked.mean(0)) @ components / singular * len(stacked) ** 0.5
    centred = latents - latents.mean(0)
    solution = torch.linalg.lstsq(scores.double(), centred.double()).solution
    return (solution / solution.norm(dim=1, keepdim=True)).float(), singular.square() / len(stacked)


def _images(generator: Generator, settings: Settings) -> float:
    options = with_defaults(_OPTIONS, settings.options)
    return float(options["num_samples"] or _SAMPLES_WITH_ACTIVATION) if options["activation"] else 0.0


METHOD = Method("ganspace", ganspace, _OPTIONS, spaces=("w", "p"), compared=True, images=_images)
