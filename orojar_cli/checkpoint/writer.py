"""Writing a network back: the input file with only the changed tensors replaced, or a .safetensors file of our own."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from orojar_cli.checkpoint.checkpoint import Checkpoint
from orojar_cli.checkpoint.contents import PYTORCH_PICKLE, SAFETENSORS_FORMAT, TORCH_FILE, TORCH_MODULE
from orojar_cli.checkpoint.emitter import write_pickle
from orojar_cli.containers.derived import DerivedRecord
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.tensors import stored_tensor
from orojar_cli.containers.zip_checksums import renew_checksums
from orojar_cli.errors import OptionError, OutputFileError, UnsupportedCheckpointError
from orojar_cli.files import atomic_path
from orojar_cli.generators.families import config_to_dict


def save_checkpoint(checkpoint: Checkpoint, path: str | os.PathLike[str], *, also_g: bool = False) -> list[str]:
    """Write `checkpoint` with its generator's present tensors to `path` and return the names of the tensors that changed.

    `.pkl`, and for a state dictionary its own suffix (.pt, .pth, ...): a byte-for-byte copy of the input file but for the numbers of
    the changed tensors of G_ema (with `also_g` the same tensors of G, the training copy, too), so every tool that opens the input
    opens the output.  From another container G_ema and D are written as a new .pkl, without embedded source texts (`emitter.py`).
    `.safetensors`: G_ema and D with their options as metadata.  The input file is never modified.
    Raises OptionError for another suffix, OutputFileError when the file cannot be written, UnsupportedCheckpointError when the
    network has no .pkl form, shares bytes that would change, or changed where the file keeps nothing.
    """
    path = Path(path)
    if path.exists() and os.path.samestat(path.stat(), checkpoint.contents.file.status):
        raise OutputFileError(f"cannot write {path}: it is the input checkpoint; choose another name")
    if path.suffix == ".safetensors":
        return _save_safetensors(checkpoint, path)
    contents = checkpoint.contents
    if contents.choices:
        raise OptionError(f"{path.suffix or path.name} cannot keep what was assumed ({', '.join(contents.choices)}); write .safetensors")
    if path.suffix == ".pkl" and contents.container != PYTORCH_PICKLE:
        write_pickle(checkpoint, path)
        return sorted(_changed(checkpoint, "G_ema"))
    own = contents.file.path.suffix if contents.container in (TORCH_FILE, TORCH_MODULE) else ".pkl"
    if path.suffix == own:
        return _save_patched(checkpoint, path, also_g)
    raise OptionError(
        f"cannot write {path.name}: a checkpoint's name ends in .pkl or .safetensors, and only what was read from a state dictionary "
        "goes back into one, under the same suffix"
    )


def _changed(checkpoint: Checkpoint, network: str) -> dict[str, tuple[Any, Tensor]]:
    """Tensors of `network` in the file that differ from the generator's, in the stored dtype.

    A tensor is unchanged if it is what loading gave, or if it rounds to the stored numbers.
    """
    current = checkpoint.generator.state_dict()
    changed = {}
    for name, record in checkpoint.contents.network(network).tensors.items():
        stored = stored_tensor(record)
        tensor = current[name].detach().cpu()
        new = tensor.to(stored.dtype)
        if not torch.equal(new, stored) and not torch.equal(tensor, stored.to(tensor.dtype)):
            changed[name] = record, new
    return changed


def _save_patched(checkpoint: Checkpoint, path: Path, also_g: bool) -> list[str]:
    contents = checkpoint.contents
    changed = _changed(checkpoint, "G_ema")
    behind = [_stored(record) for record, _ in changed.values()]
    if any(record is not None and record.storage.data.file is not contents.file for record in behind):
        raise UnsupportedCheckpointError(
            f"not supported: {contents.file.name} keeps its numbers as texts (pickle protocol 2); write .safetensors instead"
        )
    patches = [_patch(name, record, new, contents.file.name) for name, (record, new) in changed.items()]
    if also_g:
        if contents.network("G").config != contents.generator.config:
            raise UnsupportedCheckpointError(f"not supported: G and G_ema of {contents.file.name} have different options; write G_ema only")
        training = contents.network("G").tensors
        patches += [_patch(name, training[name], new, contents.file.name) for name, (_, new) in changed.items()]
    _refuse_shared(contents.stored_tensors(), [record for record, _ in patches], contents.file.name)
    with atomic_path(path) as temporary:
        with open(temporary, "wb") as output:
            for offset in range(0, contents.file.size, 1 << 22):
                output.write(contents.file.read(offset, min(1 << 22, contents.file.size - offset)))
            for record, new in patches:
                output.seek(_extent(record)[0])
                output.write(_stored_bytes(record, new))
        if contents.zipped:
            with open(temporary, "rb+") as output:
                renew_checksums(output, [_extent(record) for record, _ in patches])
        os.chmod(temporary, stat.S_IMODE(contents.file.status.st_mode) | stat.S_IWUSR)
    return sorted(changed)


def _patch(name: str, record: TensorRecord | DerivedRecord, tensor: Tensor, file: str) -> tuple[TensorRecord, Tensor]:
    """The stored tensor behind one of ours, and its new value."""
    if isinstance(record, TensorRecord):
        return record, tensor
    if record.source is None or record.undo is None:
        raise UnsupportedCheckpointError(f"not supported: {name} changed, and {file} keeps no such tensor; write .safetensors instead")
    return record.source, record.undo(tensor)


def _stored(record: TensorRecord | DerivedRecord) -> Any:
    """The record in the file behind one of ours; None where there is none."""
    return record if isinstance(record, TensorRecord) else record.source


def _extent(record: TensorRecord) -> tuple[int, int]:
    """First byte and first byte behind the tensor in the file."""
    start = record.storage.data.offset + record.offset * record.storage.itemsize
    return start, start + record.numel * record.storage.itemsize


def _stored_bytes(record: TensorRecord, tensor: Tensor) -> bytes:
    """The tensor's numbers in the order its stored strides give them."""
    flat = torch.empty(record.numel, dtype=getattr(torch, record.dtype))
    flat.as_strided(record.shape, record.stride).copy_(tensor)
    return flat.view(torch.uint8).numpy().tobytes()


