"""What a training run shows while it goes on: records as JSON lines, strips of pictures, TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from orojar_cli.errors import MissingExtraError
from orojar_cli.files import write_text
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.spaces import Latents
from orojar_cli.media import save_image
from orojar_cli.pictures.axes import direction_grid
from orojar_cli.pictures.walk import Renderer
from orojar_cli.progress import Notice
from orojar_cli.tuning.rotation import z_directions
from orojar_cli.tuning.watch import with_mapping

LOG, STRIPS, EVENTS = "training.jsonl", "strips", "tensorboard"
# Of the stages that are watched, by number.
_STAGES = {0: "step", 1: "step", 2: "refinement"}
_AXES = 5


class TrainingLog:
    """An observer of `finetune.watch.Watch`: it writes into the folder of a run."""

    def __init__(
        self, folder: Path, generator: Generator, at: Latents, seed: int, history: list[dict[str, Any]], board: bool, notice: Notice
    ) -> None:
        """`at` is the point whose walks the strips show, drawn by `seed`; `history` the run's records, also those of before a resume;
        `notice` is told a line about every record.

        Raises MissingExtraError for `board` without TensorBoard.
        """
        self.folder, self.generator, self.at, self.seed, self.history = folder, generator, at, seed, history
        self._notice = notice
        self._board = _event_writer(folder / EVENTS, sum("held_out" in record for record in history)) if board else None

    def __call__(self, record: dict[str, Any], mapping: nn.Module) -> None:
        """Write everything about one record, and say it in a line."""
        write_text(self.folder / LOG, "".join(json.dumps(entry) + "\n" for entry in self.history))
        name = f"{_STAGES[record['stage']]}-{record['step']:06d}"
        strip = self.folder / STRIPS / f"{name}.png"
        strip.parent.mkdir(exist_ok=True)
        active = torch.tensor(record["activeness"], device="cpu")
        order = active.argsort(descending=True, stable=True)[:_AXES].tolist()
        axes = z_directions(torch.eye(len(active), device="cpu"), active, "mapping in training", "", self.generator.num_ws, {})
        renderer = Renderer(with_mapping(self.generator, mapping))
        title = f"most active z axes at {'refinement ' if record['stage'] == 2 else ''}step {record['step']}"
        save_image(direction_grid(renderer, self.at, axes, order, steps=7, seeds=(self.seed,), title=title), strip)
        shift = f", critic {record['critic_shift']:+.3f}" if "critic_shift" in record else ""
        self._notice(
            f"{name}: held-out loss {record['held_out']['total']:.4f}, off-diagonal share {record['off_diagonal_share']:.4f}, "
            f"images {record['image_distance']:.4f} (floor {record['image_floor']:.4f}), "
            f"w {record['latent_distance']:.4f} (floor {record['latent_floor']:.4f}){shift}"
            + (": no more gain, finishing" if "stalled" in record else "")
        )
        if self._board is not None:
            self._show(record, strip)

    def _show(self, record: dict[str, Any], strip: Path) -> None:
        number = sum("held_out" in entry for entry in self.history)
        values = {name: value for name, value in record.items() if isinstance(value, float)}
        values |= {f"held_out/{name}": value for name, value in record["held_out"].items()}
        for name, value in values.items():
            self._board.add_scalar(name, value, number)  # type: ignore[union-attr]
        self._board.add_histogram("activeness", np.asarray(record["activeness"]), number)  # type: ignore[union-attr]
        with Image.open(strip) as picture:
            self._board.add_image("strips", np.asarray(picture.convert("RGB")), number, dataformats="HWC")  # type: ignore[union-attr]
        self._board.flush()  # type: ignore[union-attr]

    def close(self) -> None:
        """End what is open."""
        if self._board is not None:
            self._board.close()


def _event_writer(folder: Path, number: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError('--tensorboard needs an optional package: pip install "orojar[tensorboard]"') from error
    return SummaryWriter(str(folder), purge_step=number + 1)
