"""SeFa: closed-form factorisation of the style weights (Shen & Zhou, CVPR 2021, arXiv 2007.06600)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from orojar_cli.devices import on_processor
from orojar_cli.diagonaliser.identifiability import degenerate_values
from orojar_cli.directions.direction_set import DEGENERATE, DirectionSet
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.directions.method import Method, Option, with_defaults
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.spaces import free_coordinates
from orojar_cli.progress import Progress

VARIANTS = ("authors", "rosinality")
_OPTIONS = {
    "variant": Option("authors", choices=VARIANTS),
    "normalize": Option(True),
    "first_layer": Option(False),
    "activeness": Option(True),
}


def style_weights(generator: Generator, layers: Sequence[int]) -> list[Tensor]:
    """The affine weights [in, w_dim] of the chosen entries of ws: each entry's convolution, and ToRGB only for the last entry.

    That is the authors' choice: the other ToRGB layers share their entry with the next convolution.  Networks without such weights
    may say `style_weights` of their own.
    """
    if hasattr(generator, "style_weights"):
        own: list[Tensor] = generator.style_weights(layers)
        return own
    by_entry: dict[int, str] = {}
    for layer in generator.config.layers():
        if layer.ws not in by_entry or "torgb" not in layer.name:
            by_entry[layer.ws] = layer.affine
    if not by_entry:
        raise OptionError("this generator names no weights that w meets first, so SeFa has nothing to factorise; use orojar discover")
    weights = generator.state_dict()
    return [weights[by_entry[entry]] for entry in layers]


def rosinality_weights(generator: Generator, layers: Sequence[int]) -> list[Tensor]:
    """The affine weights [in, w_dim] that the factorisation of rosinality's stylegan2-pytorch takes, of the chosen entries of ws: every
    convolution's and the first ToRGB's, not those of the ToRGBs after it.

    Raises OptionError for a network without a ToRGB layer in every block, and where the entries drive none of these.
    """
    driven = [] if hasattr(generator, "style_weights") else generator.config.layers()
    colours = [layer.name for layer in driven if "torgb" in layer.name]
    if len(colours) < 2:
        raise OptionError("rosinality's variant is for StyleGAN2 with a ToRGB layer in every block; use --variant authors")
    taken = [layer.affine for layer in driven if layer.ws in layers and layer.name not in colours[1:]]
    if not taken:
        raise OptionError("rosinality's variant leaves out all ToRGB layers but the first, and --layers names nothing else")
    weights = generator.state_dict()
    return [weights[name] for name in taken]


def style_factors(weights: Sequence[Tensor], *, normalise: bool = True) -> tuple[Tensor, Tensor]:
    """(directions [D, D], singular values [D]) of the stacked rows, largest first.

    The right singular vectors of the stack A are the eigenvectors of the D x D matrix A^T A, which is what is decomposed.
    With `normalise` every row has unit length first, as the authors do.
    """
    gram = torch.zeros(weights[0].shape[1], weights[0].shape[1], dtype=torch.float64)
    for weight in weights:
        rows = on_processor(weight)
        if normalise:
            rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
        gram += rows.T @ rows
    values, vectors = torch.linalg.eigh(gram)
    return vectors.flip(1).T.contiguous(), values.flip(0).clamp_min(0).sqrt()


def sefa(generator: Generator, settings: Settings, progress: Progress | None = None) -> DirectionSet:
    """The first `settings.num` singular directions of the chosen layers' style weights, in w, in the order of singular values.

    Option `normalize` (True) gives rows unit length; `first_layer` uses the first chosen layer alone (the OroJaR authors'
    baseline); `activeness` (True) measures how active they are, else all are 0.  `variant` "rosinality" is what
    closed_form_factorization.py of stylegan2-pytorch computes instead: raw rows, the first ToRGB's among them and the last one's not.
    """
    options = with_defaults(_OPTIONS, settings.options)
    layers = settings.layers_of(generator)
    raw = options["variant"] == "rosinality"
    weights = (rosinality_weights if raw else style_weights)(generator, layers[:1] if options["first_layer"] else layers)
    vectors, values = style_factors(weights, normalise=options["normalize"] and not raw)
    free = free_coordinates(generator, "w", layers)
    if free is not None:  # the rest are vectors that no weight reads
        vectors, values = vectors[: len(free)], values[: len(free)]
    frame = Frame.of(generator, settings)
    plain = Frame(torch.eye(generator.w_dim, device=generator.device), frame.moments, False)
    scores = {"singular_value": values, DEGENERATE: degenerate_values(values)}
    measured = options["activeness"]
    return finished(generator, settings, plain, vectors, "sefa", by_activeness=False, measured=measured, scores=scores, progress=progress)


def sefa_at_once(generator: Generator) -> DirectionSet:
    """SeFa's first 16 directions, their activeness not measured: seconds at any size."""
    settings = Settings(whiten=False, class_index=0 if generator.c_dim else None, options={"activeness": False})
    return sefa(generator, settings)


METHOD = Method("sefa", sefa, _OPTIONS, spaces=("w",), whiten=False, compared=True)
