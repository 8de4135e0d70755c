"""Attributes of images whose answers are known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from orojar_cli.detectors import load_attributes
from orojar_cli.detectors.attributes import Attribute, Attributes, ImageAttributes, _lab
from orojar_cli.detectors.own_attributes import OwnAttributes
from orojar_cli.errors import MissingExtraError, OptionError, OwnCodeError

NAMES = [attribute.name for attribute in ImageAttributes.attributes]
MIRRORED = ("light from the right", "midline to the right", "subject to the right", "skin to the right")
SKIN = torch.tensor([224.0, 172.0, 138.0]) / 255


def measured(rgb: Tensor) -> dict[str, float]:
    """The attributes of one image [C, H, W] of values from 0 to 1."""
    (numbers,) = ImageAttributes()(2 * rgb.unsqueeze(0) - 1)
    return dict(zip(NAMES, numbers.tolist(), strict=True))


def flat(colour, side: int = 32) -> Tensor:
    return torch.as_tensor(colour, dtype=torch.float32).view(-1, 1, 1).expand(-1, side, side).clone()


def scene(seed: int, side: int = 32, channels: int = 3) -> Tensor:
    """Smooth noise from 0.1 to 0.9."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, channels, 6, 6, generator=rng)
    return 0.1 + 0.8 * torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")[0]


def patch(x: float, y: float, half: float, side: int = 64, colour=(0.9, 0.2, 0.1), ground=(0.2, 0.3, 0.6)) -> Tensor:
    """A square of `half` its side in half image widths, its middle to the right and up."""
    image, places = flat(ground, side), (torch.arange(side) + 0.5) / side * 2 - 1
    inside = ((places[None, :] - x).abs() < half) & ((-places[:, None] - y).abs() < half)
    return torch.where(inside, torch.tensor(colour).view(3, 1, 1), image)


def drawn_face(x: float, side: int = 64) -> Tensor:
    """A grey face seen from the front, its middle `x` half image widths to the right."""
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    across, down = (axis - x)[None, :], axis[:, None]
    image = 0.35 + 0.4 * torch.sigmoid(8 * (1 - (across / 0.6).square() - (down / 0.85).square()))
    for place, height, width in ((-0.22, -0.15, 0.1), (0.22, -0.15, 0.1), (0.0, 0.2, 0.06), (0.0, 0.48, 0.2)):
        spot = ((across - place) / width).square() + ((down - height) / 0.07).square()
        image = image - 0.3 * torch.exp(-spot)
    return image.unsqueeze(0)


def test_plain_colours() -> None:
    grey = measured(flat([0.25] * 3))
    assert grey["brightness"] == pytest.approx(0.25) and grey["border brightness"] == pytest.approx(0.25)
    assert grey["contrast"] == pytest.approx(0, abs=1e-6) and grey["saturation"] == pytest.approx(0, abs=1e-6)
    assert all(math.isnan(grey[name]) for name in ("hue", "sharpness", "mirror symmetry", "midline to the right", "skin tone"))
    assert all(math.isnan(grey[name]) for name in ("subject to the right", "subject upwards", "subject size"))
    for colour, hue in (([1, 0, 0], 0), ([1, 1, 0], 60), ([0, 1, 0], 120), ([0, 0, 1], 240), ([0.6, 0.2, 0.6], 300)):
        assert measured(flat(colour))["hue"] == pytest.approx(hue, abs=1e-3)
    red = measured(flat([0.8, 0.2, 0.2]))
    assert red["saturation"] == pytest.approx(0.75, abs=1e-6) and red["warmth"] == pytest.approx(0.6, abs=1e-6)
    assert red["brightness"] == pytest.approx(0.2126 * 0.8 + 0.7874 * 0.2, abs=1e-6)
    assert red["green tint"] == pytest.approx(-0.3, abs=1e-6)
    assert math.isnan(measured(flat([0.0] * 3))["saturation"])


