"""What can be measured in any picture without a network: light, colour, sharpness, symmetry.

Everything is of the pixels as they are displayed (sRGB values from 0 to 1, not light), averaged down to 256 pixels along the longer side
where there are more, so that numbers of different sizes of one network mean the same.  Luma is 0.2126 R + 0.7152 G + 0.0722 B (ITU-R
BT.709).  Right and left are the viewer's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from orojar_cli.devices import on_processor

_LARGEST = 256
# What does not vary has neither sharpness nor symmetry; a tenth of an 8-bit level.
_FLAT = 0.1 / 255
# Of images, along each side: the frame around the middle.
_BORDER = 8
# A hue of less chroma than four levels of 255 is noise; skin of less than a twentieth of the picture is none.
_LEAST_CHROMA, _LEAST_SKIN = 4 / 255, 0.05


@dataclass(frozen=True)
class Attribute:
    """A named number of an image; `period` is that of one which goes round, such as an angle."""

    name: str
    unit: str
    period: float | None = None


class Attributes:
    """images [N, C, H, W] in [-1, 1] -> [N, K] float64 on the processor, one column for each of `attributes`; NaN where there is no answer.

    Every image on its own.  `name` says what measures.  Which attributes there are may be known only after the first call.
    """

    name: str
    attributes: tuple[Attribute, ...] = ()

    def __call__(self, images: Tensor) -> Tensor:
        """The numbers [N, K]."""
        raise NotImplementedError


class Together(Attributes):
    """The attributes of several, one after the other; a name that an earlier part has is followed by the number of its part."""

    def __init__(self, parts: Sequence[Attributes]) -> None:
        self.parts, self.name = tuple(parts), ", ".join(part.name for part in parts)

    def __call__(self, images: Tensor) -> Tensor:
        numbers = torch.cat([part(images) for part in self.parts], 1)
        named: dict[str, Attribute] = {}
        for number, part in enumerate(self.parts, 1):
            for one in part.attributes:
                name = one.name if one.name not in named else f"{one.name} ({number})"
                named[name] = Attribute(name, one.unit, one.period)
        self.attributes = tuple(named.values())
        return numbers


@dataclass(frozen=True)
class Picture:
    """What attributes are computed from: `rgb` [N, 3, H, W] from 0 to 1, its `luma` [N, H, W]; `coloured` is False for grey images."""

    rgb: Tensor
    luma: Tensor
    coloured: bool

    @classmethod
    def of(cls, images: Tensor) -> Picture:
        """Of images [N, C, H, W] in [-1, 1]; of two channels the first is taken for grey, further ones than three are left out."""
        images = images.float()
        coloured = images.shape[1] >= 3
        rgb = images[:, :3] if coloured else images[:, :1].expand(-1, 3, -1, -1)
        rgb = on_processor((rgb.clamp(-1, 1) + 1) / 2)
        height, width = rgb.shape[2:]
        if max(height, width) > _LARGEST:
            scale = _LARGEST / max(height, width)
            rgb = F.adaptive_avg_pool2d(rgb, (max(1, round(height * scale)), max(1, round(width * scale))))
        return cls(rgb, (rgb * _weights(rgb)).sum(1), coloured)


def brightness(picture: Picture) -> Tensor:
    """The mean luma, from 0 to 1."""
    return picture.luma.mean((1, 2))


def contrast(picture: Picture) -> Tensor:
    """The standard deviation of the luma, from 0 to 0.5."""
    return picture.luma.flatten(1).std(1, correction=0)


def saturation(picture: Picture) -> Tensor:
    """HSV's saturation of all pixels, the brighter the more they count: sum(max - min) / sum(max) over the channels, from 0 to 1."""
    high, low = picture.rgb.amax(1), picture.rgb.amin(1)
    total = high.sum((1, 2))
    return torch.where(total > _FLAT * high[0].numel(), (high - low).sum((1, 2)) / total, math.nan)


def warmth(picture: Picture) -> Tensor:
    """Red against blue: the mean of R - B, from -1 to 1."""
    return (picture.rgb[:, 0] - picture.rgb[:, 2]).mean((1, 2))


def tint(picture: Picture) -> Tensor:
    """Green against magenta: the mean of G - (R + B) / 2, from -1 to 1."""
    red, green, blue = picture.rgb.mean((2, 3)).T
    return green - (red + blue) / 2


