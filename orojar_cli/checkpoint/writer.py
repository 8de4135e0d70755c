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
from orojar_cli.checkpoint.contents import (
    PYTORCH_PICKLE,
    SAFETENSORS,
    SAFETENSORS_FORMAT,
    STATE_DICTIONARIES,
    TORCH_MODULE,
    Contents,
)
from orojar_cli.checkpoint.emitter import write_pickle
from orojar_cli.checkpoint.genforce import write_genforce
from orojar_cli.checkpoint.rosinality import write_rosinality
from orojar_cli.containers.derived import DerivedRecord
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.safetensors_file import encoded_header
from orojar_cli.containers.tensors import stored_tensor
from orojar_cli.containers.zip_checksums import renew_checksums
from orojar_cli.errors import CheckpointError, OptionError, OutputFileError, UnsupportedCheckpointError
from orojar_cli.files import atomic_path
from orojar_cli.generators.families import config_to_dict, family_of, has_pickle_form
from orojar_cli.generators.stylegan2.config import StyleGAN2Config

FORMATS = ("input", "nvlabs", "rosinality", "genforce", "safetensors")


def save_checkpoint(
    checkpoint: Checkpoint,
    path: str | os.PathLike[str],
    *,
    also_g: bool = False,
    training: Any = None,
    format: str | None = None,
) -> list[str]:
    """Write `checkpoint` with its generator's present tensors to `path` and return the names of the tensors that changed.

    `format` is what is written; without one the name tells (`.safetensors`; `.pkl`: the input where it is a PyTorch-era pickle, else
    "nvlabs", and so too where that pickle is without source texts, which other tools cannot load; the input's own suffix: the
    input).

    "input": a byte-for-byte copy of the input file but for the numbers of the changed tensors of G_ema, so every tool that opens the input
    opens the output.  With `training`, a network like the generator, its present tensors become those of G, the copy that training goes on
    with; with `also_g` the changed tensors of G_ema do.  "nvlabs": G_ema and D as a new .pkl for the StyleGAN2-ADA and StyleGAN3 code
    (`emitter.py`), and G where the input has one.  "rosinality": a StyleGAN2 as a state dictionary in the layout with `convs.N`
    (`rosinality.py`).  "genforce": a StyleGAN2, StyleGAN or ProGAN as GenForce's tools read it (`genforce.py`).  "safetensors": G_ema and D
    with their options as metadata.  The input file is never modified.
    Raises OptionError for another suffix, OutputFileError when the file cannot be written, UnsupportedCheckpointError when the
    network has no such form, shares bytes that would change, or changed where the file keeps nothing.
    """
    path, contents = Path(path), checkpoint.contents
    if path.exists() and os.path.samestat(path.stat(), contents.file.status):
        raise OutputFileError(f"cannot write {path}: it is the input checkpoint; choose another name")
    resized = checkpoint.generator.config != contents.generator.config
    chosen = _format_of(path, contents, resized) if format is None else format
    if chosen not in FORMATS:
        raise OptionError(f"unknown format {ascii(chosen)[:40]}; choose one of {', '.join(FORMATS)}")
    if chosen == "input" and contents.container == SAFETENSORS:
        chosen = "safetensors"
    if chosen == "safetensors":
        return _save_safetensors(checkpoint, path)
    if contents.choices:
        raise OptionError(f"{path.suffix or path.name} cannot keep what was assumed ({', '.join(contents.choices)}); write .safetensors")
    if chosen == "input":
        if resized:
            raise UnsupportedCheckpointError(
                f"not supported: {contents.file.name} has no place for layers of another size; write .safetensors or --format nvlabs"
            )
        changed = _save_patched(checkpoint, path, also_g, training)
        _copy_settings(checkpoint, path)
        return changed
    if chosen == "nvlabs":
        write_pickle(checkpoint, path, _training_copy(checkpoint, also_g, training))
    elif chosen == "genforce":
        write_genforce(checkpoint.generator, path, _training_copy(checkpoint, also_g, training))
    else:
        write_rosinality(checkpoint.generator, path)
    return sorted(_changed(checkpoint.generator, contents, "G_ema"))


def keeps_layers(checkpoint: Checkpoint, format: str | None) -> bool:
    """Whether a network written in this format (None: the default) has mapping layers of the input's sizes.

    Of those that have a .pkl, StyleGAN2's classes alone take the width of mapping layers as an option.
    """
    contents = checkpoint.contents
    if format == "safetensors" or (format in (None, "input") and contents.container == SAFETENSORS):
        return False
    widens = isinstance(contents.generator.config, StyleGAN2Config)
    return not (widens and (format == "nvlabs" or (format is None and contents.container == PYTORCH_PICKLE)))


def default_format(contents: Contents) -> str:
    """The format that takes the place of the input: "input", but "nvlabs" for .pkl without source texts, which other tools cannot load."""
    generator = contents.generator
    if contents.container == PYTORCH_PICKLE and generator.sourceless and has_pickle_form(generator.config):
        return "nvlabs"
    return "input"


