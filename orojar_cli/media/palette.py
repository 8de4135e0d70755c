"""The colours of a film: at most 255 of them, chosen over all frames."""

from __future__ import annotations

import numpy as np
from PIL import Image

from orojar_cli.errors import OptionError

COLOURS = 255
_SAMPLE_PER_FRAME = 6000
_SAMPLE = 300_000
# Where the palette misses a film's colours by more than this root mean square, smooth shades would show as bands.
_VISIBLE_ERROR = 1.0
# Bands show only in smooth shades, where most neighbours that differ do so by no more than this.
_SMOOTH_STEP = 4
# Just enough levels to break bands; more only shows as grain.
_DITHER = 4


def _bayer(doublings: int) -> np.ndarray:
    pattern = np.zeros((1, 1))
    for _ in range(doublings):
        pattern = np.block([[4 * pattern, 4 * pattern + 2], [4 * pattern + 3, 4 * pattern + 1]])
    return (pattern + 0.5) / pattern.size - 0.5


class Palette:
    """Maps pictures to the indices of fixed colours [<= 255, 3] uint8, the same picture always to the same indices.

    `exact` where no other colours occur.  `dither` > 0 adds a pattern of so many levels that is fixed to the screen: error diffusion
    would crawl in still regions whenever anything else in the frame moves.
    """

    def __init__(self, colours: np.ndarray, exact: bool = False, dither: int = 0) -> None:
        self.colours = colours
        self._pattern = np.round(_bayer(3) * dither).astype(np.int16)[..., None] if dither else None
        self._lookup: np.ndarray | None = None
        if exact:
            self._lookup = np.zeros(1 << 24, np.uint8)
            self._lookup[packed(colours)] = np.arange(len(colours))
        self._image = Image.new("P", (1, 1))
        self._image.putpalette(colours.tobytes())

    def table(self) -> bytes:
        """256 colours of three bytes, the unused ones black."""
        return self.colours.tobytes().ljust(768, b"\0")

    def indices(self, frame: np.ndarray) -> np.ndarray:
        """[H, W, 3] uint8 -> [H, W] uint8."""
        if self._lookup is not None:
            return self._lookup[packed(frame)]
        if self._pattern is not None:
            height, width = frame.shape[:2]
            pattern = np.tile(self._pattern, (height // 8 + 1, width // 8 + 1, 1))[:height, :width]
            frame = (frame + pattern).clip(0, 255).astype(np.uint8)
        return np.asarray(Image.fromarray(frame).quantize(palette=self._image, dither=Image.Dither.NONE))


class PaletteSurvey:
    """Sees every frame of a film once, then chooses its palette."""

    def __init__(self) -> None:
        self._seen = np.zeros(1 << 24, bool)
        self._samples: list[np.ndarray] = []
        self._small_steps = self._large_steps = 0
        self._rng = np.random.default_rng(0)

    def add(self, frame: np.ndarray) -> None:
        """Notes the colours of a frame [H, W, 3] uint8."""
        self._seen[packed(frame)] = True
        pixels = frame.reshape(-1, 3)
        # Random places, because a regular stride meets the columns of a grid in step.
        places = self._rng.integers(len(pixels), size=min(len(pixels), _SAMPLE_PER_FRAME))
        sample = pixels[places]
        self._samples.append(sample)
        steps = np.abs(sample.astype(np.int16) - pixels[np.minimum(places + 1, len(pixels) - 1)]).max(-1)
        self._small_steps += int(((steps > 0) & (steps <= _SMOOTH_STEP)).sum())
        self._large_steps += int((steps > _SMOOTH_STEP).sum())

    def palette(self) -> Palette:
        """The film's own colours where they are at most 255, else median cut refined by k-means.  Raises OptionError without frames."""
        if not self._samples:
            raise OptionError("a film needs at least one frame")
        own = np.flatnonzero(self._seen)
        if len(own) <= COLOURS:
            return Palette(np.stack([own >> 16, own >> 8 & 255, own & 255], -1).astype(np.uint8), exact=True)
        sample = np.concatenate(self._samples)
        sample = sample[:: -(-len(sample) // _SAMPLE)]
        chosen = Image.fromarray(sample[None]).quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=2)
        colours = np.array((chosen.getpalette() or [])[: 3 * COLOURS], np.uint8).reshape(-1, 3)
        plain = Palette(colours)
        error = colours[plain.indices(sample[None])[0]].astype(np.float32) - sample
        bands = (error**2).mean() > _VISIBLE_ERROR**2 and self._small_steps > self._large_steps
        return Palette(colours, dither=_DITHER) if bands else plain


def packed(colours: np.ndarray) -> np.ndarray:
    """[..., 3] uint8 -> [...] int32, one number per colour."""
    wide = colours.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