def hue(picture: Picture) -> Tensor:
    """The hue of the mean colour in degrees from 0 (red) over 120 (green), the angle of its chroma; NaN for less of that than 4 / 255."""
    red, green, blue = picture.rgb.mean((2, 3)).T
    along, across = red - (green + blue) / 2, math.sqrt(3) / 2 * (green - blue)
    angle = torch.rad2deg(torch.atan2(across, along)) % 360
    return torch.where(torch.hypot(along, across) >= _LEAST_CHROMA, angle, math.nan)


def light_from_the_right(picture: Picture) -> Tensor:
    """Left-right balance: the mean luma of the right half minus the left one's, from -1 to 1."""
    half = picture.luma.shape[2] // 2
    return picture.luma[:, :, -half:].mean((1, 2)) - picture.luma[:, :, :half].mean((1, 2)) if half else picture.luma[:, 0, 0] * math.nan


def light_from_above(picture: Picture) -> Tensor:
    """Up-down balance: the mean luma of the upper half minus the lower one's, from -1 to 1."""
    half = picture.luma.shape[1] // 2
    return picture.luma[:, :half].mean((1, 2)) - picture.luma[:, -half:].mean((1, 2)) if half else picture.luma[:, 0, 0] * math.nan


def sharpness(picture: Picture) -> Tensor:
    """How steep the luma is at its contrast, in octaves: log2 of the root mean square of its gradient (a step as wide as the longer side
    is 1), divided by its standard deviation.  Neither brightness nor contrast matters; blurred twice as wide it is about 1 less."""
    luma = picture.luma
    across = luma[:, :-1, 1:] - luma[:, :-1, :-1]
    down = luma[:, 1:, :-1] - luma[:, :-1, :-1]
    steep = (across.square() + down.square()).mean((1, 2)).sqrt() * max(luma.shape[1:])
    spread = contrast(picture)
    return torch.where(spread > _FLAT, torch.log2((steep / spread).clamp_min(1e-9)), math.nan)


def border_brightness(picture: Picture) -> Tensor:
    """The background's brightness: the mean luma of the frame along the top and the sides, an eighth of the picture wide, from 0 to 1.

    The lower edge, where bodies are cut off, is left out.
    """
    luma, frame = picture.luma, _frame(picture)
    return (luma * frame).sum((1, 2)) / frame.sum()


def middle_against_border(picture: Picture) -> Tensor:
    """The mean luma of the middle, half as wide and high as the picture, minus that of the frame of the border brightness, -1 to 1."""
    height, width = picture.luma.shape[1:]
    rows, columns = slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)
    return picture.luma[:, rows, columns].mean((1, 2)) - border_brightness(picture)


def mirror_symmetry(picture: Picture) -> Tensor:
    """The correlation of the luma with that of the mirror image, from -1 to 1; NaN for an image of one luma."""
    luma = picture.luma - picture.luma.mean((1, 2), keepdim=True)
    power = luma.square().mean((1, 2))
    return torch.where(power > _FLAT**2, (luma * luma.flip(2)).mean((1, 2)) / power, math.nan)


def midline(picture: Picture) -> Tensor:
    """Where the axis of symmetry stands: of an aligned face how far it turns or leans to the right; half image widths from the middle.

    Of columns up to a sixth of the width from the middle the one about which the rows from 0.3 to 0.9 of the height are most alike on both
    sides, within 0.3 of the width: the mean of all, weighted by exp(12 times their correlation), so that it moves without jumps.  Compared
    is not the luma but how far it is from the mean around, in standard deviations there (a square of a fifth of the width): the direction
    of light hardly counts.  NaN for images of fewer than 16 pixels, or of one luma.  Mirrored images have the opposite number.
    """
    height, width = picture.luma.shape[1:]
    if min(height, width) < 16:
        return picture.luma[:, 0, 0] * math.nan
    relief = _relief(picture.luma, max(3, 2 * round(width / 10) + 1))[:, round(0.3 * height) : round(0.9 * height)]
    reach = round(width / 3)  # in half pixels
    axes = torch.arange(-reach, reach + 1, device="cpu")
    alike = torch.stack([_alike(relief, int(axis), round(0.3 * width)) for axis in axes], 1)  # [N, axes]
    place = ((12 * alike).softmax(1) * axes).sum(1) / width
    return torch.where(contrast(picture) > _FLAT, place, math.nan)


