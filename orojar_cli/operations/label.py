"""Names for dimensions: given by people, or proposed from what is measured in images."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from orojar_cli.demonstration import demonstration
from orojar_cli.detectors import load_attributes
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.labels import write_label, write_proposals
from orojar_cli.errors import OptionError
from orojar_cli.files import written_file
from orojar_cli.latents.points import seed_latents
from orojar_cli.measures import MetricSettings
from orojar_cli.measures.attribute_response import STRENGTHS, Correlations, attribute_response, correlations, proposals
from orojar_cli.media import table_html, table_picture
from orojar_cli.numbers import check_whole
from orojar_cli.operations.network import Network, quiet, say_undrawable, shown_class
from orojar_cli.operations.resolve import named_by
from orojar_cli.operations.traverse import source_of
from orojar_cli.progress import Notice, Progress, lasting
from orojar_cli.response.budget import affordable, arithmetic, seconds_each, timed_batch
from orojar_cli.response.outputs import Output

NUM = 20
_MOST_SAMPLES, _LEAST_SAMPLES = 128, 32
_OWN = "the demonstration's directions belong to the program; find some of your own with orojar discover"


def label(source: str | Path, dimension: int | str, text: str, notice: Notice = quiet) -> tuple[Path, int, DirectionSet]:
    """Name a dimension, given by number or its present label, in the direction set of a run or a file; (file, number, the set now).

    Raises OptionError for a source without directions, a dimension there is not, and a text that cannot be a name.
    """
    named = named_by(source, notice=notice)
    if named.path is None:
        raise OptionError(f"{source} has no direction set to label; name a run or a directions.safetensors")
    if named.path == demonstration()[1]:
        raise OptionError(_OWN)
    index = named.directions.index(dimension)
    say_undrawable([text], notice)
    return named.path, index, write_label(named.path, index, text)


@dataclass(frozen=True, repr=False)
class Proposed:
    """Names that were measured for the first `num` dimensions of a set; `directions` has them, and `path` is the file they were written
    into, None where they were not.

    `names` are the attributes, and `found` the correlations of all dimensions with all of them, in `samples` images.
    """

    checkpoint: Network
    directions: DirectionSet
    num: int
    samples: int
    names: list[str]
    found: Correlations
    path: Path | None = None

    def __repr__(self) -> str:
        named = [proposal.text for proposal in self.directions.proposals[: self.num] if proposal is not None]
        return f"<Proposed, {len(named)} of {self.num} dimensions of {self.checkpoint.name}: {', '.join(named)}>"

    def to_dict(self) -> dict[str, Any]:
        """What was measured, JSON-serialisable; null for an attribute that had no answer in enough images."""

        def rows(values: np.ndarray) -> list[list[float | None]]:
            return [[float(value) if np.isfinite(value) else None for value in row] for row in values]

        return {
            "written": None if self.path is None else str(self.path),
            "samples": self.samples,
            "attributes": self.names,
            "dimensions": [
                {
                    "dimension": index,
                    "label": self.directions.labels[index],
                    "proposal": None if proposal is None else proposal.to_dict(),
                }
                for index, proposal in enumerate(self.directions.proposals[: self.num])
            ],
            "correlation": rows(self.found.value),
            "effect": rows(self.found.effect),
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows) of the dimensions, in words: what was measured, and the label that a person gave."""
        rows = []
        for index, proposal in enumerate(self.directions.proposals[: self.num]):
            told = [f"dim {index}", self.directions.labels[index]]
            if proposal is None:
                told += ["nothing clear", "", "", ""]
            else:
                also = ", ".join(f"{name} {value:+.2f}" for name, value in proposal.also)
                told += [proposal.text, "{:+.2f} … {:+.2f}".format(*proposal.interval), f"{proposal.effect:+.2f}", also]
            rows.append(told)
        return ["dimension", "label", "measured", "95 % interval", "effect of a sigma", "also"], rows

    def show(self) -> Image.Image:
        """The table as a picture."""
        return table_picture(*self.table())

    def _repr_html_(self) -> str:
        return table_html(*self.table())


def propose_labels(
    network: Any,
    directions: Any = None,
    *,
    attributes: Any = "image",
    num: int | None = NUM,
    samples: int | None = None,
    seed: int = 0,
    class_index: Any = None,
    psi: float = 1.0,
    device: str = "auto",
    write: bool = False,
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> Proposed:
    """Names for the first `num` dimensions (None: all), from named numbers measured in images before and after moving each by a sigma.

    `network` and `directions` are as `traverse` takes them.  `attributes` is "image" (light, colour, sharpness, symmetry:
    `detectors.attributes`), "faces" (place and size of the face, extra `faces`), a callable of your own that takes images [N, C, H, W] in
    [-1, 1] and gives a dictionary of names with numbers [N] (or a tensor [N, K], with `names` of its own), or a list of these.
    `samples` images are drawn from `seed` (None: 128, of large networks fewer, at least 32), each moved by -1 and +1 sigma.  What a name
    is given for: `measures.attribute_response.proposals`.  With `write` the names are kept in the file of the directions, beside the labels
    that people gave and never in their place; they are shown, marked with ~, where a dimension has no label.

    Raises OptionError for what does not fit, with `write` also for directions that are in no file of their own; OwnCodeError for code that
    fails or gives something else; MissingExtraError without OpenCV for faces.
    """
    if num is not None:
        check_whole("num", num, 1)
    if samples is not None:
        check_whole("samples", samples, _LEAST_SAMPLES // 2)
    measure = load_attributes(attributes)
    source = source_of(network, directions, device, notice)
    if write:
        if source.path is None:
            raise OptionError("these directions are in no file that could keep names; name a run or a direction set, or use --dry-run")
        if source.path == demonstration()[1]:
            raise OptionError(f"{_OWN}, or use --dry-run")
        written_file(source.path)
    generator, found = source.checkpoint.generator, source.directions
    class_index = shown_class(generator, class_index, "measuring at", notice)
    chosen = found.select(range(len(found) if num is None else min(num, len(found))))
    images = 1 + len(STRENGTHS) * len(chosen)
    output = (Output(),)
    samples = samples or affordable(images * arithmetic(generator, output), _MOST_SAMPLES, _LEAST_SAMPLES)
    at = seed_latents(generator, range(timed_batch(generator)), class_index, psi)
    seconds = images * samples * seconds_each(generator, output, at)
    notice(f"{images} times {samples} images to draw, and to measure: {lasting(seconds)} for drawing")
    settings = MetricSettings(samples=samples, seed=seed, class_index=class_index, psi=psi)
    response = attribute_response(generator, chosen, measure, settings, progress=progress)
    measured = correlations(response)
    named = tuple(proposals(response, measured)) + found.proposals[len(chosen) :]
    path = source.path if write else None
    found = dataclasses.replace(found, proposals=named) if path is None else write_proposals(path, named, found)
    say_undrawable(response.names, notice)
    return Proposed(source.checkpoint, found, len(chosen), samples, response.names, measured, path)
