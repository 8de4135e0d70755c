"""With dimensions kept a scene's points go ways of their own, the same in films, grids, planes and edits."""

from __future__ import annotations

import pytest
import torch

from orojar_cli.directions import DirectionSet
from orojar_cli.directions.kept import kept_path
from orojar_cli.errors import OptionError
from orojar_cli.pictures.film import film_frames
from orojar_cli.pictures.loop import Loop
from orojar_cli.pictures.scene import Scene, Still, Subject, Walk
from orojar_cli.pictures.still import draw_still
from orojar_cli.pictures.ways import Ways


@pytest.fixture
def subject(shapes) -> Subject:
    basis = torch.linalg.qr(torch.randn(64, 4, generator=torch.Generator().manual_seed(0))).Q.T
    found = DirectionSet(basis, torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.ones(4), "made", "w", tuple(range(8)), shapes.sha256)
    return Subject(shapes.generator, found)


def ways(subject: Subject, scene: Scene, progress=None) -> Ways:
    return Ways(subject, scene, subject.points(scene), progress)


def test_walks_are_the_librarys_paths(subject: Subject) -> None:
    scene = Still(dimensions=(0, 2), keep=(1, 2), seeds=(3, 4), extent=1.0)
    found = ways(subject, scene)
    path, _ = kept_path(subject.generator, found.at, subject.directions, [(0, 1.0)], [1, 2])
    torch.testing.assert_close(found.walked(0, [-1.0, 0.4]), torch.stack([path(-1.0), path(0.4)]))
    # A dimension is not kept from itself.
    path, _ = kept_path(subject.generator, found.at, subject.directions, [(2, 1.0)], [1])
    torch.testing.assert_close(found.walked(2, [0.7]), path(0.7).unsqueeze(0))
    single = ways(subject, Still(dimensions=(2,), keep=(1,), seeds=(4,)))
    torch.testing.assert_close(single.walked(2, [0.7])[0, 0], path(0.7)[1], rtol=1e-3, atol=1e-4)


def test_edits_come_before_the_walk_and_films_reach_what_stills_show(subject: Subject) -> None:
    edits = ((0, 1.0), (1, -0.5))
    found = ways(subject, Walk(edits=edits, keep=(1,), seeds=(1, 2)))
    path, length = kept_path(subject.generator, found.at, subject.directions, edits, [1])
    start, half, end = found.edited([0.0, 0.5, 1.0])
    assert torch.equal(start, torch.zeros_like(start)) and length == 1
    torch.testing.assert_close(end, path(1.0))
    torch.testing.assert_close(half, path(0.5) - 0.5 * subject.directions.displacement(1, -0.5))
    both = ways(subject, Walk(dimensions=(3,), edits=edits, keep=(1,), seeds=(1, 2)))
    onwards, _ = kept_path(subject.generator, found.at, subject.directions, [(3, 1.0)], [1], start=end)
    torch.testing.assert_close(both.walked(3, [0.0, 0.3]), torch.stack([end, onwards(0.3)]))


def test_a_plane_goes_up_first_and_then_to_the_side(subject: Subject) -> None:
    scene = Still(dimensions=(0,), by=3, keep=(1,), seeds=(1,), extent=0.5, steps=3)
    found = ways(subject, scene)
    steps = found.plane(0, 3, [-0.5, 0.0, 0.5])
    up, _ = kept_path(subject.generator, found.at, subject.directions, [(3, 1.0)], [1])
    side, _ = kept_path(subject.generator, found.at, subject.directions, [(0, 1.0)], [1], start=up(0.5))
    torch.testing.assert_close(steps[:3], torch.stack([side(-0.5), up(0.5), side(0.5)]))
    torch.testing.assert_close(steps[4], torch.zeros(1, 64))


@pytest.mark.parametrize("keep", [(), (1,)])
def test_strengths_in_the_latents_unit_and_centered_points(subject: Subject, keep: tuple[int, ...]) -> None:
    in_sigmas = ways(subject, Still(dimensions=(2,), edits=((0, 0.5),), keep=keep, seeds=(1,)))
    in_units = ways(subject, Still(dimensions=(2,), edits=((0, 0.5),), keep=keep, seeds=(1,), unit="latent"))
    torch.testing.assert_close(in_units.walked(2, [1.5]), in_sigmas.walked(2, [0.5]), rtol=1e-4, atol=1e-5)
    centered = ways(subject, Still(dimensions=(2,), keep=keep, seeds=(1, 2), center=True))
    offset = subject.offset(centered.scene, centered.at, 2)
    assert offset is not None and float(offset.abs().max()) > 0.01
    torch.testing.assert_close(centered.walked(2, [0.0])[0], offset)


def test_progress_counts_all_places(subject: Subject) -> None:
    for scene, calls in (
        (Still(dimensions=(0, 2), edits=((3, 0.5),), keep=(1,), seeds=(1, 2), extent=0.6, steps=3), 2 + 2 * 6),
        (Still(dimensions=(0,), by=3, keep=(1,), seeds=(1,), extent=0.25, steps=3), 2 + 3 * 2),
        (Walk(edits=((0, 0.75), (1, 2.0)), keep=(1,), seeds=(1,), frames=3), 3),
    ):
        told = []
        count = len(scene.seeds)

        def report(stage: str, done: int, total: int, told: list = told) -> None:
            if stage == "keeping":
                told.append((done, total))

        if isinstance(scene, Still):
            draw_still(subject, scene, report)
        else:
            list(film_frames(subject, scene, report))
        assert told == [(count * number, count * calls) for number in range(1, calls + 1)]


def test_what_cannot_be_kept_is_refused(subject: Subject) -> None:
    for scene, told in (
        (Still(dimensions=(1,), keep=(1,)), "--keep 1: all that moves would be kept"),
        (Still(edits=((1, 1.0), (2, 1.0)), keep=(2, 1)), "--keep 2,1: all that moves"),
        (Still(dimensions=(0,), keep=(9,)), "no dimension 9"),
    ):
        with pytest.raises(OptionError, match=told):
            subject.points(scene)
    subject.points(Still(dimensions=(0,), by=1, keep=(1,)))
    with pytest.raises(OptionError, match="--keep is of walks and edits"):
        Loop(keep=(1,))
    with pytest.raises(OptionError, match="at most 20 sigmas"):
        draw_still(subject, Still(dimensions=(0,), keep=(1,), extent=21.0, seeds=(0,)))
