"""Where points are along a set: a step of its own moves a coordinate by what was stepped, and no other."""

from __future__ import annotations

import pytest
import torch
from toys import linear

from orojar_cli.demonstration import demonstration
from orojar_cli.directions import METHODS, DirectionSet, Settings, load_directions
from orojar_cli.directions.coordinates import Coordinates
from orojar_cli.errors import OptionError
from orojar_cli.latents.points import Latents, seed_latents
from orojar_cli.latents.projected import ProjectedLatents
from orojar_cli.measures.shapes_factors import measure_factors


def some(generator, space: str, whiten: bool = True) -> DirectionSet:
    return METHODS["random"](generator, Settings(space=space, whiten=whiten, num=4, samples=8))


def coordinates(generator, directions: DirectionSet) -> Coordinates:
    return Coordinates.of(generator, directions)


@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("space", ["w", "w+"])
def test_a_step_moves_its_own_coordinate_alone(space: str, whiten: bool, tiny, rough: None) -> None:
    generator = tiny.generator
    directions = some(generator, space, whiten)
    of, at = coordinates(generator, directions), seed_latents(generator, range(5))
    moved = of(ProjectedLatents(directions.apply(generator, at, 2, 1.5))) - of(at)
    torch.testing.assert_close(moved, torch.tensor([[0.0, 0, 1.5, 0]]).double().expand(5, -1), rtol=0, atol=2e-3)


def test_a_step_in_z_does_so_too(tiny, rough: None) -> None:
    directions = some(tiny.generator, "z")
    of, at = coordinates(tiny.generator, directions), seed_latents(tiny.generator, range(5))
    moved = of(Latents(at.z + directions.displacement(1, -2.0))) - of(at)
    torch.testing.assert_close(moved, torch.tensor([[0.0, -2, 0, 0]]).double().expand(5, -1), rtol=0, atol=1e-5)
    with pytest.raises(OptionError, match="has no z"):
        of(ProjectedLatents(tiny.generator.mapping(at.z)))


@pytest.mark.parametrize("space", ["w", "p", "w+", "s"])
def test_seeds_and_their_ws_have_the_same_coordinates(space: str, tiny, rough: None) -> None:
    of, at = coordinates(tiny.generator, some(tiny.generator, space)), seed_latents(tiny.generator, range(50))
    torch.testing.assert_close(of(ProjectedLatents(tiny.generator.mapping(at.z))), of(at), rtol=0, atol=1e-4)
    assert of(at).std(0).max() < 2 and of(at).abs().mean() > 0.2


@pytest.mark.parametrize("whiten", [True, False])
def test_they_are_sigmas_of_the_latents_whatever_the_units(whiten: bool) -> None:
    """z = w with other lengths along its axes: the coordinates along these are z's own."""
    scale = torch.tensor([5.0, 1.0, 0.1])
    generator = linear(torch.eye(9, 3))
    generator.mapping.w = lambda z, label=None: z * scale
    directions = DirectionSet(torch.eye(3), scale, torch.ones(3), "own", "w", (0,), "", options={"whiten": whiten})
    z = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    found = coordinates(generator, directions)(ProjectedLatents((z * scale).unsqueeze(1)))
    torch.testing.assert_close(found.float(), z, rtol=0, atol=0.1)


def test_one_of_an_unwhitened_set_is_what_is_along_it(shapes) -> None:
    """Axes along which w hardly varies say nothing of a direction of the bundled set, which is not whitened."""
    directions = load_directions(demonstration()[1])
    at = seed_latents(shapes.generator, range(300))
    found = coordinates(shapes.generator, directions)(at)
    assert found.std(0).tolist() == pytest.approx([1.0] * len(directions), abs=0.12)
    with torch.no_grad():
        ground = measure_factors(shapes.generator(at.z))[:, 4]
    assert abs(float(torch.corrcoef(torch.stack([found[:, 0].float(), ground]))[0, 1])) > 0.9
