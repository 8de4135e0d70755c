"""What `finetune(mode="mapping")` is asked: the settings with their defaults, read without torch by the command line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orojar_cli.errors import OptionError
from orojar_cli.numbers import check_number, check_whole

STARTS = ("auto", "wide", "frame", "rotation", "original")
PENALTIES = ("orojar", "hessian")
REFINE_WITH_DATA = 300


@dataclass(frozen=True)
class MappingSettings:
    """How a mapping is trained.

    `start`: "wide" begins with a wider mapping whose axes are the OroJaR frame of w exactly, and bends them; with "frame" the layers of the
    file are fitted to the frame first, with "rotation" z is rotated exactly, with "original" they stay as they are.  "auto" is wide where
    the written format has a place for other layers and there are no classes, else the frame, but the rotation where z is smaller than w.
    `steps` of training on `images` images (None: what fits ten minutes of one core, 4,000 to 40,000); `refine_steps` on the generator
    itself, on the outputs and on the activations that the entries `layers_to_reg` of ws drive (None: none, but 300 with `data`, training
    pictures for the critic).  The `penalty` has a `weight` that warms up over `ramp` steps.  Every `watch_every` steps
    training is measured; it stops after `patience` measurements without gain (0: never).  Every `save_every` steps it is saved.
    A network whose images moved by an energy distance above `max_shift` is refused.  Raises OptionError for values that cannot be.
    """

    start: str = "auto"
    steps: int = 2000
    refine_steps: int | None = None
    images: int | None = None
    layers_to_reg: tuple[int, ...] | None = None
    penalty: str = "orojar"
    weight: float = 1.0
    ramp: int = 0
    data: Path | None = None
    watch_every: int = 250
    patience: int = 6
    save_every: int = 100
    tensorboard: bool = False
    max_shift: float = 0.01

    def __post_init__(self) -> None:
        for name, value, words in (("start", self.start, STARTS), ("penalty", self.penalty, PENALTIES)):
            if value not in words:
                raise OptionError(f"--{name} {value!r:.60} is none of {', '.join(words)}")
        if self.images is not None:
            check_whole("images", self.images, 2)
        for name, least in (("steps", 1), ("ramp", 0), ("watch_every", 1), ("patience", 0), ("save_every", 1)):
            check_whole(name.replace("_", "-"), getattr(self, name), least)
        if self.refine_steps is not None:
            check_whole("refine-steps", self.refine_steps, 0)
        check_number("weight", self.weight, 0, 1e9)
        check_number("max-shift", self.max_shift, 0)

    @property
    def refinement(self) -> int:
        """Steps on the generator itself: as asked, else none, but some where the critic is to take part."""
        return self.refine_steps if self.refine_steps is not None else REFINE_WITH_DATA if self.data is not None else 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form, for run.json."""
        values = {name: value for name, value in asdict(self).items() if name != "refine_steps"}
        return values | {"refine_steps": self.refinement, "data": None if self.data is None else str(self.data)}
