"""What a picture or film of directions shows, in plain values that fit into JSON."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.kept import Region
from orojar_cli.directions.region import mask_of, painted_region
from orojar_cli.errors import OptionError
from orojar_cli.generators.options import NOISE_MODES
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.closed_paths import PACES
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.projected import Points, ProjectedLatents
from orojar_cli.numbers import Classes, as_classes, classes_text
from orojar_cli.pictures.walk import centring

# name: lowest and highest value.  Pictures from elsewhere are remade from their settings, so everything has a bound.
_RANGES: dict[str, tuple[float, float]] = {
    "extent": (-1000, 1000),
    "psi": (-100, 100),
    "class_index": (0, 1 << 20),
    "cutoff": (0, 1000),
    "size": (4, 4096),
    "columns": (1, 1000),
    "steps": (1, 200),
    "by": (0, 1 << 20),
    "frames": (1, 2000),
    "fps": (0.01, 1000),
    "leg": (0.001, 3600),
    "hold": (0, 3600),
    "loops": (1, 1000),
    "psi_to": (-100, 100),
}
_SEQUENCES: dict[str, tuple[float, float]] = {
    "dimensions": (0, 1 << 20),
    "keep": (0, 1 << 20),
    "layers": (0, 1000),
    "seeds": (0, 2**32 - 1),
}
_FRACTIONS = {"extent", "psi", "psi_to", "fps", "leg", "hold"}
_SEQUENCES |= {"rows": (0, 2**32 - 1), "mixed": (0, 1000)}
# How the command line calls a value, where that is another word.
_OPTIONS = {"extent": "range", "psi": "trunc", "cutoff": "trunc-cutoff", "class_index": "class", "dimensions": "dim", "edits": "dim"}
_OPTIONS |= {"leg": "seconds", "psi_to": "trunc", "mixed": "layers"}
_LONGEST = 10_000
# What strengths are measured in: one standard deviation along the direction, or the latent's own unit of length, as the papers do.
UNITS = ("sigma", "latent")
_CHOICES: dict[str, tuple[str, ...]] = {"noise_mode": NOISE_MODES, "unit": UNITS, "pace": PACES, "space": ("z", "w")}
S = TypeVar("S", bound="Scene")


@dataclass(frozen=True)
class Scene:
    """What pictures and films have in common.  Every value is checked; raises OptionError naming the one that cannot be.

    `dimensions` are the rows of the direction set that are walked, from -extent to +extent sigmas; `edits` are (dimension, strength)
    pairs applied throughout; `layers` the entries of ws they act on (None: the direction set's own).  `seeds`, `class_index`, `psi`,
    `cutoff` and `noise_mode` choose the images.  `size` is one picture's longer side in pixels, `columns` how many seeds stand side by
    side, both None for a comfortable choice; `caption` writes names and strengths.  `unit` "latent" measures all strengths in the latent's
    own unit of length instead of sigmas; `center` takes from every image what it has along the dimensions walked, so that all start at
    the same place.  What the dimensions `keep` do is taken out of every movement but their own, and a part of the picture, `keep_picture`
    (a `region_text`), is held as still as may be (`directions.kept`).
    """

    dimensions: tuple[int, ...] = ()
    edits: tuple[tuple[int, float], ...] = ()
    extent: float = 3.0
    layers: tuple[int, ...] | None = None
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    class_index: Classes | None = None
    psi: float = 1.0
    cutoff: int | None = None
    noise_mode: str = "const"
    size: int | None = None
    columns: int | None = None
    caption: bool = True
    unit: str = "sigma"
    center: bool = False
    keep: tuple[int, ...] = ()
    keep_picture: str | None = None

    @property
    def bends(self) -> bool:
        """Whether movements are other than straight."""
        return bool(self.keep) or self.keep_picture is not None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            optional = value is None and field.default is None
            if field.name == "class_index" and not isinstance(value, (int, str)):
                kept: Any = as_classes(value)
            elif field.name == "classes" and not optional:
                kept = tuple(as_classes(choice) for choice in _items("class", value))
            elif field.name == "keep_picture" and isinstance(value, str):
                mask_of(value)
                kept = value
            elif field.name in _SEQUENCES and not optional:
                kept = tuple(_number(field.name, item, *_SEQUENCES[field.name], whole=True) for item in _items(field.name, value))
            elif field.name == "edits":
                pairs = [_items("edits", pair, 2) for pair in _items("edits", value)]
                kept = tuple((_number("edits", pair[0], 0, 1 << 20, True), _number("edits", pair[1], -1000, 1000)) for pair in pairs)
            elif field.name in _RANGES and not optional:
                kept = _number(field.name, value, *_RANGES[field.name], whole=field.name not in _FRACTIONS)
            else:
                choices = _CHOICES.get(field.name, (None,) if optional else (False, True))
                if value not in choices or type(value) is not type(field.default):
                    raise OptionError(f"{_option(field.name)} {value!r:.60} is none of {', '.join(map(str, choices))}")
                kept = value
            object.__setattr__(self, field.name, kept)
        if not self.seeds:
            raise OptionError("a picture needs at least one seed")
        if len({dimension for dimension, _ in self.edits}) < len(self.edits):
            raise OptionError("a dimension is edited twice; give each one strength")

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON has them; `from_dict` reads them back."""
        return dataclasses.asdict(self)

    def arguments(self) -> list[str]:
        """The words of `orojar traverse` that ask for this scene (its kind is the suffix of --out): ["--dim", "3", "--range", "2.0"]."""
        words = []
        for dimension in self.dimensions:
            words += ["--dim", str(dimension)]
        for dimension, strength in self.edits:
            words += ["--dim", f"{dimension}:{strength:+f}"]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in ("dimensions", "edits") or value == field.default:
                continue
            if field.name == "keep_picture":
                words += [_option(field.name), "region.png"]
            elif isinstance(value, bool):
                words.append(_option(field.name).replace("--", "--" if value else "--no-"))
            else:
                text = (
                    classes_text(value)
                    if field.name == "class_index"
                    else ",".join(map(str, value))
                    if isinstance(value, tuple)
                    else str(value)
                )
                words += [_option(field.name), text]
        return words

    @classmethod
    def from_dict(cls: type[S], values: dict[str, Any]) -> S:
        """A scene of values from elsewhere; raises OptionError for unknown names and values that cannot be."""
        unknown = sorted(set(values) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise OptionError(f"a scene has no {unknown[0]!r:.60}")
        return cls(**values)


@dataclass(frozen=True)
class Still(Scene):
    """A picture.  Rows are dimensions (of a single one: seeds), columns `steps` strengths; with `by` rows are strengths of that
    dimension; without any dimension it shows each image before and after the edits."""

    steps: int = 7
    by: int | None = None


@dataclass(frozen=True)
class Walk(Scene):
    """A film that goes there and back along each dimension in turn, in `frames` frames each, or from before to after the edits and
    back.  `ease` slows down at the ends, `marker` draws the strength as a dot on a bar."""

    frames: int = 48
    fps: float = 24.0
    ease: bool = True
    marker: bool = True


@dataclass(frozen=True)
class Subject:
    """A network with directions that fit it; `name` is how captions call it, `projected` [N, num_ws, w_dim] takes the seeds' place."""

    generator: Generator
    directions: DirectionSet
    name: str = ""
    projected: Tensor | None = None
    regions: dict[Any, Region] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    def moving(self, scene: Scene) -> DirectionSet:
        """The directions, a step of which is as long as the scene's unit."""
        found = self.directions
        return found if scene.unit == "sigma" else dataclasses.replace(found, sigma=torch.ones_like(found.sigma))

    def offset(self, scene: Scene, at: Points, *dimensions: int) -> Tensor | None:
        """What `center` takes from the points along these dimensions, as displacements [N, D]; None where it does not."""
        return centring(self.generator, at, self.directions, dimensions, scene.layers) if scene.center and dimensions else None

    def points(self, scene: Scene) -> Points:
        """Where the pictures start from.  Raises OptionError for a scene this network or direction set cannot show."""
        edited = [dimension for dimension, _ in scene.edits]
        by = getattr(scene, "by", None)
        for dimension in (*scene.dimensions, *edited, by or 0, *scene.keep):
            self.directions.index(dimension)
        moved = {*scene.dimensions, *edited, *([] if by is None else [by])}
        if moved and moved <= set(scene.keep):
            raise OptionError(f"--keep {','.join(map(str, scene.keep))}: all that moves would be kept; name other dimensions")
        if self.projected is not None:
            return ProjectedLatents(self.projected, tuple(range(len(self.projected))))
        return seed_latents(self.generator, scene.seeds, scene.class_index, scene.psi, scene.cutoff)

    def region(self, scene: Scene) -> Region | None:
        """What the scene's painted part of the picture is for paths; found once.  Raises what `painted_region` raises."""
        if scene.keep_picture is None:
            return None
        wanted: dict[str, Any] = {"layers": scene.layers, "class_index": scene.class_index, "psi": scene.psi}
        key = (scene.keep_picture, *wanted.values())
        if key not in self.regions:
            self.regions[key] = painted_region(self.generator, self.directions, scene.keep_picture, **wanted)
        return self.regions[key]

    def count(self, scene: Scene) -> int:
        """How many images there are."""
        return len(scene.seeds if self.projected is None else self.projected)

    def point_names(self, scene: Scene) -> list[str]:
        """How the images are called: seeds, or numbers of projected pictures."""
        if self.projected is not None:
            return [f"picture {number}" for number in range(1, len(self.projected) + 1)]
        return [f"seed {seed}" for seed in scene.seeds]

    def edit_text(self, scene: Scene) -> str:
        """The edits in words: "x position +2, dim 7 -1"."""
        return ", ".join(f"{self.short_name(dimension)} {strength_text(strength)}" for dimension, strength in scene.edits)

    def keep_text(self, scene: Scene) -> str:
        """What is kept in words: "keeping size, dim 7, a part of the picture"."""
        named = [self.short_name(dimension) for dimension in scene.keep]
        return "keeping " + ", ".join([*named, *([] if scene.keep_picture is None else ["a part of the picture"])])

    def short_name(self, dimension: int) -> str:
        """A dimension's label or measured name, or "dim 3"."""
        return self.directions.shown(dimension) or f"dim {dimension}"


def strength_text(value: float) -> str:
    """ "+1.5", "-2" or "0"."""
    return f"{value:+.3g}" if abs(value) > 1e-9 else "0"


def _items(name: str, value: Any, count: int | None = None) -> list[Any]:
    if not isinstance(value, (list, tuple)) or len(value) > _LONGEST or (count is not None and len(value) != count):
        raise OptionError(f"{_option(name)} {value!r:.60} is not a list of {count or f'at most {_LONGEST}'} values")
    return list(value)


def _number(name: str, value: Any, low: float, high: float, whole: bool = False) -> Any:
    if type(value) not in ((int,) if whole else (int, float)) or not math.isfinite(value) or not low <= value <= high:
        raise OptionError(f"{_option(name)} {value!r:.60} is not a{' whole' if whole else ''} number from {low:g} to {high:g}")
    return value if whole else float(value)


def _option(name: str) -> str:
    return f"--{_OPTIONS.get(name, name.replace('_', '-'))}"
