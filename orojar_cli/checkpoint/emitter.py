"""Writing a network as a new PyTorch-era .pkl, for inputs that are not such a file (TensorFlow-era files, .safetensors, state dicts).

The container embeds the source text of its modules, and the tools that this container comes from run that text to find the classes.  We
copy nobody's: ours is an import of the classes by their names from the tool that loads the file (`SOURCES`).  These tools also want G, D
and G_ema to be modules: G is the same object as G_ema where there is no copy for training, and D too where there is no critic.  A .pkl made
from a .pkl is patched instead and keeps its texts, where it has them: those that were removed, and our first versions, kept none.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from orojar_cli.checkpoint.checkpoint import Checkpoint
from orojar_cli.containers.pickle_writer import Call, EmptySet, Name, Once, PickleWriter
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.files import atomic_path
from orojar_cli.generators.families import describers
from orojar_cli.generators.pickle_description import Describers, Description

_FIRST_LINE = "# Written by orojar: imports the classes of the tool that loads this file, and holds no code of it.\n"
_SG2 = """(
    Conv2dLayer, Discriminator, DiscriminatorBlock, DiscriminatorEpilogue, FullyConnectedLayer, Generator, MappingNetwork,
    MinibatchStdLayer, SynthesisBlock, SynthesisLayer, SynthesisNetwork, ToRGBLayer,
)
"""
_SG3 = "(FullyConnectedLayer, Generator, MappingNetwork, SynthesisInput, SynthesisLayer, SynthesisNetwork)\n"
# Source texts, by the class of a module that only their networks have; those of all others are the first.
SOURCES = {
    "": f"{_FIRST_LINE}try:\n    from training.networks_stylegan2 import {_SG2}"
    f"except ImportError:\n    from training.networks import {_SG2}",
    "SynthesisInput": f"{_FIRST_LINE}from training.networks_stylegan3 import {_SG3}",
}
_ORDERED = Call(Name("collections", "OrderedDict"), ())
_HOOKS = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def write_pickle(checkpoint: Checkpoint, path: Path, training: nn.Module | None = None) -> None:
    """Write G_ema and D of `checkpoint`, and as G the network `training`, as a PyTorch-era pickle to `path`, whole or not at all.

    Raises UnsupportedCheckpointError for a generator that this container has no form for, OutputFileError when it cannot be written.
    """
    known = describers()
    if type(checkpoint.generator) not in known:
        raise UnsupportedCheckpointError(
            f"not supported: a {checkpoint.generator.config.family} network has no .pkl form; write .safetensors instead"
        )
    keys = map(str, itertools.count())
    critic = None if checkpoint.critic is None else _network(checkpoint.critic, keys, known)
    generator = Once(_network(checkpoint.generator, keys, known))
    copy = generator if training is None else _network(training, keys, known)
    networks = {"G": copy, "D": generator if critic is None else critic, "G_ema": generator}
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        PickleWriter(stream).dump(networks | {"training_set_kwargs": {}, "augment_pipe": None})


def _network(module: nn.Module, keys: Iterator[str], known: Describers) -> Call:
    """The network object for a whole network."""
    classes = {known[type(part)](part, path.rpartition(".")[2]).class_name for path, part in module.named_modules()}
    source = next((text for name, text in SOURCES.items() if name in classes), SOURCES[""])
    return _persistent(module, "", keys, known, source)


def _persistent(module: nn.Module, name: str, keys: Iterator[str], known: Describers, source: str) -> Call:
    """The network object for one of our modules and everything below it."""
    description = known[type(module)](module, name)
    parameters = {key: _parameter(tensor, next(keys)) for key, tensor in module.named_parameters(recurse=False)}
    buffers: dict[str, Any] = {key: _tensor(tensor, next(keys)) for key, tensor in module.named_buffers(recurse=False)}
    children = {key: _persistent(child, key, keys, known, source) for key, child in module.named_children()}
    children |= {key: _object(extra, {}, {}, {}, source) for key, extra in description.extra.items()}
    return _object(description, parameters, buffers, children, source)


def _object(description: Description, parameters: dict[str, Any], buffers: dict[str, Any], children: dict[str, Call], source: str) -> Call:
    state = {
        "training": False,
        "_parameters": parameters,
        "_buffers": buffers | {name: None for name in description.empty_buffers if name not in buffers},
        "_non_persistent_buffers_set": EmptySet(),
        "_is_full_backward_hook": None,
        "_modules": children,
        **dict.fromkeys(_HOOKS, _ORDERED),
        **description.attributes,
        "_init_args": description.arguments,
        "_init_kwargs": description.options,
    }
    meta = {"type": "class", "version": 6, "module_src": source, "class_name": description.class_name, "state": state}
    return Call(Name("torch_utils.persistence", "_reconstruct_persistent_obj"), (meta,))


def _parameter(tensor: Tensor, key: str) -> Call:
    return Call(Name("torch._utils", "_rebuild_parameter"), (_tensor(tensor, key), False, _ORDERED))


def _tensor(tensor: Tensor, key: str) -> Call:
    tensor = tensor.detach().cpu().float().contiguous()
    storage = Call(Name("torch.storage", "_load_from_bytes"), (storage_stream(tensor, key),))
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), (storage, 0, tuple(tensor.shape), tensor.stride(), False, _ORDERED))


def storage_stream(tensor: Tensor, key: str) -> bytes:
    """The torch.save stream of one storage with the float32 numbers of `tensor`: five protocol-2 pickles, a count, the numbers."""

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    numel = struct.pack("<i", tensor.numel())
    return b"".join(
        (
            b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",  # the magic number 0x1950a86a20f9469cfc6c
            b"\x80\x02M\xe9\x03.",  # version 1001
            b"\x80\x02}(" + text("protocol_version") + b"M\xe9\x03" + text("little_endian") + b"\x88",
            text("type_sizes") + b"}(" + text("short") + b"K\x02" + text("int") + b"K\x04" + text("long") + b"K\x04uu.",
            b"\x80\x02(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + b"J" + numel + b"NtQ.",
            b"\x80\x02]" + text(key) + b"a.",
            struct.pack("<q", tensor.numel()),
            tensor.numpy().tobytes(),
        )
    )
