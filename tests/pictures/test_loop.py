"""Films between images: they close, their stops are the images themselves, and no place is drawn twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toys import linear

from orojar_cli import load_checkpoint
from orojar_cli.directions import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.latents.points import one_hot, seed_latents
from orojar_cli.latents.projected import ProjectedLatents
from orojar_cli.latents.spaces import space_dim, style_offsets
from orojar_cli.media import to_uint8
from orojar_cli.pictures.loop import Journey, Loop, Material, draw_strip, image_count, journey_of, loop_frames
from orojar_cli.pictures.walk import Renderer

QUICK = {"leg": 1.0, "fps": 8.0, "size": 16, "seeds": (3, 17, 42)}


def bare(**values: Any) -> Loop:
    return Loop(**QUICK | values)


def frames(material: Material, **values: Any) -> np.ndarray:
    return np.stack(list(loop_frames(material, bare(**values)))).astype(int)


def images(generator: Any, ws: torch.Tensor, **further: Any) -> np.ndarray:
    with torch.no_grad():
        return to_uint8(generator.synthesis(ws, **further)).astype(int)


def along_the_film(film: np.ndarray) -> np.ndarray:
    """Mean change from each frame to the next, the last to the first."""
    return np.abs(np.roll(film, -1, 0) - film).mean((1, 2, 3))


@pytest.mark.parametrize("pace", ["ease", "flow", "even"])
@pytest.mark.parametrize("space", ["w", "z"])
@pytest.mark.parametrize("further", [{}, {"psi": 0.3, "psi_to": 1.0}, {"seeds": (3, 17), "hold": 0.5}], ids=["", "sweep", "hold"])
def test_the_step_from_the_last_frame_to_the_first_is_no_larger_than_the_others(tiny, pace: str, space: str, further: dict) -> None:
    if pace == "flow" and "hold" in further:
        further = {"seeds": (3, 17)}
    film = frames(Material(tiny.generator), pace=pace, space=space, **further)
    steps = along_the_film(film)
    assert steps.max() > 0 and steps[-1] <= steps[:-1].max()
    # A film cut short by a leg does not close: the measure would see it.
    assert along_the_film(film[:-7])[-1] > steps.max()


def test_the_way_of_a_linear_network_is_known() -> None:
    generator = linear(torch.eye(4))
    journey = Journey(Material(generator), bare(seeds=(0, 1)), [0.0, 0.25, 1.0, 1.25])
    z = seed_latents(generator, (0, 1)).z
    wanted = torch.stack([z[0], 0.75 * z[0] + 0.25 * z[1], z[1], 0.75 * z[1] + 0.25 * z[0]])
    assert torch.allclose(journey.ws(range(4))[:, 0, 0], wanted, atol=1e-6)


@pytest.mark.parametrize("space", ["w", "z"])
def test_the_stops_are_the_images_of_the_seeds(tiny, space: str) -> None:
    generator = tiny.generator
    film = frames(Material(generator), space=space, psi=0.7, cutoff=4)
    at = seed_latents(generator, (3, 17, 42), psi=0.7, cutoff=4)
    assert len(film) == 24
    assert np.abs(film[::8] - images(generator, generator.mapping(at.z, None, 0.7, 4))).max() <= 1


def test_truncation_goes_there_and_back_with_every_image_where_it_is(tiny) -> None:
    generator = tiny.generator
    film = frames(Material(generator), loops=3, psi=0.0, psi_to=1.0, columns=3)
    at = seed_latents(generator, (3, 17, 42))
    for number, psi in ((0, 0.0), (2, 0.5), (4, 1.0), (6, 0.5)):
        drawn = images(generator, generator.mapping(at.z, None, psi))
        shown = np.stack([film[number][:, start : start + 16] for start in (0, 18, 36)])
        assert np.abs(shown - drawn).max() <= 1
    assert film[0].shape == (16, 52, 3) and np.abs(film[0][:, :16] - film[0][:, 18:34]).max() == 0


def test_images_are_divided_among_loops_in_their_order(tiny) -> None:
    film = frames(Material(tiny.generator), seeds=(3, 17, 42, 5), loops=2)
    for number, seeds in ((0, (3, 42)), (8, (17, 5))):
        own = images(tiny.generator, tiny.generator.mapping(seed_latents(tiny.generator, seeds).z))
        assert np.abs(np.stack([film[number][:, :16], film[number][:, 18:]]) - own).max() <= 1
    with pytest.raises(OptionError, match="3 images cannot be divided among 2 loops"):
        frames(Material(tiny.generator), loops=2)


@pytest.mark.parametrize("space", ["w", "z"])
def test_one_seed_goes_through_classes(conditional, space: str) -> None:
    generator = conditional.generator
    material, loop = Material(generator), bare(seeds=(5,), classes=(0, 1, {0: 0.5, 1: 0.5}), space=space, psi=0.5)
    assert material.names(loop) == ["class 0", "class 1", "class 0:0.5,1:0.5"]
    journey = journey_of(material, loop)
    z = seed_latents(generator, (5,), 0).z
    for number, choice in ((0, 0), (8, 1), (16, {0: 0.5, 1: 0.5})):
        wanted = generator.mapping(z, one_hot(generator, choice, 1), 0.5)
        assert torch.allclose(journey.ws([number])[0], wanted, atol=1e-5)
    halfway = (generator.mapping(z, one_hot(generator, 0, 1), 0.5) + generator.mapping(z, one_hot(generator, 1, 1), 0.5)) / 2
    assert torch.allclose(journey.ws([4])[0], halfway, atol=1e-5)
    with pytest.raises(OptionError, match="2 classes for 3 seeds"):
        journey_of(material, bare(classes=(0, 1)))


@pytest.mark.parametrize("space", ["z", "w", "w+", "p", "s"])
def test_edits_are_applied_throughout(tiny, space: str) -> None:
    generator, layers = tiny.generator, tuple(range(6))
    rows = torch.linalg.qr(torch.randn(space_dim(generator, space, layers), 2, generator=torch.Generator().manual_seed(0))).Q.T.contiguous()
    found = DirectionSet(rows, torch.tensor([0.5, 2.0]), torch.ones(2), "made", space, layers, generator.sha256)
    at = seed_latents(generator, (3, 17))
    for unit, sigma in (("sigma", 2.0), ("latent", 1.0)):
        film = frames(Material(generator, found), seeds=(3, 17), edits=((1, 1.5),), unit=unit)
        step = (1.5 * sigma * rows[1]).expand(2, -1)
        if space == "s":
            wanted = images(generator, generator.mapping(at.z), style_offsets=style_offsets(generator, step, "s", layers))
        else:
            found_ws = found.apply(generator, at, 1, 1.5 * sigma / 2.0)
            wanted = images(generator, found_ws)
        assert np.abs(film[::8] - wanted).max() <= 1


def test_photographs_are_passed_too(tiny) -> None:
    generator = tiny.generator
    ws = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0))
    film = frames(Material(generator, projected=ws))
    assert np.abs(film[::8] - images(generator, ProjectedLatents(ws).ws)).max() <= 1
    for values, words in (({"space": "z"}, "no z"), ({"psi_to": 0.5}, "leave out --trunc")):
        with pytest.raises(OptionError, match=words):
            frames(Material(generator, projected=ws), **values)


def test_photographs_of_a_network_without_mapping_go_through_its_z(references: Path) -> None:
    generator = load_checkpoint(references / "biggan_pt_noshared_32.pth").generator
    at = seed_latents(generator, (3, 17), 1)
    ws = generator.mapping(at.z, at.label)
    own = journey_of(Material(generator), bare(seeds=(3, 17), class_index=1, space="z"))
    found = journey_of(Material(generator, projected=ws), bare(space="z"))
    for number in (0, 3, 8, 11):
        assert torch.allclose(found.ws([number]), own.ws([number]), atol=1e-5)


def test_the_same_place_is_drawn_once(tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    original = Renderer.images

    def counted(self: Renderer, ws: torch.Tensor, *arguments: Any) -> np.ndarray:
        drawn.append(len(ws))
        return original(self, ws, *arguments)

    monkeypatch.setattr(Renderer, "images", counted)
    for values, count in (
        ({"seeds": (3, 17)}, 9),  # there and back
        ({"seeds": (3, 17), "space": "z"}, 9),
        ({"seeds": (3, 17), "pace": "flow"}, 9),
        ({"hold": 1.0}, 24),
        ({"loops": 3, "psi": 0.0, "psi_to": 1.0}, 15),
    ):
        drawn.clear()
        material = Material(tiny.generator)
        film = frames(material, **values)
        assert sum(drawn) == count == image_count(journey_of(material, bare(**values))), values
        assert len(film) == 8 * (6 if "hold" in values else 2 if "seeds" in values else 1)


def test_random_noise_does_not_flicker(noisy) -> None:
    """An image that holds is one picture, and one that travels keeps its noise."""
    material = Material(noisy)
    film = frames(material, seeds=(3, 17), noise_mode="random", hold=1.0)
    assert np.abs(film[0] - film[7]).max() == 0
    still = images(noisy, noisy.mapping(seed_latents(noisy, (17,)).z), noise_mode="random", rng=[3])
    assert np.abs(film[16] - still[0]).max() <= 1


@pytest.fixture
def noisy(tiny):
    generator = tiny.generator
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.5)
    return generator


def test_films_are_as_large_as_is_shared_and_single_frames_as_the_network_draws(tiny) -> None:
    material = Material(tiny.generator, name="tiny")
    film = list(loop_frames(material, bare(size=None), full_size=True))
    assert film[0].shape == (128, 128, 3)
    captioned = list(loop_frames(material, bare(caption=True, psi=0.0, psi_to=1.0)))
    assert captioned[0].shape[0] == 16 + 30 + 22 and len(captioned) == 24
    assert bare(psi_to=0.5).caption is False


def test_the_still_shows_the_way(tiny) -> None:
    material = Material(tiny.generator, name="tiny")
    assert draw_strip(material, bare()).width > 12 * 16
    calls: list[tuple[str, int, int]] = []
    draw_strip(material, bare(loops=3, psi=0.0, psi_to=1.0, steps=5), lambda *call: calls.append(call))
    assert calls[-1] == ("rendering", 5, 5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"seeds": (3,)}, "one image goes nowhere"),
        ({"loops": 3}, "one image goes nowhere"),
        ({"pace": "fast"}, "--pace 'fast' is none of ease, flow, even"),
        ({"pace": "flow", "hold": 1.0}, "leave out --hold"),
        ({"leg": 3000.0}, "too long"),
        ({"leg": 0.0}, "--seconds 0.0 is not a number"),
        ({"size": 4096, "seeds": tuple(range(40)), "loops": 20}, "too many for a frame"),
        ({"classes": (0, 1, 2)}, "not conditional"),
        ({"classes": ("x",)}, "neither a class nor a mixture"),
        ({"psi_to": float("nan")}, "--trunc nan"),
    ],
)
def test_loops_that_cannot_be(tiny, values: dict, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        next(loop_frames(Material(tiny.generator), bare(**values)))