def test_light_from_a_side_is_the_difference_of_halves() -> None:
    image = flat([0.2] * 3)
    image[:, :, 16:] = 0.7
    right = measured(image)
    assert right["light from the right"] == pytest.approx(0.5, abs=1e-6) and right["light from above"] == pytest.approx(0, abs=1e-6)
    assert right["contrast"] == pytest.approx(0.25, abs=1e-6) and right["mirror symmetry"] == pytest.approx(-1, abs=1e-6)
    above = measured(image.transpose(1, 2).flip(1))
    assert above["light from above"] == pytest.approx(0.5, abs=1e-6) and above["mirror symmetry"] == pytest.approx(1, abs=1e-6)


def test_the_middle_and_the_border() -> None:
    image = flat([0.3] * 3)
    image[:, 4:28, 4:28] = 0.8
    found = measured(image)
    # The lower edge is no part of the frame: 4 rows above, 4 columns on both sides of the other 28.
    assert found["border brightness"] == pytest.approx(0.3, abs=1e-6)
    assert found["middle against border"] == pytest.approx(0.5, abs=1e-6)
    image[:, 28:, 4:28] = 1.0
    assert measured(image)["border brightness"] == pytest.approx(0.3, abs=1e-6)


def test_sharpness_counts_octaves_and_neither_light_nor_contrast() -> None:
    axis = torch.arange(128) / 128
    waves = [flat([0.5], 128) + 0.4 * torch.sin(2 * math.pi * count * axis) for count in (2, 4, 8)]
    once, twice, four = (measured(wave)["sharpness"] for wave in waves)
    assert twice - once == pytest.approx(1, abs=0.02) and four - twice == pytest.approx(1, abs=0.05)
    # The gradient of a sine of c waves is 2 pi c times its standard deviation.
    assert once == pytest.approx(math.log2(2 * math.pi * 2), abs=0.01)
    image = scene(0)
    assert measured(0.2 + 0.5 * image)["sharpness"] == pytest.approx(measured(image)["sharpness"], abs=1e-4)


@given(x=st.floats(-0.5, 0.5), y=st.floats(-0.5, 0.5), half=st.floats(0.1, 0.3))
def test_a_patch_is_found_where_it_is(x: float, y: float, half: float) -> None:
    image = patch(x, y, half)
    area = float((image[0] > 0.5).float().mean())
    found = measured(image)
    assert found["subject to the right"] == pytest.approx(x, abs=1 / 64) and found["subject upwards"] == pytest.approx(y, abs=1 / 64)
    assert found["subject size"] == pytest.approx(area, rel=1e-3)


@given(x=st.floats(-0.15, 0.15))
def test_the_midline_is_the_axis_of_a_face(x: float) -> None:
    assert measured(drawn_face(x))["midline to the right"] == pytest.approx(x, abs=0.05)


def test_the_direction_of_light_does_not_move_the_midline() -> None:
    slope = torch.linspace(-0.2, 0.2, 64)
    for x in (-0.1, 0.0, 0.1):
        lit = measured(drawn_face(x) + slope)
        assert lit["light from the right"] > 0.1 and lit["midline to the right"] == pytest.approx(x, abs=0.06)


@given(seed=st.integers(0, 1000), side=st.sampled_from([16, 31, 32, 40]))
def test_a_mirror_image_has_the_opposite_numbers(seed: int, side: int) -> None:
    image = scene(seed, side) * SKIN.view(3, 1, 1)
    found, other = measured(image), measured(image.flip(2))
    for name in MIRRORED:
        assert other[name] == pytest.approx(-found[name], abs=1e-5), name
    for name in sorted(set(NAMES) - {*MIRRORED, "sharpness"}):
        assert other[name] == pytest.approx(found[name], abs=1e-4), name


