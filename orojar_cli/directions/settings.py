"""What every direction method is asked: one set of settings."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import torch

from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents, normal_latents, one_hot
from orojar_cli.latents.spaces import all_layers
from orojar_cli.numbers import Classes, as_classes, check_number, check_seed, check_whole
from orojar_cli.response.outputs import Output
from orojar_cli.runs.resume import Partial


@dataclass(frozen=True)
class Settings:
    """Settings shared by all methods.

    `space` z, w, p, w+ or s; `whiten` measures all but z in units of the data's standard deviation; `layers` the entries of ws to act on
    (all by default); `num` directions to return; `samples` latents to measure at; `subspace` size of the active subspace to rotate
    inside (None: chosen by the method); `outputs` what of the response is compared; `class_index` for conditional networks;
    `jacobian` how the Gram matrices are measured that directions are fitted to
    (None: exactly where that is quick, else by forward differences); `partial` keeps finished parts of long work, so that an
    interrupted method continues.  Raises OptionError for numbers that cannot be.
    """

    space: str = "w"
    whiten: bool = True
    layers: tuple[int, ...] | None = None
    num: int | None = 16
    samples: int = 128
    seed: int = 0
    subspace: int | None = None
    outputs: tuple[Output, ...] = (Output(),)
    class_index: Classes | None = None
    psi: float = 1.0
    jacobian: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    partial: Partial = field(default_factory=Partial, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_seed(self.seed)
        object.__setattr__(self, "class_index", as_classes(self.class_index))
        check_whole("samples", self.samples, 1)
        check_number("trunc", self.psi, -100, 100)
        if self.num is not None:
            check_whole("num", self.num, 1)

    def layers_of(self, generator: Generator) -> tuple[int, ...]:
        """The chosen entries of ws; raises OptionError for one the network does not have."""
        layers = all_layers(generator) if self.layers is None else self.layers
        if not layers or min(layers) < 0 or max(layers) >= generator.num_ws:
            raise OptionError(f"no layer {max(layers, default=0)}: this network has layers 0-{generator.num_ws - 1}")
        return tuple(sorted(set(layers)))

    def latents(self, generator: Generator, count: int, stream: int = 0) -> Latents:
        """`count` latents drawn from the seed; `stream` separates independent draws (fitting, held-out, activeness)."""
        rng = torch.Generator().manual_seed(self.seed * 1000 + stream)
        z = normal_latents(generator, count, rng, self.psi)
        return Latents(z, one_hot(generator, self.class_index, count), self.psi)

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form, for run.json and direction sets."""
        record = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "partial"}
        return record | {"outputs": [str(output) for output in self.outputs], "options": dict(self.options)}
