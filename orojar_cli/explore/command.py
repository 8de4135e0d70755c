"""The `orojar traverse` line that makes a picture of the page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from orojar_cli.pictures.scene import Scene, Still, Walk


def traverse_line(source: Sequence[str], scene: Still | Walk, out: str) -> str:
    """A line for the shell.  `source` are the arguments that name network and directions."""
    words = ["orojar", "traverse", *source]
    for dimension in scene.dimensions:
        words += ["--dim", str(dimension)]
    for dimension, strength in scene.edits:
        words += ["--dim", f"{dimension}:{number_text(strength, sign=True)}"]
    if scene.keep:
        words += ["--keep", list_text(scene.keep)]
    words += ["--seeds", list_text(scene.seeds)]
    if scene.class_index is not None:
        words += ["--class", str(scene.class_index)]
    for option, value, usual in _numbers(scene):
        if value is not None and value != usual:
            words += [option, number_text(value)]
    if scene.layers is not None:
        words += ["--layers", list_text(scene.layers)]
    if scene.noise_mode != "const":
        words += ["--noise-mode", scene.noise_mode]
    if scene.center:
        words.append("--center")
    if not scene.caption:
        words.append("--no-caption")
    return shlex.join([*words, "--out", out])


def _numbers(scene: Scene) -> list[tuple[str, float | None, float | None]]:
    """Options with their values and defaults."""
    options: list[tuple[str, float | None, float | None]] = [("--trunc", scene.psi, 1.0), ("--size", scene.size, None)]
    options.append(("--columns", scene.columns, None))
    if isinstance(scene, Still):
        # A single step is the middle, wherever the ends would be.
        return [*options, ("--steps", scene.steps, 7)]
    assert isinstance(scene, Walk), "scenes are stills and walks"
    return [*options, ("--range", scene.extent, 3.0), ("--frames", scene.frames, 48), ("--fps", scene.fps, 24.0)]


def number_text(value: float, sign: bool = False) -> str:
    """The shortest text that reads back as the same number: "+2", "-0.7"."""
    text = repr(int(value)) if value == int(value) else repr(value)
    return f"+{text}" if sign and value >= 0 else text


def list_text(numbers: Sequence[int]) -> str:
    """Numbers as the options take them: "0-3,6"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
