"""Which state dictionaries of a torch.save file are networks that orojar knows."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.torch_file import PlainObject
from orojar_cli.errors import UnsupportedCheckpointError

# In the order of preference: averaged weights first.
_AVERAGED = ("g_ema", "G_ema", "generator_ema", "params_ema", "avgG")
_TRAINED = ("netG_state_dict", "netG", "g", "G", "generator", "state_dict", "model")
_CODES = {"float16": "e", "float32": "f", "float64": "d"}  # the struct module's
_CRITICS = ("d", "D", "discriminator")


@dataclass(frozen=True, eq=False)
class StateDict:
    """The tensors of one network by name, without the prefix that data-parallel training adds.

    `settings` are the attributes of the configuration object that some training scripts keep beside their networks: plain data of
    any kind.
    """

    tensors: dict[str, TensorRecord]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_stylegan2(self) -> bool:
        """Whether these are the names of the widespread StyleGAN2 layout."""
        return "input.input" in self.tensors and "style.1.weight" in self.tensors

    @property
    def is_progan(self) -> bool:
        """Whether these are the names of the widespread ProGAN layout."""
        return "formatLayer.module.weight" in self.tensors and "toRGBLayers.0.module.weight" in self.tensors

    @property
    def is_dcgan(self) -> bool:
        """Whether this is a stack of 4x4 convolutions that could be a DCGAN's generator."""
        kernels = [record.shape for record in self.tensors.values() if len(record.shape) == 4]
        return not self.is_simplegan and len(kernels) >= 2 and all(shape[2:] == (4, 4) for shape in kernels) and kernels[-1][1] <= 4

    @property
    def is_simplegan(self) -> bool:
        """Whether these are the names of the small GANs of the OroJaR and Hessian Penalty experiments."""
        return "layers.0.layers.conv.weight" in self.tensors or "layers.0.layers.conv.weight_orig" in self.tensors

    @property
    def is_generator(self) -> bool:
        """Whether this is a generator of one of these kinds."""
        return self.is_stylegan2 or self.is_progan or self.is_simplegan or self.is_dcgan

    @property
    def is_critic(self) -> bool:
        """Whether these are the names of that layout's discriminator."""
        return "final_linear.1.weight" in self.tensors and "convs.0.0.weight" in self.tensors


def find_networks(value: Any, name: str) -> dict[str, Any]:
    """The top level of the file with its networks renamed "G_ema" and "D".

    Raises UnsupportedCheckpointError where there is no generator that orojar knows.
    """
    top: dict[str, Any] = value if type(value) is dict else {}
    whole = _state_dict(top)
    candidates = {"state_dict": whole} if whole is not None else {key: _state_dict(item) for key, item in top.items()}
    known = {key: found for key, found in candidates.items() if found is not None}
    generator = next((key for key in (*_AVERAGED, *_TRAINED, *known) if key in known and known[key].is_generator), None)
    if generator is None:
        found = ", ".join(printable(key, 30) for key in list(top)[:8]) or "nothing"
        raise UnsupportedCheckpointError(
            f"not supported: {name} holds no StyleGAN2, ProGAN or DCGAN generator that orojar knows (found: {found}); "
            "pass a network .pkl, or a state dict of those networks"
        )
    critic = next((key for key in _CRITICS if key in known and known[key].is_critic), None)
    stored = known[generator]
    average = top.get("latent_avg")
    if stored.is_stylegan2 and type(average) is TensorRecord:
        stored = replace(stored, tensors=stored.tensors | {"latent_avg": average})
    settings = top.get("config")
    if type(settings) is PlainObject:
        stored = replace(stored, settings=settings.attributes)
    rest = (
        {}
        if whole is not None
        else {key: item for key, item in top.items() if key not in (generator, critic, "latent_avg", "G_ema", "G", "D")}
    )
    return {"G_ema": stored} | ({"D": known[critic]} if critic else {}) | rest


def _state_dict(value: Any) -> StateDict | None:
    """`value` as a state dictionary, or None where it is something else."""
    if type(value) is not dict or not value or any(type(item) is not TensorRecord for item in value.values()):
        return None
    parallel = all(key.startswith("module.") for key in value)
    return StateDict({key.removeprefix("module.") if parallel else key: item for key, item in value.items()})


def small_values(record: TensorRecord) -> tuple[float, ...] | None:
    """The numbers of a small tensor of floating-point numbers in the order they are stored, or None where it is another kind."""
    code = _CODES.get(record.dtype)
    if code is None or record.numel > 1024:
        return None
    data, size = record.storage.data, record.storage.itemsize
    return struct.unpack(f"<{record.numel}{code}", data.file.read(data.offset + size * record.offset, size * record.numel))
