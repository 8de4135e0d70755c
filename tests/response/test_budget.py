"""Counts from seconds and from arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from orojar_cli.directions import METHODS, Settings
from orojar_cli.directions.frame import activeness_images
from orojar_cli.errors import OptionError
from orojar_cli.numbers import as_seconds
from orojar_cli.response.budget import fitting, seconds_each
from orojar_cli.response.outputs import Output


@pytest.mark.parametrize(
    ("duration", "seconds"), [("90s", 90), ("90", 90), ("10m", 600), ("10 min", 600), ("1.5h", 5400), (" 2h ", 7200), (0.5, 0.5), (7, 7)]
)
def test_durations(duration: object, seconds: float) -> None:
    assert as_seconds(duration) == seconds


@pytest.mark.parametrize("duration", ["", "m", "10x", "-1s", "0", "0s", "1e3", "nan", "1:30", 0, -1, math.nan, math.inf, True, None, [1]])
def test_what_is_no_duration_is_refused(duration: object) -> None:
    with pytest.raises(OptionError, match="is no duration such as 90s"):
        as_seconds(duration)


@given(st.floats(0, 1e4), st.floats(0, 500), st.floats(0.1, 50), st.floats(1e-3, 10))
def test_the_count_that_fits_is_the_largest(seconds: float, fixed: float, slope: float, each: float) -> None:
    least, most = 8, 4096
    count = fitting(seconds, lambda number: fixed + slope * number, each, least, most)
    assert least <= count <= most
    if count > least:
        assert each * (fixed + slope * count) <= seconds * (1 + 1e-6) + 1e-6
    if count < most:
        assert each * (fixed + slope * (count + 1)) > seconds * (1 - 1e-6) - 1e-6


@pytest.mark.parametrize("method", ["orojar", "jacobian-pca"])
def test_methods_draw_about_as_many_images_as_they_say(method: str, shapes) -> None:
    """Within a factor of two: it is for words such as "about 4 min"."""
    settings = Settings(num=4, samples=64, subspace=6, outputs=(Output("image", 8),), jacobian="forward")
    shapes, drawn = shapes.generator, [0]
    hook = shapes.synthesis.register_forward_pre_hook(lambda module, given: drawn.append(len(given[0])))
    METHODS[method](shapes, settings)
    hook.remove()
    expected = METHODS[method].images(shapes, settings) + activeness_images(shapes, settings)
    assert expected / 2 < sum(drawn) < 2 * expected


@pytest.mark.parametrize("method", ["orojar-sgd", "hessian"])
def test_steps_are_counted_by_their_points(method: str, shapes) -> None:
    shapes, found = shapes.generator, METHODS[method]
    settings = Settings(options={"steps": 5, "batch": 3})
    assert found.images(shapes, settings) == 3 * 5 * 3 * {"orojar-sgd": 3, "hessian": 5}[method]
    assert found.count(settings) == 5
    assert found.count(found.with_count(settings, 7)) == 7 and found.with_count(settings, 7).options["batch"] == 3


def test_a_point_takes_as_long_as_its_part_of_a_batch(shapes, monkeypatch) -> None:
    shapes, now = shapes.generator, [0.0]
    monkeypatch.setattr("orojar_cli.response.budget.time.perf_counter", lambda: now[0])
    whole = shapes.synthesis.forward

    def slow(*arguments: object, **words: object) -> torch.Tensor:
        now[0] += 0.1 if len(now) > 1 else 0.3  # the first batch finds its memory
        now.append(0)
        return whole(*arguments, **words)

    monkeypatch.setattr(shapes.synthesis, "forward", slow)
    assert seconds_each(shapes, (Output(),), Settings().latents(shapes, 4)) == pytest.approx(0.1 / 4)