def test_skin_is_found_by_its_colour_and_measured_as_in_the_tables() -> None:
    image = patch(0.25, 0, 0.25, colour=SKIN.tolist(), ground=(0.1, 0.3, 0.8))
    found = measured(image)
    assert found["skin area"] == pytest.approx(1 / 16, abs=0.002) and found["skin to the right"] == pytest.approx(0.25, abs=1 / 64)
    # L* and b* of the colour, by hand: 73.9 and 24.0.
    assert found["skin tone"] == pytest.approx(math.degrees(math.atan2(73.9 - 50, 24.0)), abs=0.5)
    assert math.isnan(measured(patch(0, 0, 0.2, colour=SKIN.tolist(), ground=(0.1, 0.3, 0.8)))["skin tone"]), "too little of it"
    known = torch.tensor([[1.0, 1, 1], [1, 0, 0], [0, 0, 1], [128 / 255] * 3], dtype=torch.float64)
    table = torch.tensor([[100, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86], [53.59, 0, 0]], dtype=torch.float64)
    assert torch.allclose(_lab(known), table, atol=0.02)


def test_large_images_are_averaged_and_grey_ones_have_no_colour() -> None:
    small = scene(3, 128)
    large = small.repeat_interleave(4, 1).repeat_interleave(4, 2)
    few, many = measured(small), measured(large)
    for name in sorted(set(NAMES) - {"sharpness"}):
        assert many[name] == pytest.approx(few[name], abs=0.02), name
    assert measured(small.repeat_interleave(2, 1).repeat_interleave(2, 2)) == measured(large)
    grey = measured(small[:1])
    assert grey["brightness"] == pytest.approx(float(small[0].mean()), abs=1e-5)
    assert [math.isnan(grey[name]) for name in NAMES[-7:]] == [True] * 7 and NAMES[-7] == "saturation"
    assert measured(torch.cat([small, small[:1]]))["hue"] == few["hue"], "transparency is no colour"
    assert measured(flat([0.5], 1))["brightness"] == pytest.approx(0.5)


def test_every_image_is_measured_on_its_own() -> None:
    images = torch.stack([2 * scene(seed) - 1 for seed in range(4)])
    measure = ImageAttributes()
    assert torch.allclose(measure(images)[2:3], measure(images[2:3]), atol=1e-12, equal_nan=True)


def schematic_face(size: float, x: float, y: float, side: int = 96) -> Tensor:
    """A drawing that a detector of faces takes for one: hair, brows, eyes, nose, mouth."""
    image, axis = np.full((side, side), 0.55), (np.arange(side) + 0.5) / side * 2 - 1
    across, down = (axis[None, :] - x) / size, (axis[:, None] + y) / size
    spots = [(0, -0.15, 1, 1.3, 0.15), (0, 0.1, 0.8, 1.05, 0.8)]
    for sign in (-1, 1):
        spots += [(sign * 0.36, -0.33, 0.27, 0.07, 0.25), (sign * 0.36, -0.12, 0.22, 0.12, 0.3)]
        spots += [(sign * 0.36, -0.12, 0.09, 0.09, 0.05), (sign * 0.42, 0.28, 0.2, 0.2, 0.85)]
    spots += [(0, 0.15, 0.08, 0.32, 0.92), (0, 0.42, 0.17, 0.06, 0.45), (0, 0.68, 0.32, 0.08, 0.35), (0, 0.68, 0.26, 0.02, 0.2)]
    for column, row, width, height, value in spots:
        distance = ((across - column) / width) ** 2 + ((down - row) / height) ** 2
        share = 1 / (1 + np.exp(np.clip(8 * (distance - 1), -50, 50)))
        image = image * (1 - share) + value * share
    return torch.from_numpy(image).float().clamp(0, 1).unsqueeze(0)


