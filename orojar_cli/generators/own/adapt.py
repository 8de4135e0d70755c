"""Your own generator: an object of code that orojar does not know, behind the protocol of the families it knows.

What the object offers:

    z_dim                      dimension of the latent z, which is standard normal
    forward(z) -> images       z [N, z_dim] -> [N, C, H, W] in about [-1, 1], C from 1 to 4; or __call__

and where the network has them:

    mapping(z), synthesis(w)   instead of forward; w is [N, w_dim], or [N, num_ws, w_dim] with equal entries
    c_dim                      number of classes: forward and mapping are then called with (z, label), label [N, c_dim] one-hot
    w_avg                      [w_dim], the mean of w, towards which truncation pulls; measured where it is not given
    style_weights              the matrices [rows, w_dim] that w meets first, one for each entry of ws: what SeFa factorises
    identity                   a text that names the weights, needed where they are in no torch modules or tensors of the object

Images must be the same for the same z.  Without a mapping w is z, followed by the label where there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jvp, vmap

from orojar_cli.errors import OptionError, OwnCodeError
from orojar_cli.generators.base import BaseGenerator, BaseMapping
from orojar_cli.generators.checks import check_latents, check_ws
from orojar_cli.generators.noise import Randomness
from orojar_cli.generators.options import LayerCost
from orojar_cli.generators.own.config import OwnConfig
from orojar_cli.generators.own.meter import CostMeter
from orojar_cli.generators.own.object import OwnObject, parts, weights_sha256

_TRIAL, _AVERAGE_SAMPLES, _AVERAGE_BATCH = 2, 4096, 256
# Of the comparison with central differences, which the kinks of rectifiers disturb.
_STEP, _TOLERANCE = 1e-3, 0.1
# Numbers at the widest place of a network that cannot be looked into (TorchScript, other libraries), in images.
_LEAST_LAYERS = 16


class OwnMapping(BaseMapping):
    """z [N, z_dim] -> ws [N, num_ws, w_dim] through the object's mapping; without one w is z and the label."""

    def __init__(self, own: OwnObject, w_dim: int, num_ws: int) -> None:
        super().__init__()
        self.own, self.num_ws = own, num_ws
        self.register_buffer("w_avg", torch.zeros(w_dim, device=own.device))

    def w(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """w [N, w_dim] before truncation."""
        check_latents(z, label, self.own.z_dim, self.own.c_dim, self.own.device)
        if not self.own.split:
            return z if label is None else torch.cat([z, label], 1)
        w = self.own.call("mapping", self.own.thing.mapping, z, label)
        return w[:, 0] if w.ndim == 3 else w

    def spread(self, w: Tensor, psi: float, cutoff: int | None) -> Tensor:
        """As in the base; a label in w stays."""
        ws = w.unsqueeze(1).repeat(1, self.num_ws, 1)
        if psi == 1:
            return ws
        pulled = self.w_avg.lerp(w, psi)
        if not self.own.split:
            pulled = torch.cat([pulled[:, : self.own.z_dim], w[:, self.own.z_dim :]], 1)
        entries = torch.arange(self.num_ws, device=w.device).unsqueeze(1)
        return ws if cutoff == 0 else torch.where(entries < (cutoff or self.num_ws), pulled.unsqueeze(1), ws)


class OwnSynthesis(nn.Module):
    """ws [N, num_ws, w_dim] -> images [N, C, H, W] through the object's synthesis, or its forward."""

    def __init__(self, own: OwnObject, w_dim: int, num_ws: int, per_entry: bool) -> None:
        super().__init__()
        self.own, self.w_dim, self.num_ws, self.per_entry = own, w_dim, num_ws, per_entry

    def forward(self, ws: Tensor, noise_mode: str = "const", resolution: int | None = None, rng: Randomness = None) -> Tensor:
        """The image; noise is the object's own business.  Raises OptionError for a `resolution` on the way."""
        if resolution is not None:
            raise OptionError(f"what is inside {self.own.name} is not known: use --output image or image:SIZE")
        check_ws(ws, self.num_ws, self.w_dim, self.own.device)
        if self.own.split:
            return self.own.call("synthesis", self.own.thing.synthesis, ws if self.per_entry else ws[:, 0])
        w = ws[:, 0]
        label = w[:, self.own.z_dim :] if self.own.c_dim else None
        return self.own.call("forward", self.own.forward, w[:, : self.own.z_dim], label)

    def run(self, ws: Tensor, noise_mode: str = "const", until: int | None = None, rng: Randomness = None) -> Any:
        """Features on the way are not known; raises OptionError."""
        return self.forward(ws, noise_mode, until or 0)


class OwnGenerator(BaseGenerator):
    """The object as a generator.

    `forward_mode` says whether exact Jacobians can be taken through it (else central differences are), `differentiable` whether
    gradients can.
    """

    def __init__(self, own: OwnObject, config: OwnConfig, mapping: OwnMapping, synthesis: OwnSynthesis) -> None:
        super().__init__(config, mapping, synthesis)
        self.forward_mode = self.differentiable = True
        # The parameter by which others learn where to compute.
        self.place = nn.Parameter(torch.zeros((), device=own.device), requires_grad=False)
        for entry, weight in enumerate(own.style_weights(config.w_dim, config.num_ws)):
            layer = nn.Module()
            layer.affine = nn.Module()
            layer.affine.register_buffer("weight", weight.detach().float())
            synthesis.add_module(f"style{entry}", layer)

    def z_columns(self) -> list[Tensor]:
        """Nothing: the object's weights are not ours to change.  Raises OptionError."""
        raise OptionError(f"{self.config.architecture} is your own code, whose weights orojar does not change; use the directions")


def adapt(thing: Any, name: str, device: str | torch.device | None = None, *, freeze: bool = False) -> OwnGenerator:
    """The generator that the user's object is, which errors call `name`; its sizes are those of one trial.

    The object is used, not copied, and left as it is found: its modules run in evaluation mode and go back to their own mode after
    every call, and weights keep their `requires_grad`.  Two things are asked for by name: `device` moves its modules there (by default
    they stay, and the generator is where they are), and `freeze` puts them into evaluation mode and turns off the gradients of
    their weights for good, which saves the memory of graphs and a little time.

    `sha256` of the generator is that of the weights as they are when it is asked for, "" where nothing tells them.

    Raises OwnCodeError where the object lacks what the protocol asks for, or fails.
    """
    own = OwnObject(thing, name, None if device is None else torch.device(device))
    if freeze:
        own.freeze()
    z = torch.randn(_TRIAL, own.z_dim, generator=torch.Generator().manual_seed(0)).to(own.device)
    label = torch.eye(own.c_dim, device=own.device)[torch.arange(_TRIAL, device=own.device) % own.c_dim] if own.c_dim else None
    with torch.no_grad():
        w_dim, num_ws, per_entry = _sizes_of_w(own, z, label)
        mapping, synthesis = OwnMapping(own, w_dim, num_ws), OwnSynthesis(own, w_dim, num_ws, per_entry)
        image = _checked_images(own, synthesis(mapping(z, label)))
        if not torch.allclose(image, synthesis(mapping(z, label)), rtol=1e-3, atol=1e-3):
            raise OwnCodeError(f"{name} draws different images for the same z; fix its noise (and give its modules as attributes)")
        cost = _cost(own, lambda: synthesis(mapping(z[:1], None if label is None else label[:1])), image.shape[2])
        rows = tuple(len(weight) for weight in own.style_weights(w_dim, num_ws))
        shape = image.shape[1], image.shape[2], image.shape[3]
        config = OwnConfig(name, own.z_dim, own.c_dim, w_dim, num_ws, shape, cost, rows)
        mapping.w_avg.copy_(_average(own, mapping))
    generator = OwnGenerator(own, config, mapping, synthesis)
    generator.forward_mode, generator.differentiable = _takes_tangents(generator, z, label), _takes_gradients(generator, z, label)
    generator.identity = lambda: _identity(thing, name)
    return generator


def _identity(thing: Any, name: str) -> str:
    try:
        return weights_sha256(thing, name)
    except OwnCodeError:
        return ""


def _sizes_of_w(own: OwnObject, z: Tensor, label: Tensor | None) -> tuple[int, int, bool]:
    """(w_dim, num_ws, whether synthesis takes one w for each entry of ws)."""
    if not own.split:
        return own.z_dim + own.c_dim, 1, False
    w = own.call("mapping", own.thing.mapping, z, label)
    if w.ndim not in (2, 3) or len(w) != len(z):
        raise OwnCodeError(f"{own.name}: mapping gives {list(w.shape)} for {len(z)} z; it must give [N, w_dim] or [N, num_ws, w_dim]")
    if w.ndim == 3:
        if not torch.equal(w, w[:, :1].expand_as(w)):
            raise OwnCodeError(f"{own.name}: mapping gives another w for each entry of ws; give [N, w_dim], the one they are made of")
        return w.shape[2], w.shape[1], True
    num_ws = own.number("num_ws", 1)
    return w.shape[1], num_ws, num_ws > 1


def _checked_images(own: OwnObject, images: Tensor) -> Tensor:
    shape = list(images.shape)
    if len(shape) != 4 or shape[0] != _TRIAL or not 1 <= shape[1] <= 4 or 0 in shape:
        raise OwnCodeError(f"{own.name} gives images of shape {shape} for {_TRIAL} z; they must be [N, C, H, W] with 1 to 4 channels")
    if not bool(torch.isfinite(images).all()):
        raise OwnCodeError(f"{own.name} gives images with numbers that are not finite; its weights may be missing")
    return images


def _average(own: OwnObject, mapping: OwnMapping) -> Tensor:
    """The mean of w: as the object says, else over 4096 z and classes; 0 where w is z."""
    if not own.split:
        return torch.zeros_like(mapping.w_avg)
    given = getattr(own.thing, "w_avg", None)
    if isinstance(given, Tensor):
        if given.shape != mapping.w_avg.shape:
            raise OwnCodeError(f"{own.name}: w_avg has the shape {list(given.shape)}, w has {list(mapping.w_avg.shape)}")
        return given.to(mapping.w_avg)
    rng = torch.Generator().manual_seed(0)
    total = torch.zeros_like(mapping.w_avg)
    for _ in range(0, _AVERAGE_SAMPLES, _AVERAGE_BATCH):
        z = torch.randn(_AVERAGE_BATCH, own.z_dim, generator=rng).to(own.device)
        classes = torch.randint(0, max(1, own.c_dim), (_AVERAGE_BATCH,), generator=rng)
        label = torch.eye(own.c_dim)[classes].to(own.device) if own.c_dim else None
        total += mapping.w(z, label).sum(0)
    return total / _AVERAGE_SAMPLES


def _cost(own: OwnObject, draw: Callable[[], Tensor], resolution: int) -> LayerCost:
    """What one image costs, counted while it is drawn; what the count cannot see is at least as much as the weights and the image."""
    with CostMeter() as meter:
        image = draw()
    weights = sum(parameter.numel() for module in parts(own.thing, nn.Module).values() for parameter in module.parameters())
    return LayerCost(resolution, max(meter.numbers, _LEAST_LAYERS * image.numel()), max(meter.multiplications, weights, 1))


def _takes_tangents(generator: OwnGenerator, z: Tensor, label: Tensor | None) -> bool:
    """Whether forward-mode differentiation works through the object under vmap, and sees what central differences see.

    Code that detaches its tensors, or draws under no_grad, gives tangents that are too small without an error.
    """
    tangents = torch.ones_like(z).unsqueeze(0)
    try:
        moved = vmap(lambda tangent: jvp(lambda point: generator(point, label), (z,), (tangent,))[1])(tangents)[0]
    except (OwnCodeError, RuntimeError, NotImplementedError):
        return False
    with torch.no_grad():
        ahead, behind = (generator(z + step, label) for step in (_STEP, -_STEP))
    difference = (ahead - behind) / (2 * _STEP)
    # Differences of numbers in half precision tell nothing.
    return generator.synthesis.own.dtype.itemsize < 4 or bool((moved - difference).norm() <= _TOLERANCE * difference.norm())


def _takes_gradients(generator: OwnGenerator, z: Tensor, label: Tensor | None) -> bool:
    with torch.enable_grad():
        try:
            return generator(z.clone().requires_grad_(True), label).requires_grad
        except (OwnCodeError, RuntimeError):
            return False