def subject_position(picture: Picture) -> tuple[Tensor, Tensor]:
    """Where what differs from the border has its middle, to the right and upwards, in half image widths and heights from the middle.

    Pixels count by the squared distance of their colour from the median of the frame of the border brightness.  NaN where nothing differs.
    """
    weights = _against_border(picture)
    height, width = weights.shape[1:]
    total = weights.sum((1, 2))
    there, total = total > _FLAT**2 * height * width, total.clamp_min(1e-30)
    places = (weights.sum(1) * _places(width)).sum(1) / total, -(weights.sum(2) * _places(height)).sum(1) / total
    return torch.where(there, places[0], math.nan), torch.where(there, places[1], math.nan)


def subject_size(picture: Picture) -> Tensor:
    """How much of the picture differs from the border: (sum d)^2 / sum d^2 over its pixels, d as in `subject_position`, as a share of
    all; of one even patch on an even ground its area.  NaN where nothing differs."""
    weights = _against_border(picture).flatten(1)
    share = weights.sum(1).square() / weights.square().sum(1).clamp_min(1e-30) / weights.shape[1]
    return torch.where(weights.mean(1) > _FLAT**2, share, math.nan)


def skin_area(picture: Picture) -> Tensor:
    """The share of the pixels that have the colour of skin, from 0 to 1: Cb from 77 to 127 and Cr from 133 to 173 (Chai & Ngan, "Face
    segmentation using skin-color map in videophone applications", 1999).  Warm walls and hair of that colour count, too."""
    return _skin(picture).mean((1, 2))


def skin_position(picture: Picture) -> Tensor:
    """Where the skin-coloured pixels (see `skin_area`) have their middle from left to right, half image widths from the middle; NaN where
    they are less than a twentieth of the picture."""
    skin = _skin(picture)
    places = _places(skin.shape[2])
    return torch.where(skin.mean((1, 2)) >= _LEAST_SKIN, (skin * places).sum((1, 2)) / skin.sum((1, 2)).clamp_min(1), math.nan)


def skin_tone(picture: Picture) -> Tensor:
    """How light the skin-coloured pixels (see `skin_area`) are: the individual typology angle atan((L* - 50) / b*) of their mean colour in
    CIELAB (D65), in degrees (Chardon, Cretois & Hourseau 1991: over 41 light, under 10 dark).  NaN where they are less than a twentieth of
    the picture.  The light that falls on the skin counts as much as the skin."""
    skin = _skin(picture)
    colour = (picture.rgb * skin.unsqueeze(1)).sum((2, 3)) / skin.sum((1, 2)).clamp_min(1).unsqueeze(1)
    lightness, _, yellow = _lab(colour).T
    angle = torch.rad2deg(torch.atan2(lightness - 50, yellow))
    return torch.where(skin.mean((1, 2)) >= _LEAST_SKIN, angle, math.nan)


_OF_LIGHT: dict[Attribute, Callable[[Picture], Tensor]] = {
    Attribute("brightness", "luma"): brightness,
    Attribute("contrast", "luma"): contrast,
    Attribute("light from the right", "luma"): light_from_the_right,
    Attribute("light from above", "luma"): light_from_above,
    Attribute("border brightness", "luma"): border_brightness,
    Attribute("middle against border", "luma"): middle_against_border,
    Attribute("sharpness", "octaves"): sharpness,
    Attribute("mirror symmetry", "correlation"): mirror_symmetry,
    Attribute("midline to the right", "half widths"): midline,
    Attribute("subject to the right", "half widths"): lambda picture: subject_position(picture)[0],
    Attribute("subject upwards", "half heights"): lambda picture: subject_position(picture)[1],
    Attribute("subject size", "share"): subject_size,
}
_OF_COLOUR: dict[Attribute, Callable[[Picture], Tensor]] = {
    Attribute("saturation", "share"): saturation,
    Attribute("warmth", "R - B"): warmth,
    Attribute("green tint", "G - (R + B) / 2"): tint,
    Attribute("hue", "degrees", 360.0): hue,
    Attribute("skin area", "share"): skin_area,
    Attribute("skin to the right", "half widths"): skin_position,
    Attribute("skin tone", "degrees"): skin_tone,
}