def test_a_face_is_found_where_it_is_and_as_large_as_it_is() -> None:
    pytest.importorskip("cv2")
    measure = load_attributes("faces")
    places = [(0.5, 0.0, 0.0), (0.5, 0.2, 0.0), (0.5, -0.2, 0.1), (0.7, 0.0, 0.0), (0.35, 0.1, -0.2)]
    images = torch.stack([2 * schematic_face(*place) - 1 for place in places] + [torch.zeros(1, 96, 96)])
    found = measure(images)
    assert found[-1].isnan().all() and not found[:-1].isnan().any()
    # The detector's box stands a constant part of the face beside the drawing's middle.
    for number, (size, x, y) in enumerate(places):
        across, up, side = found[number].tolist()
        assert across == pytest.approx(x, abs=0.06) and up == pytest.approx(y, abs=0.12) and side == pytest.approx(size, rel=0.15)
    assert measure(images.repeat(1, 3, 1, 1)).equal(found) or torch.allclose(measure(images.repeat(1, 3, 1, 1)), found, equal_nan=True)


def test_faces_without_opencv_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'orojar\[faces\]'"):
        load_attributes("faces")


class Named:
    names = ("left", "right")

    def __call__(self, images: Tensor) -> Tensor:
        return torch.stack([images[..., :4].mean((1, 2, 3)), images[..., 4:].mean((1, 2, 3))], 1)


def test_attributes_of_ones_own() -> None:
    images = torch.rand(3, 1, 8, 8)
    told = {"a tensor": images.mean((1, 2, 3)), "a list": [1, 2, 3], "an array": np.array([0.5, np.inf, -1])}
    own = OwnAttributes(lambda images: told, "mine:all")
    numbers = own(images)
    assert numbers.dtype == torch.float64 and [one.name for one in own.attributes] == list(told)
    assert numbers[:, 1].tolist() == [1, 2, 3] and numbers[1, 2].isnan() and numbers[2, 2] == -1
    made = OwnAttributes(Named, "mine:Named")
    assert torch.allclose(made(images)[:, 0], images[..., :4].mean((1, 2, 3)).double()) and made.attributes[1] == Attribute("right", "")
    both = load_attributes(["image", Named(), Named(), Named()])
    assert both(images).shape == (3, len(NAMES) + 6) and both.name == "image, Named, Named, Named"
    assert [one.name for one in both.attributes[-6:]] == ["left", "right", "left (3)", "right (3)", "left (4)", "right (4)"]


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (lambda images: {}, "measured nothing"),
        (lambda images: images.mean((1, 2, 3)), "without `names`; it must give a dictionary"),
        (lambda images: [1, 2], "gives a list; it must give a dictionary"),
        (lambda images: {"a": images}, r"'a' has shape \[2, 1, 8, 8\] for 2 images"),
        (lambda images: {"a": [1]}, r"must be \[2\]"),
        (lambda images: {"a": ["x", "y"]}, "not a list of numbers"),
        (lambda images: {"": [1, 2]}, "no name of an attribute"),
        (lambda images: {3: [1, 2]}, "no name of an attribute"),
        (lambda images: {"dim 3": [1, 2]}, "would be taken for a number"),
        (lambda images: {"two\nlines": [1, 2]}, "one line"),
        (lambda images: 1 / 0, r"failed in measuring images: ZeroDivisionError.*test_attributes.py, line"),
        (7, "cannot be called"),
    ],
)
def test_what_ones_own_code_gets_wrong(thing, message: str) -> None:
    with pytest.raises(OwnCodeError, match=message):
        OwnAttributes(thing, "mine:thing")(torch.zeros(2, 1, 8, 8))


def test_other_names_at_every_call_are_refused() -> None:
    count = iter(range(9))
    own = OwnAttributes(lambda images: {f"name {next(count)}": [0.0, 1.0]}, "mine:thing")
    own(torch.zeros(2, 1, 8, 8))
    with pytest.raises(OwnCodeError, match="other names at every call"):
        own(torch.zeros(2, 1, 8, 8))


def test_names_of_attributes() -> None:
    assert isinstance(load_attributes(), ImageAttributes) and isinstance(load_attributes(ImageAttributes()), Attributes)
    for wrong in ("pixels", []):
        with pytest.raises(OptionError, match="attributes"):
            load_attributes(wrong)
