"""Latent spaces: where a generator's latents live, and how a displacement in each of them becomes `ws`.

z is the mapping's input, w its output, p the last mapping layer before its activation (closer to Gaussian than w), w+ one w per
layer, s the styles: what the affine of every modulated layer makes of its w (StyleSpace, Wu et al. 2021, arXiv 2011.12799).
A displacement in z or p passes through the mapping; in w and w+ it is added after truncation (SeFa, Shen & Zhou 2021), in s to the
styles.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from orojar_cli.devices import sent
from orojar_cli.errors import OptionError
from orojar_cli.generators.options import LayerInfo
from orojar_cli.generators.primitives import bias_act
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents

SPACES = ("z", "w", "p", "w+", "s")
# Resolutions from and below.
NAMED_LAYERS = {"coarse": (0, 16), "mid": (16, 64), "fine": (64, 1 << 30)}
# Spaces whose coordinates belong to layers: their directions have no meaning at others.
LAYERED = ("w+", "s")


def space_dim(generator: Generator, space: str, layers: Sequence[int]) -> int:
    """Dimension of a space; w+ has one w per chosen layer, s the styles of every modulated layer that these drive.

    Raises OptionError for an unknown space, for s where the generator has no styles to displace, for p where it has no mapping layers.
    """
    if space == "p":
        _check_mapping_layers(generator)
    if space not in SPACES:
        raise OptionError(f"unknown space {space!r}; choose one of {', '.join(SPACES)}")
    if space == "s":
        return sum(_style_counts(generator, layers))
    return {"z": generator.z_dim, "w": generator.w_dim, "p": generator.w_dim, "w+": generator.w_dim * len(layers)}[space]


def free_coordinates(generator: Generator, space: str, layers: Sequence[int]) -> Tensor | None:
    """The coordinates of z, w or w+ through which the entries `layers` of ws can be moved, ascending; None for all of them.

    Networks that read parts of w (BigGAN: chunks of z, and a class vector, which directions leave as it is) say `free_coordinates`.
    Raises OptionError where these entries read nothing that could be moved.
    """
    if space not in ("z", "w", "w+") or not hasattr(generator, "free_coordinates"):
        return None
    parts = [list(generator.free_coordinates(entry)) for entry in layers]
    if space == "w+":
        found = [index * generator.w_dim + coordinate for index, part in enumerate(parts) for coordinate in part]
    else:
        found = sorted({coordinate for part in parts for coordinate in part})
    if not found:
        raise OptionError(f"layers {', '.join(map(str, layers))} read nothing of z; choose others")
    return torch.tensor(found, device="cpu")


def named_layers(generator: Generator, layers: Sequence[int] | str | None) -> tuple[int, ...] | None:
    """The entries of ws that "coarse", "mid" or "fine" mean: those of up to 8, of 16 to 32, and of 64 and more pixels, as StyleGAN's
    authors divide them (Karras et al. 2019, section 3.1); numbers and None as they are.

    Raises OptionError for another word, and where the network has no such layers.
    """
    if not isinstance(layers, str):
        return None if layers is None else tuple(layers)
    if layers not in NAMED_LAYERS:
        raise OptionError(f"--layers {layers!r:.60} is none of {', '.join(NAMED_LAYERS)}")
    resolutions: dict[int, int] = {}
    for layer in generator.config.layers():
        if layer.ws not in resolutions or "torgb" not in layer.name:
            resolutions[layer.ws] = layer.resolution
    low, high = NAMED_LAYERS[layers]
    found = tuple(entry for entry, resolution in sorted(resolutions.items()) if low <= resolution < high)
    if not found:
        raise OptionError(
            f"--layers {layers}: this network has no layers of {low} pixels and more" + (f", below {high}" if high < 1 << 30 else "")
        )
    return found


def all_layers(generator: Generator) -> tuple[int, ...]:
    """Every entry of `ws`."""
    return tuple(range(generator.num_ws))


def styled_layers(generator: Generator, layers: Sequence[int]) -> list[LayerInfo]:
    """The modulated layers driven by the entries `layers` of ws, in the order of their coordinates in s.

    Raises OptionError for a family whose styles cannot be displaced.
    """
    if not getattr(generator.synthesis, "takes_style_offsets", False):
        raise OptionError("the styles of this generator cannot be displaced, so it has no space s; use z or, with a mapping, w or w+")
    return [layer for layer in generator.config.layers() if layer.ws in layers]


def style_offsets(generator: Generator, displacement: Tensor, space: str, layers: Sequence[int]) -> dict[str, Tensor] | None:
    """What a displacement [N, D] in s adds to the styles, by layer [N, styles]; None in the other spaces, which move ws."""
    if space != "s":
        return None
    parts = displacement.split(_style_counts(generator, layers), 1)
    return {layer.name: part for layer, part in zip(styled_layers(generator, layers), parts, strict=True)}


def _style_counts(generator: Generator, layers: Sequence[int]) -> list[int]:
    """How many styles each of the layers has: StyleGAN2 and 3 scale the inputs, StyleGAN scales and shifts the outputs."""
    driven = styled_layers(generator, layers)
    shapes = generator.config.shapes()
    return [shapes[layer.affine][0] for layer in driven]


def style_affine(generator: Generator, layers: Sequence[int]) -> Tensor:
    """A [D, w_dim] with styles = A w + b: the affine weights of the layers in s, with their gain, one above another."""
    modules = [generator.synthesis.get_submodule(layer.name).affine for layer in styled_layers(generator, layers)]
    return torch.cat([module.weight * module.weight_gain for module in modules])


def displaced_ws(generator: Generator, at: Latents, displacement: Tensor, space: str, layers: Sequence[int]) -> Tensor:
    """ws [N, num_ws, w_dim] of the points `at` moved by `displacement` [N, D] in `space`, at the entries `layers` of ws only.

    A displacement in s leaves ws where it is: `style_offsets` says what it does.  Differentiable in the displacement.
    Raises OptionError for a space the generator does not have.
    """
    everywhere = len(layers) == generator.num_ws
    if space in ("z", "p"):
        moved = _through_mapping(generator, at, displacement, space)
        if everywhere:
            return moved
        chosen = layer_mask(generator, layers, moved)
        return torch.where(chosen, moved, generator.mapping(at.z, at.label, at.psi, at.cutoff))
    return displaced_from(generator, generator.mapping(at.z, at.label, at.psi, at.cutoff), displacement, space, layers)


def displaced_from(generator: Generator, ws: Tensor, displacement: Tensor, space: str, layers: Sequence[int]) -> Tensor:
    """`ws` [N, num_ws, w_dim] moved by `displacement` [N, D] in w or w+, at the entries `layers` only; in s they stay."""
    if space == "s":
        return ws
    if space == "w":
        step = displacement.unsqueeze(1)
        return ws + step if len(layers) == generator.num_ws else ws + step * layer_mask(generator, layers, ws)
    if space == "w+":
        steps = displacement.unflatten(1, (len(layers), generator.w_dim))
        before = dict(zip(layers, steps.unbind(1), strict=True))
        zero = torch.zeros_like(steps[:, 0])
        return ws + torch.stack([before.get(index, zero) for index in range(generator.num_ws)], 1)
    raise OptionError(f"unknown space {space!r}; choose one of {', '.join(SPACES)}")


def layer_mask(generator: Generator, layers: Sequence[int], like: Tensor) -> Tensor:
    """[num_ws, 1]: which entries of ws are among `layers`, where `like` is."""
    mask = torch.zeros(generator.num_ws, 1, dtype=torch.bool, device="cpu")
    mask[list(layers)] = True
    return sent(mask, like.device)


def _through_mapping(generator: Generator, at: Latents, displacement: Tensor, space: str) -> Tensor:
    if space == "z":
        return generator.mapping(at.z + displacement, at.label, at.psi, at.cutoff)
    _check_mapping_layers(generator)
    last = generator.mapping.layers[-1]
    moved = bias_act(pre_activation(generator, at.z, at.label) + displacement, None, last.activation)
    return generator.mapping.broadcast(moved, at.psi, at.cutoff, label=at.label)


def _check_mapping_layers(generator: Generator) -> None:
    if not hasattr(generator.mapping, "layers"):
        raise OptionError("this generator has no mapping layers, so no space p; use z")


def pre_activation(generator: Generator, z: Tensor, label: Tensor | None = None) -> Tensor:
    """p [N, w_dim]: what the last mapping layer computes before its activation."""
    *first, last = generator.mapping.layers
    x = generator.mapping.prepare(z, label)
    for layer in first:
        x = layer(x)
    return F.linear(x, last.weight * last.weight_gain, last.bias * last.bias_gain)