def _refuse_shared(tensors: dict[str, TensorRecord], patched: list[TensorRecord], name: str) -> None:
    """Refuse to change bytes that another tensor of the file uses too."""
    extents = sorted((*_extent(record), key) for key, record in tensors.items() if record.numel)
    places = {_extent(record) for record in patched}
    reach, owner = 0, ""
    for start, end, key in extents:
        if start < reach and (_extent(tensors[key]) in places or _extent(tensors[owner]) in places):
            raise UnsupportedCheckpointError(
                f"not supported: {name} stores {printable(owner)} and {printable(key)} in the same bytes; write .safetensors instead"
            )
        if end > reach:
            reach, owner = end, key


def _save_safetensors(checkpoint: Checkpoint, path: Path) -> list[str]:
    networks = {"D": checkpoint.critic} if checkpoint.critic is not None else {}
    networks["G_ema"] = checkpoint.generator
    tensors = {f"{name}.{key}": tensor for name, network in networks.items() for key, tensor in network.state_dict().items()}
    metadata = {name: json.dumps(config_to_dict(network.config)) for name, network in networks.items()}
    header: dict[str, object] = {"__metadata__": {"format": SAFETENSORS_FORMAT} | metadata}
    at = 0
    for name, tensor in sorted(tensors.items()):
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + 4 * tensor.numel()]}
        at += 4 * tensor.numel()
    # Written here because the safetensors package orders the metadata by chance, and equal networks should give equal files.
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    changed = sorted(_changed(checkpoint, "G_ema"))
    with atomic_path(path) as temporary, open(temporary, "wb") as output:
        output.write(len(encoded).to_bytes(8, "little") + encoded)
        for _, tensor in sorted(tensors.items()):
            output.write(memoryview(tensor.detach().to("cpu", torch.float32).contiguous().reshape(-1).numpy()).cast("B"))
    return changed
