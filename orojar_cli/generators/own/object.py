"""The object that the user's code makes: what it offers, the one way by which it is called, and what identifies its weights."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from orojar_cli.errors import OwnCodeError
from orojar_cli.generators.own.running import own_code


class OwnObject:
    """The user's object, its sizes, and the one way by which it is called."""

    def __init__(self, thing: Any, name: str, device: torch.device | None = None) -> None:
        """Modules of the object go to `device`; None leaves them where they are."""
        self.thing, self.name = thing, name
        self.z_dim, self.c_dim = self.number("z_dim"), self.number("c_dim", 0)
        self.split = callable(getattr(thing, "mapping", None)) and callable(getattr(thing, "synthesis", None))
        self.forward: Any = thing if callable(thing) else getattr(thing, "forward", None)
        if not self.split and not callable(self.forward):
            raise OwnCodeError(f"{name} gives a {type(thing).__name__} without forward(z), or mapping(z) and synthesis(w)")
        self.dtype = torch.float32
        self.modules = list(parts(thing, nn.Module).values())
        for module in self.modules if device is not None else ():
            module.to(device)
        floating = [
            tensor
            for module in self.modules
            for tensor in module.state_dict().values()
            if isinstance(tensor, Tensor) and tensor.is_floating_point()
        ]
        if floating:
            self.dtype = floating[0].dtype
        self.device = device or (floating[0].device if floating else torch.device("cpu"))

    def freeze(self) -> None:
        """Put the object's modules into evaluation mode, and take no gradients of their weights, for good."""
        for module in self.modules:
            module.eval().requires_grad_(False)

    def number(self, attribute: str, default: int | None = None) -> int:
        """A whole number among the attributes: at least 1, or where there is a default at least 0; raises OwnCodeError for another."""
        value = getattr(self.thing, attribute, default)
        if type(value) is not int or value < (1 if default is None else 0):
            found = "no" if value is None else f"{value!r} as"
            raise OwnCodeError(f"{self.name} gives a {type(self.thing).__name__} with {found} {attribute}; it must be a whole number")
        return value

    def call(self, what: str, function: Callable[..., Any], first: Tensor, label: Tensor | None = None) -> Tensor:
        """One of the object's methods on tensors, in the number format of its weights, in evaluation mode; raises as `own_code` does."""
        arguments = [tensor.to(self.dtype) for tensor in (first, label) if tensor is not None]
        with evaluating(self.modules), own_code(self.name, what):
            result = function(*arguments)
        if not isinstance(result, Tensor):
            raise OwnCodeError(f"{self.name}: {what} gives a {type(result).__name__}; it must give one tensor")
        return result.to(first.dtype)

    def style_weights(self, w_dim: int, num_ws: int) -> list[Tensor]:
        """The matrices [rows, w_dim] that SeFa factorises, one for each entry of ws, or none; raises OwnCodeError for others."""
        weights = list(getattr(self.thing, "style_weights", ()))
        shapes = [tuple(weight.shape) if isinstance(weight, Tensor) else type(weight).__name__ for weight in weights]
        if weights and (len(weights) != num_ws or any(len(shape) != 2 or shape[1] != w_dim for shape in shapes)):
            raise OwnCodeError(f"{self.name}: style_weights must be {num_ws} matrices [rows, {w_dim}], not {shapes}")
        return weights


@contextlib.contextmanager
def evaluating(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Modules in evaluation mode, and afterwards each submodule in the mode it was found in."""
    training = [part for module in modules for part in module.modules() if part.training]
    if not training:
        yield
        return
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def weights_sha256(thing: Any, name: str) -> str:
    """SHA-256 over the names, types, shapes and bytes of the object's tensors, and over its `identity` where it has one.

    Tensors are those of `state_dict()` of the object and of its attributes that are modules, and attributes that are tensors: the same on
    every device.  Raises OwnCodeError where there are none, for then nothing tells one set of weights from another.
    """
    tensors: dict[str, Tensor] = parts(thing, Tensor)
    for prefix, module in parts(thing, nn.Module).items():
        tensors |= {f"{prefix}.{key}": value for key, value in module.state_dict().items() if isinstance(value, Tensor)}
    identity = getattr(thing, "identity", None)
    if not tensors and not isinstance(identity, str):
        raise OwnCodeError(
            f"{name} gives a {type(thing).__name__} without weights to tell it by: keep its modules or tensors as attributes, "
            "or set identity to a text that names them"
        )
    digest = hashlib.sha256(f"identity {identity}\n".encode() if isinstance(identity, str) else b"")
    for key, tensor in sorted(tensors.items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def parts(thing: Any, kind: type) -> dict[str, Any]:
    """The object, "" , and its attributes, by name, as far as they are of a kind; a module's own are in its state_dict."""
    found = {"": thing} if isinstance(thing, kind) else {}
    attributes: Mapping[str, Any] = {**vars(type(thing)), **getattr(thing, "__dict__", {})}
    return found | {key: value for key, value in attributes.items() if isinstance(value, kind)}
