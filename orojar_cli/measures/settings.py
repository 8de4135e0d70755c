"""What every metric is asked: one set of settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orojar_cli.detectors import Detector, load_detector
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.latents.spaces import all_layers
from orojar_cli.numbers import Classes, as_classes, check_number, check_seed, check_whole
from orojar_cli.response.jacobian import Response
from orojar_cli.response.outputs import Output

# Beyond every stream that directions are found from: optimisations of thousands of steps draw from one stream each.
_FIRST_STREAM = 1 << 30


@dataclass(frozen=True)
class MetricSettings:
    """Settings shared by all metrics.

    `samples` latents for Jacobians, Hessians and factors; `images` latents for distances of distributions and path lengths;
    `activeness_samples` as in the paper; `num` measures the first so many directions of a set (None: all); `output` what of the response
    Jacobians are of; `protocol` of the predictability ("small" or "paper"), of so many `pairs` (None: the protocol's); `world` whose
    factors can be measured (a name in `worlds.WORLDS`, or None where only our own networks are recognised); `subject` the name in the
    record (default: the method of the directions), `other` that of the network compared with.
    Latents are drawn from `seed` in streams of their own, which take no part in finding directions or in training.
    """

    samples: int = 128
    images: int = 2000
    activeness_samples: int = 300
    seed: int = 0
    num: int | None = None
    class_index: Classes | None = None
    psi: float = 1.0
    detector: Detector = field(default_factory=lambda: load_detector("pixels"))
    output: Output = field(default_factory=Output)
    protocol: str = "small"
    pairs: int | None = None
    world: str | None = None
    subject: str | None = None
    other: str = "other"
    budget: int | None = None

    def __post_init__(self) -> None:
        check_seed(self.seed)
        object.__setattr__(self, "class_index", as_classes(self.class_index))
        check_number("trunc", self.psi, -100, 100)
        for name in ("samples", "images", "activeness_samples"):
            check_whole(name, getattr(self, name), 1)

    def latents(self, generator: Generator, count: int, stream: int) -> Latents:
        """`count` latents of one stream of the seed, the same for every subject; raises OptionError for a wrong class."""
        if count < 2:
            raise OptionError(f"{count} samples: a metric needs at least two")
        return Settings(seed=self.seed, class_index=self.class_index, psi=self.psi).latents(generator, count, _FIRST_STREAM + stream)

    def chosen(self, directions: DirectionSet) -> DirectionSet:
        """The first `num` directions."""
        if self.num is not None and self.num < 1:
            raise OptionError(f"--num {self.num}: at least one direction is needed")
        return directions if self.num is None else directions.select(range(min(self.num, len(directions))))

    def name(self, directions: DirectionSet | None = None) -> str:
        """The subject of the record."""
        return self.subject or (directions.method if directions is not None else "network")

    def record(self, samples: int, **further: Any) -> dict[str, Any]:
        """What a Measurement's `settings` hold."""
        return {"samples": samples, "seed": self.seed, "psi": self.psi, "class": self.class_index, **further}


def response_of(generator: Generator, directions: DirectionSet, output: Output | None = None) -> Response:
    """The generator's response in the space and at the layers of a direction set."""
    layers = directions.layers or all_layers(generator)
    return Response(generator, directions.space, layers, (output or Output(),))
