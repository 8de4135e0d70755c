"""What `orojar inspect` tells of a checkpoint, in plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from orojar_cli.checkpoint.contents import Contents
from orojar_cli.containers.file import printable
from orojar_cli.containers.module_tree import KNOWN_SOURCES
from orojar_cli.containers.records import PersistentRecord, PlainObject, TensorRecord
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.assumptions import assumptions, substitutes
from orojar_cli.generators.options import LayerInfo

# A hostile file can have thousands of entries; a checkpoint has five.
_ENTRIES = 32


@dataclass(frozen=True)
class CheckpointInfo:
    """Facts of a checkpoint; `layers` are G_ema's modulated layers in order, `contents` one line per top-level entry,
    `assumptions` a `name=value` for each option that the file does not say, `substitutes` words for numbers that are not in the file,
    `reads` what of the latent each entry of ws is read for, where that is not all of it.
    """

    path: str
    bytes: int
    sha256: str
    container: str
    family: str
    architecture: str
    image_shape: tuple[int, int, int]
    img_resolution: int
    img_channels: int
    z_dim: int
    w_dim: int
    c_dim: int
    num_ws: int
    mapping_layers: int
    parameters: int
    layers: tuple[LayerInfo, ...]
    contents: dict[str, str]
    assumptions: tuple[str, ...]
    substitutes: tuple[str, ...]
    sources: dict[str, str | None]
    reads: tuple[str, ...] = ()

    @property
    def source_known(self) -> bool | None:
        """Whether every embedded source text is one orojar was checked against; None where the container embeds none."""
        return all(self.sources.values()) if self.sources else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return asdict(self) | {"layers": [layer._asdict() for layer in self.layers], "source_known": self.source_known}


def describe(contents: Contents) -> CheckpointInfo:
    """The facts of an open checkpoint; raises the CheckpointError that loading its generator would raise."""
    stored = contents.generator
    config: Any = stored.config
    return CheckpointInfo(
        path=str(contents.file.path),
        bytes=contents.file.size,
        sha256=contents.sha256,
        container=contents.container,
        family=config.family,
        architecture=config.architecture,
        image_shape=config.image_shape,
        img_resolution=config.img_resolution,
        img_channels=config.img_channels,
        z_dim=config.z_dim,
        w_dim=config.w_dim,
        c_dim=config.c_dim,
        num_ws=config.num_ws,
        mapping_layers=config.mapping.num_layers,
        parameters=sum(record.numel for record in stored.tensors.values()),
        layers=tuple(config.layers()),
        contents={printable(name): _entry(contents, name, value) for name, value in list(contents.entries.items())[:_ENTRIES]},
        assumptions=assumptions(config),
        substitutes=substitutes(config),
        reads=tuple(getattr(config, "reads", ())),
        sources={digest: KNOWN_SOURCES.get(digest) for digest in sorted(stored.sources)},
    )


def _entry(contents: Contents, name: str, value: Any) -> str:
    """One line about a top-level entry; a network that cannot be read says so without stopping the rest."""
    if value is None:
        return "empty"
    if name in ("G", "D") and value is contents.entries.get("G_ema"):
        return "the same network as G_ema"
    if name in ("G", "D", "G_ema"):
        try:
            stored = contents.network(name)
        except (UnsupportedCheckpointError, DamagedCheckpointError) as error:
            return str(error)
        kind = "critic" if name == "D" else "generator"
        return f"{kind}, {len(stored.tensors)} tensors, {sum(record.numel for record in stored.tensors.values()):,} numbers"
    if type(value) is dict and value and all(type(item) is TensorRecord for item in value.values()):
        return f"{len(value)} tensors (not read)"
    if type(value) is dict:
        return "options: " + (", ".join(printable(key, 30) for key in list(value)[:12]) or "none")
    if type(value) is PersistentRecord:
        class_name = value.meta.get("class_name")
        return f"a {printable(class_name)} module (not read)"
    if type(value) is PlainObject:
        known = value.name == "argparse.Namespace"
        return "settings of the training script (not read)" if known else f"a {printable(value.name, 60)} object, as plain attributes"
    return f"a {type(value).__name__} (not read)"
