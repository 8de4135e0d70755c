from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from orojar_cli.errors import NumericalError, OptionError
from orojar_cli.media import display_size, from_uint8, resize, to_uint8


def level(number: np.float32) -> int:
    scaled = np.float32(number) * np.float32(127.5) + np.float32(128)
    # Python's own numbers, without numpy's shortcuts.
    return math.trunc(min(255.0, max(0.0, float(scaled))))


def slow(image: np.ndarray) -> np.ndarray:
    channels, height, width = image.shape
    drawn = np.zeros((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            levels = [level(image[channel, y, x]) for channel in range(channels)]
            colour = levels[:3] if channels >= 3 else [levels[0]] * 3
            if channels in (2, 4):
                alpha = levels[-1]
                colour = [math.floor(value * alpha / 255 + 255 - alpha + 0.5) for value in colour]
            drawn[y, x] = colour
    return drawn


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)),
        elements=st.floats(-3, 3, width=32) | st.integers(0, 255).map(lambda level: np.float32((level - 127.5) / 127.5)),
    )
)
def test_to_uint8_equals_the_slow_reference(images: np.ndarray) -> None:
    found = to_uint8(images)
    assert found.dtype == np.uint8
    assert found.shape == (len(images), *images.shape[2:], 3)
    np.testing.assert_array_equal(found, np.stack([slow(image) for image in images]))


def test_to_uint8_known_values() -> None:
    numbers = np.array([-1e30, -1.5, -1, 0, 1, 1e30], np.float32)
    assert to_uint8(numbers.reshape(1, 1, 1, -1))[0, 0, :, 0].tolist() == [0, 0, 0, 128, 255, 255]


def test_every_level_comes_back() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)
    images = from_uint8(levels)
    assert images.shape == (1, 3, 16, 16) and images.dtype == torch.float32
    assert float(images.min()) == -1 and float(images.max()) == 1
    np.testing.assert_array_equal(to_uint8(images), levels)


def test_alpha_is_composited_on_white() -> None:
    transparent_red = np.array([1, -2, -2, -2], np.float32).reshape(1, 4, 1, 1)
    assert to_uint8(transparent_red).ravel().tolist() == [255, 255, 255]
    opaque_grey = np.array([0, 2], np.float32).reshape(1, 2, 1, 1)
    assert to_uint8(opaque_grey).ravel().tolist() == [128, 128, 128]


def test_to_uint8_takes_tensors_of_any_float_type_with_gradient() -> None:
    images = torch.linspace(-1, 1, 48).reshape(1, 3, 4, 4).to(torch.bfloat16).requires_grad_()
    np.testing.assert_array_equal(to_uint8(images), to_uint8(images.detach().float().numpy()))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_to_uint8_refuses_numbers_that_are_not_finite(number: float) -> None:
    images = np.zeros((2, 3, 4, 4), np.float32)
    images[1, 2, 3, 0] = number
    with pytest.raises(NumericalError, match="not finite"):
        to_uint8(images)


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 5, 4, 4), (1, 0, 4, 4)])
def test_to_uint8_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(OptionError, match="channels"):
        to_uint8(np.zeros(shape, np.float32))


def test_resize_keeps_pixel_art_crisp() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 32, 16, 3), np.uint8)
    large = resize(frames, 96)
    assert large.shape == (2, 96, 48, 3)
    np.testing.assert_array_equal(large[:, ::3, ::3], frames)
    np.testing.assert_array_equal(large, frames.repeat(3, 1).repeat(3, 2))


@pytest.mark.parametrize(("source", "size", "result"), [(24, 64, 72), (24, 50, 48), (32, 35, 32), (32, 32, 32)])
def test_resize_takes_the_nearest_whole_factor(source: int, size: int, result: int) -> None:
    assert resize(np.zeros((1, source, source, 3), np.uint8), size).shape == (1, result, result, 3)


def test_resize_of_large_pictures_is_smooth_and_keeps_proportions() -> None:
    frames = np.zeros((1, 32, 64, 3), np.uint8)
    frames[:, :, 32:] = 200
    large = resize(frames, 300)
    assert large.shape == (1, 150, 300, 3)
    assert len(np.unique(large[0, 75, :, 0])) > 2
    assert resize(frames.repeat(4, 1).repeat(4, 2), 50).shape == (1, 25, 50, 3)


def test_resize_refuses_a_size_of_nothing() -> None:
    with pytest.raises(OptionError):
        resize(np.zeros((1, 4, 4, 3), np.uint8), 0)


def test_display_size_is_a_whole_multiple() -> None:
    assert [display_size(resolution) for resolution in (32, 64, 96, 128, 1024)] == [96, 128, 96, 128, 1024]