class ImageAttributes(Attributes):
    """Those of this module, or the ones `named`; of grey images the ones of light alone have an answer."""

    name = "image"
    attributes = (*_OF_LIGHT, *_OF_COLOUR)

    def __init__(self, named: Sequence[str] | None = None) -> None:
        if named is not None:
            every = {one.name: one for one in self.attributes}
            self.attributes = tuple(every[name] for name in named)

    def __call__(self, images: Tensor) -> Tensor:
        picture = Picture.of(images)
        nothing = torch.full((len(images),), math.nan, dtype=torch.float64, device="cpu")
        return torch.stack([self._column(one, picture, nothing) for one in self.attributes], 1)

    @staticmethod
    def _column(one: Attribute, picture: Picture, nothing: Tensor) -> Tensor:
        if one in _OF_LIGHT:
            return _OF_LIGHT[one](picture)
        return _OF_COLOUR[one](picture) if picture.coloured else nothing


def _weights(rgb: Tensor) -> Tensor:
    return torch.tensor([0.2126, 0.7152, 0.0722], dtype=rgb.dtype, device="cpu").view(3, 1, 1)


def _places(count: int) -> Tensor:
    """The middles of so many pixels, from -1 to 1."""
    return (torch.arange(count, dtype=torch.float64, device="cpu") + 0.5) / count * 2 - 1


def _frame(picture: Picture) -> Tensor:
    height, width = picture.luma.shape[1:]
    frame = torch.ones(height, width, dtype=picture.luma.dtype, device="cpu")
    above, beside = math.ceil(height / _BORDER), math.ceil(width / _BORDER)
    frame[above:, beside : width - beside] = 0
    return frame


def _against_border(picture: Picture) -> Tensor:
    """[N, H, W] squared distance of each pixel's colour from the median colour of the frame."""
    ground = picture.rgb[:, :, _frame(picture) > 0].median(2).values
    return (picture.rgb - ground[:, :, None, None]).square().sum(1)


def _relief(luma: Tensor, side: int) -> Tensor:
    """[N, H, W] how far the luma is from the mean of the square around, in its standard deviations."""

    def around(values: Tensor) -> Tensor:
        return F.avg_pool2d(values.unsqueeze(1), side, 1, side // 2, count_include_pad=False).squeeze(1)

    offset = luma - around(luma)
    return offset / (around(offset.square()).sqrt() + 0.02)


def _alike(relief: Tensor, axis: int, reach: int) -> Tensor:
    """[N] the correlation of what is up to `reach` pixels left and right of the column `axis` / 2 beside the middle."""
    width = relief.shape[2]
    double = width - 1 + axis  # a pixel and its mirror image have this sum
    first, last = max(0, double - width + 1, math.ceil(double / 2 - reach)), min(width - 1, double, math.floor(double / 2 + reach))
    part = relief[:, :, first : last + 1]
    part = part - part.mean((1, 2), keepdim=True)
    return (part * part.flip(2)).mean((1, 2)) / part.square().mean((1, 2)).clamp_min(1e-12)


def _skin(picture: Picture) -> Tensor:
    """[N, H, W] 1 where a pixel has the colour of skin, else 0; Cb and Cr as in JPEG (ITU-R BT.601, all levels)."""
    red, green, blue = picture.rgb.unbind(1)
    cb = 128 + 255 * (0.5 * blue - 0.168736 * red - 0.331264 * green)
    cr = 128 + 255 * (0.5 * red - 0.418688 * green - 0.081312 * blue)
    return ((cb >= 77) & (cb <= 127) & (cr >= 133) & (cr <= 173)).to(red)


def _lab(rgb: Tensor) -> Tensor:
    """sRGB [N, 3] from 0 to 1 -> CIELAB [N, 3] under D65 (IEC 61966-2-1, CIE 15)."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = torch.tensor(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
        dtype=rgb.dtype,
        device="cpu",
    )
    xyz = linear @ matrix.T / matrix.sum(1)
    root = torch.where(xyz > (6 / 29) ** 3, xyz.clamp_min(0) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)
