"""A loaded checkpoint: the generator ready to use, the critic on demand, and the facts of the file."""

from __future__ import annotations

import functools
import html
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from orojar_cli.checkpoint.contents import Contents, StoredNetwork, read_contents
from orojar_cli.checkpoint.info import CheckpointInfo, describe
from orojar_cli.containers.limits import DEFAULT_LIMITS, Limits
from orojar_cli.containers.tensors import materialise
from orojar_cli.fetch.download import Download
from orojar_cli.generators.assumptions import assumptions, substitutes
from orojar_cli.generators.critic.network import Critic
from orojar_cli.generators.families import empty_network


class Checkpoint:
    """Networks of a checkpoint file, float32, in evaluation mode, without gradients.

    `generator` is G_ema; `critic` is D, read from the file when first asked for, None where there is none.
    """

    def __init__(self, contents: Contents, device: torch.device) -> None:
        self.contents = contents
        self.device = device
        self.generator: Any = self.build("G_ema", contents.generator)
        self.generator.identity = functools.partial(getattr, contents, "sha256")

    @property
    def path(self) -> str:
        return str(self.contents.file.path)

    @property
    def name(self) -> str:
        """Name of the file, safe to print."""
        return self.contents.file.name

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return self.contents.sha256

    @property
    def assumptions(self) -> tuple[str, ...]:
        """`name=value` for each option of the generator that the file does not say."""
        return assumptions(self.generator.config)

    @property
    def substitutes(self) -> tuple[str, ...]:
        """Words for each group of numbers that the generator uses and the file does not hold (`generators/assumptions.py`)."""
        return substitutes(self.generator.config)

    @property
    def run_name(self) -> str:
        """What a run of it is called after: the file."""
        return self.path

    def record(self) -> dict[str, str]:
        """What run.json keeps of it: the file and its hash, and the address it was fetched from."""
        path = Path(self.path).resolve()
        fetched = Download.of(path)
        return {"path": str(path), "sha256": self.sha256} | ({"url": fetched.url} if fetched else {})

    def __repr__(self) -> str:
        config = self.generator.config
        classes = f", {config.c_dim} classes" if config.c_dim else ""
        _, height, width = config.image_shape
        sizes = f"{width}x{height}, z {config.z_dim}, w {config.w_dim}{classes}"
        return f"<{config.family} ({config.architecture}), {sizes}, {self.name} {self.sha256[:12]}…>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self)[1:-1])}</p>"

    @functools.cached_property
    def info(self) -> CheckpointInfo:
        return describe(self.contents)

    @functools.cached_property
    def critic(self) -> Critic | None:
        stored = self.contents.critic
        if stored is None:
            return None
        return cast(Critic, self.build("D", stored))

    def build(self, name: str, stored: StoredNetwork) -> Any:
        """The network `name` ("G_ema", "G" or "D") as it is stored."""
        network = empty_network(stored.config)
        tensors = materialise(stored.tensors, f"{self.contents.file.name}: {name}")
        network.load_state_dict(tensors, strict=True, assign=True)
        return network.eval().requires_grad_(False).to(self.device)


def load_checkpoint(
    path: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    limits: Limits = DEFAULT_LIMITS,
    assume: Mapping[str, str] | None = None,
) -> Checkpoint:
    """Read a checkpoint: a PyTorch-era or TensorFlow-era network pickle, state dictionaries in a torch.save file, or orojar's .safetensors,
    of one of the families in `generators/families.py`.

    Nothing named or contained in the file is executed.  `assume` gives options that the file leaves open (`checkpoint.assumptions`
    names them with the values taken otherwise), such as {"activation": "lrelu"}; OptionError for another.
    Raises InputFileError where there is no readable file, NotACheckpointError, DamagedCheckpointError, UnsupportedCheckpointError or
    UnsafeCheckpointError otherwise.
    """
    return Checkpoint(read_contents(path, limits, assume), torch.device(device))
