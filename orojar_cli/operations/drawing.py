"""Drawing that lasts: how long is said beforehand, and films of minutes are shown coarsely first."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from orojar_cli.generators.protocol import Generator
from orojar_cli.generators.stopped import stopped
from orojar_cli.latents.points import seed_latents
from orojar_cli.progress import Notice, lasting
from orojar_cli.response.budget import MINUTE, arithmetic, seconds_each, timed_batch
from orojar_cli.response.outputs import Output, early

# Of drawing a whole film, from which on a preview comes first, and the share of it that the preview may cost.
_LONG, _PREVIEW_SHARE = 4 * MINUTE, 0.2


def say_drawing(generator: Generator, count: int, notice: Notice) -> None:
    """How long it takes to draw so many images, where that is long."""
    if count * arithmetic(generator, (Output(),)) > MINUTE:
        at = seed_latents(generator, range(timed_batch(generator)), 0 if generator.c_dim else None)
        notice(f"{count} images to draw: {lasting(count * seconds_each(generator, (Output(),), at))}")


def preview_height(generator: Generator, count: int) -> int | None:
    """At how many pixels a film of so many images is shown first: where its drawing takes minutes and the skip architecture has
    accumulated an image by a fraction of the whole's cost; else None."""
    whole = arithmetic(generator, (Output(),))
    if early(generator) is None or generator.device.type != "cpu" or count * whole <= _LONG:
        return None
    heights = {layer.resolution for layer in generator.config.layers()}
    cheap = [height for height in heights if arithmetic(generator, (Output("early", height),)) <= _PREVIEW_SHARE * whole]
    return max(cheap, default=None)


def preview_file(path: str | os.PathLike[str]) -> Path:
    """Where a preview of a film lies: walk.preview.gif beside walk.gif."""
    whole = Path(path)
    return whole.with_suffix(f".preview{whole.suffix}")


def save_previewed(
    path: str | os.PathLike[str], generator: Generator, count: int, save: Callable[[Generator, Path], None], notice: Notice
) -> None:
    """Write a film of so many images by `save(generator, path)`, where it takes minutes after a preview of it, which is removed at the end.

    A preview shows what the network has accumulated early: what moves where, without the colours and the detail that its last layers add.
    An interruption leaves it.
    """
    height = preview_height(generator, count)
    preview = preview_file(path)
    if height is not None:
        save(stopped(generator, height), preview)
        notice(f"wrote {preview}: a preview, as the images are at {height} pixels; the whole film follows")
    save(generator, Path(path))
    if height is not None:
        preview.unlink(missing_ok=True)