def _training_copy(checkpoint: Checkpoint, also_g: bool, training: Any) -> Any:
    """The network to write as G; None where it is that of G_ema, or the input has none like it."""
    contents = checkpoint.contents
    if training is None:
        if contents.container == SAFETENSORS or contents.entries.get("G") in (None, contents.entries.get("G_ema")):
            return None
        try:
            stored = contents.network("G")
        except CheckpointError:
            return None
        if stored.config != contents.generator.config:
            return None
        training = checkpoint.build("G", stored)
        if checkpoint.generator.config != stored.config:
            if also_g:
                training.replace_mapping(checkpoint.generator.mapping)
            return training
        if also_g:
            current = checkpoint.generator.state_dict()
            training.load_state_dict({name: current[name] for name in _changed(checkpoint.generator, contents, "G_ema")}, strict=False)
    present = checkpoint.generator.state_dict()
    return None if all(torch.equal(tensor, present[name]) for name, tensor in training.state_dict().items()) else training


def own_suffix(contents: Contents) -> str:
    """The suffix of a file in the container of the input."""
    if contents.container == SAFETENSORS:
        return ".safetensors"
    return contents.file.path.suffix if contents.container in (*STATE_DICTIONARIES, TORCH_MODULE) else ".pkl"


def _format_of(path: Path, contents: Contents, resized: bool) -> str:
    """What a name asks for, of a network whose layers were `resized` or not; raises OptionError."""
    if path.suffix == ".safetensors":
        return "safetensors"
    if path.suffix == ".pkl" and (resized or contents.container != PYTORCH_PICKLE or default_format(contents) == "nvlabs"):
        return "nvlabs"
    if path.suffix == own_suffix(contents):
        return "input"
    raise OptionError(
        f"cannot write {path.name}: a checkpoint's name ends in .pkl or .safetensors, and only what was read from a state dictionary "
        "goes back into one, under the same suffix; --format rosinality or genforce writes one"
    )


def _changed(present: Any, contents: Contents, network: str) -> dict[str, tuple[Any, Tensor]]:
    """Tensors of `network` in the file that differ from those of the network `present`, in the stored dtype.

    A tensor is unchanged if it is what loading gave, or if it rounds to the stored numbers.  One of another size is changed, and one that
    is there no more is left out.
    """
    current = present.state_dict()
    changed = {}
    for name, record in contents.network(network).tensors.items():
        if name not in current:
            continue
        stored = stored_tensor(record)
        tensor = current[name].detach().cpu()
        new = tensor.to(stored.dtype)
        if not torch.equal(new, stored) and not torch.equal(tensor, stored.to(tensor.dtype)):
            changed[name] = record, new
    return changed


def _copy_settings(checkpoint: Checkpoint, path: Path) -> None:
    """What belongs beside the input, beside the output too, where nothing of that name is there."""
    contents = checkpoint.contents
    for name in family_of(contents.generator.config).beside:
        source, target = contents.file.path.with_name(name), path.with_name(name)
        if source.is_file() and not target.exists():
            with atomic_path(target) as temporary:
                temporary.write_bytes(source.read_bytes())


def _save_patched(checkpoint: Checkpoint, path: Path, also_g: bool, training: Any) -> list[str]:
    contents = checkpoint.contents
    changed = _changed(checkpoint.generator, checkpoint.contents, "G_ema")
    behind = [_stored(record) for record, _ in changed.values()]
    if any(record is not None and record.storage.data.file is not contents.file for record in behind):
        raise UnsupportedCheckpointError(
            f"not supported: {contents.file.name} keeps its numbers as texts (pickle protocol 2); write .safetensors instead"
        )
    patches = [_patch(name, record, new, contents.file.name) for name, (record, new) in changed.items()]
    others = contents.stored_tensors()
    if also_g or training is not None:
        copies = _copied(contents, changed, also_g, training)
        # What stands in the same bytes as its counterpart, and is to become the same, is changed with it.
        bytes_of = {_extent(record): _stored_bytes(record, new) for record, new in patches}
        shared = {_extent(record) for record, new in copies if bytes_of.get(_extent(record)) == _stored_bytes(record, new)}
        others = {name: record for name, record in others.items() if not (name.startswith("G.") and _extent(record) in shared)}
        patches += [(record, new) for record, new in copies if _extent(record) not in shared]
    _refuse_shared(others, [record for record, _ in patches], contents.file.name)
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


def _copied(contents: Contents, changed: dict[str, tuple[Any, Tensor]], also_g: bool, training: Any) -> list[tuple[TensorRecord, Tensor]]:
    """The stored tensors of G to change and their new values: those of `training`, or with `also_g` what changed in G_ema.

    Raises UnsupportedCheckpointError where the file has no G like G_ema.
    """
    copy = contents.network("G")
    if copy.config != contents.generator.config:
        raise UnsupportedCheckpointError(f"not supported: G and G_ema of {contents.file.name} have different options; write G_ema only")
    values = {name: (copy.tensors[name], new) for name, (_, new) in changed.items()} if also_g else _changed(training, contents, "G")
    return [_patch(name, record, new, contents.file.name) for name, (record, new) in values.items()]


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
    flat = torch.empty(record.numel, dtype=getattr(torch, record.dtype), device="cpu")
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
    entries = {name: ("F32", list(tensor.shape), 4 * tensor.numel()) for name, tensor in sorted(tensors.items())}
    changed = sorted(_changed(checkpoint.generator, checkpoint.contents, "G_ema"))
    with atomic_path(path) as temporary, open(temporary, "wb") as output:
        output.write(encoded_header(entries, {"format": SAFETENSORS_FORMAT} | metadata))
        for _, tensor in sorted(tensors.items()):
            output.write(memoryview(tensor.detach().to("cpu", torch.float32).contiguous().reshape(-1).numpy()).cast("B"))
    return changed
