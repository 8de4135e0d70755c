"""One thing without another: what is kept stays, along a path whose parts are computed once."""

from __future__ import annotations

import functools

import pytest
import torch
from toys import ToyGenerator, linear

from orojar_cli import load_checkpoint
from orojar_cli.directions import DirectionSet
from orojar_cli.directions import kept as module
from orojar_cli.directions.kept import KeptPath, kept_path
from orojar_cli.errors import NumericalError, OptionError
from orojar_cli.latents.points import Latents, seed_latents
from orojar_cli.latents.projected import ProjectedLatents
from orojar_cli.latents.spaces import space_dim, style_offsets
from orojar_cli.response.jacobian import Response
from orojar_cli.response.outputs import Output


def axes(dim: int, count: int | None = None, space: str = "w", layers: tuple[int, ...] = (0,), sha256: str = "") -> DirectionSet:
    count = count or dim
    return DirectionSet(torch.eye(dim)[:count], torch.ones(count), torch.ones(count), "axes", space, layers, sha256)


def bent(dim: int = 2, **fields) -> ToyGenerator:
    """The first axis also moves the second's pixel, the more the further it has gone: (u0, u1 + u0^2 / 2, 0, 0)."""
    generator = ToyGenerator(lambda u: torch.stack([u[:, 0], u[:, 1] + u[:, 0] ** 2 / 2, 0 * u[:, 0], 0 * u[:, 0]], 1), dim, 2)
    for name, value in fields.items():
        setattr(generator, name, value)
    return generator


@pytest.fixture
def exactly(monkeypatch) -> None:
    """The bare formula, in short steps."""
    monkeypatch.setattr(module, "RIDGE", 0.0)
    monkeypatch.setattr(module, "NODE", 1 / 64)


def test_of_a_linear_generator_the_step_is_the_formula(exactly) -> None:
    matrix = torch.randn(16, 5, generator=torch.Generator().manual_seed(1))
    gram = (matrix.T @ matrix).double()
    found, at = axes(5), Latents(torch.randn(3, 5, generator=torch.Generator().manual_seed(2)))
    kept = torch.eye(5, dtype=torch.float64)[:, [4, 2]]
    step = torch.eye(5, dtype=torch.float64)[0]
    expected = step - kept @ torch.linalg.solve(kept.T @ gram @ kept, kept.T @ gram @ step)
    path, _ = kept_path(linear(matrix), at, found, [(0, 1.0)], [4, 2])
    torch.testing.assert_close(path(1.5), (1.5 * expected).float().expand(3, -1), rtol=1e-4, atol=1e-5)
    moved = found.apply(linear(matrix), at, 0, 1.5, keep=[4, 2])[:, 0] - at.z
    assert float((moved @ gram.float())[:, [2, 4]].abs().max()) < 1e-3 < float(gram[0, [2, 4]].abs().max())


@pytest.mark.parametrize("strength", [2.0, -2.0])
@pytest.mark.parametrize("forward_mode", [True, False])
def test_what_is_kept_stays_all_along_a_bent_path(exactly, strength: float, forward_mode: bool) -> None:
    """Plainly the second pixel would change by 2; with the Gram matrix of the start alone it would, too."""
    generator, at = bent(forward_mode=forward_mode), Latents(torch.zeros(1, 2))
    assert float(axes(2).images(generator, at, 0, strength).flatten()[1]) == 2
    pictures = axes(2).images(generator, at, 0, strength, keep=[1]).flatten()
    torch.testing.assert_close(pictures[:2], torch.tensor([strength, 0.0]), atol=0.02, rtol=0)


def test_a_kept_dimension_that_does_nothing_is_left_alone() -> None:
    matrix = torch.randn(9, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 1.0, 1e-4])
    for dead in (matrix, matrix * torch.tensor([1.0, 1.0, 0.0])):
        path, _ = kept_path(linear(dead), Latents(torch.zeros(2, 3)), axes(3), [(0, 1.0)], [2])
        torch.testing.assert_close(path(2.0), torch.tensor([2.0, 0, 0]).expand(2, -1), atol=0.02, rtol=0)
    still = matrix * torch.tensor([0.0, 1.0, 1.0])
    assert torch.equal(kept_path(linear(still), Latents(torch.zeros(1, 3)), axes(3), [(0, 1.0)], [1])[0](1.0), torch.tensor([[1.0, 0, 0]]))


class Counted(ToyGenerator):
    """Counts the points it draws."""

    drawn = 0

    def synthesis(self, ws, *arguments, **options):
        self.drawn += len(ws)
        return super().synthesis(ws, *arguments, **options)


def test_a_place_is_computed_once_and_is_the_same_whatever_was_asked_before() -> None:
    generator = Counted(bent().function, 2, 2)
    generator.forward_mode = False
    at, strengths = Latents(torch.randn(3, 2, generator=torch.Generator().manual_seed(0))), (2.0, 0.5, -1.0, 0.6, -0.1, 2.0, 0.0)
    gone = []
    path, _ = kept_path(generator, at, axes(2), [(0, 1.0)], [1], advanced=gone.append)
    shared = [path(strength) for strength in strengths]
    # Two sigmas one way and one the other, in quarters; two tangents ahead and back, at three points each.
    assert gone == [3] * 12 and generator.drawn == 12 * 4 * 3
    fresh = [kept_path(generator, at, axes(2), [(0, 1.0)], [1])[0](strength) for strength in strengths]
    assert all(map(torch.equal, shared, fresh))
    torch.testing.assert_close(path(torch.tensor([0.6, 0.0, -1.0])), torch.stack([shared[3][0], shared[6][1], shared[2][2]]))
    assert torch.equal(shared[-1], torch.zeros(3, 2)) and not torch.equal(shared[0], 2 * torch.eye(2)[0].expand(3, -1))


def test_several_dimensions_and_what_the_kept_ones_are_moved_by() -> None:
    """Kept dimensions go first and as they are; the others share one path, whichever is named first."""
    generator, at = bent(3), Latents(torch.randn(2, 3, generator=torch.Generator().manual_seed(0)))
    path, length = kept_path(generator, at, axes(3), [(0, 3.0), (1, -1.0), (2, 4.0)], [1])
    assert length == 5 and torch.equal(path(0.0), torch.tensor([0.0, -1.0, 0.0]).expand(2, -1))
    again, _ = kept_path(generator, at, axes(3), [(2, 4.0), (1, -1.0), (0, 3.0)], [1])
    assert torch.equal(path(length), again(length))
    torch.testing.assert_close(path(length)[:, [0, 2]], torch.tensor([3.0, 4.0]).expand(2, -1))
    still, length = kept_path(generator, at, axes(3), [(1, -1.0)], [1], start=torch.ones(2, 3))
    assert length == 0 and torch.equal(still(length), torch.tensor([1.0, 0.0, 1.0]).expand(2, -1))


@pytest.mark.parametrize(("space", "layers"), [("z", None), ("w", None), ("w", (1, 2)), ("p", None), ("w+", (0, 3)), ("s", (0, 1, 2))])
def test_in_every_space_less_is_left_of_what_is_kept(shapes, space: str, layers: tuple[int, ...] | None) -> None:
    generator = shapes.generator
    layers = layers or tuple(range(generator.num_ws))
    dim = space_dim(generator, space, layers)
    basis = torch.linalg.qr(torch.randn(dim, 2, generator=torch.Generator().manual_seed(0))).Q.T
    found = DirectionSet(basis, torch.full((2,), 2.0), torch.ones(2), "two", space, layers, shapes.sha256)
    at = seed_latents(generator, range(4))
    path, _ = kept_path(generator, at, found, [(0, 1.0)], [1])
    assert path(1.0).shape == (4, dim)
    (grams,) = path._grams(torch.zeros(4, dim), path.kept)
    share = (grams[:, 0, 1] / grams[:, 1, 1]).float()
    beside = grams[:, 1, 1] / (grams[:, 1, 1] + module.RIDGE * grams[:, 0, 0])
    expected = found.displacement(0, 1.0) - (share * beside.float())[:, None] * found.displacement(1, 1.0)
    torch.testing.assert_close(path.velocity(torch.zeros(4, dim)), expected, rtol=1e-3, atol=1e-3)
    if space != "s":
        ws = generator.mapping(at.z)
        assert not torch.equal(found.apply(generator, at, 0, 1.0, keep=[1]), found.apply(generator, at, 0, 1.0))
        if space != "z":
            kept = found.apply(generator, ProjectedLatents(ws), 0, 1.0, keep=[1])
            torch.testing.assert_close(kept, found.apply(generator, at, 0, 1.0, keep=[1]), rtol=1e-3, atol=1e-3)
    else:
        plain, kept = (found.images(generator, at, 0, 1.0, keep=keep) for keep in ((), (1,)))
        assert float((plain - kept).abs().max()) > 1e-3
        assert style_offsets(generator, path(1.0), space, layers) is not None


def test_classes_and_networks_without_a_mapping(references) -> None:
    for name in ("sg2_cond_fp16_64.pkl", "biggan_pt_noshared_32.pth", "fb_dcgan_64.pt"):
        loaded = load_checkpoint(references / name)
        generator = loaded.generator
        free = generator.free_coordinates(0) if hasattr(generator, "free_coordinates") else range(generator.z_dim)
        chosen = torch.eye(generator.z_dim)[list(free)[:2]]
        found = DirectionSet(chosen, torch.ones(2), torch.ones(2), "axes", "z", tuple(range(generator.num_ws)), loaded.sha256)
        images = []
        for label in (0, 1) if generator.c_dim else (None,):
            at = seed_latents(generator, [0, 1], label)
            images.append(kept_path(generator, at, found, [(0, 1.0)], [1], output=Output("image", 8))[0](0.5))
            assert bool(torch.isfinite(images[-1]).all()) and float(images[-1][:, list(free)[1]].abs().max()) > 0
        assert len(images) == 1 or not torch.equal(*images)


def test_what_cannot_be_is_refused(shapes) -> None:
    generator, at = bent(), Latents(torch.zeros(1, 2))
    with pytest.raises(OptionError, match="no dimension 7"):
        axes(2).apply(generator, at, 0, 1.0, keep=[7])
    with pytest.raises(OptionError, match="strength 21: with other dimensions kept a path has at most 20 sigmas"):
        axes(2).apply(generator, at, 0, -21.0, keep=[1])
    with pytest.raises(OptionError, match="at most 20 sigmas"):
        kept_path(generator, at, axes(2), [(0, 1.0)], [1])[0](float("nan"))
    broken = ToyGenerator(lambda u: torch.log(torch.cat([u, u], 1)), 2, 2)
    with pytest.raises(NumericalError, match="not finite along the path"):
        axes(2).apply(broken, at, 0, 1.0, keep=[1])
    ws = shapes.generator.mapping(torch.zeros(1, 64) + 1)
    found = DirectionSet(torch.eye(64)[:2], torch.ones(2), torch.ones(2), "axes", "z", tuple(range(8)), shapes.sha256)
    with pytest.raises(OptionError, match="a projected w has no z"):
        kept_path(shapes.generator, ProjectedLatents(ws), found, [(0, 1.0)], [1])[0](1.0)


def test_memory_for_single_columns_gives_the_same(shapes) -> None:
    at, draw = seed_latents(shapes.generator, range(3)), functools.partial(torch.randn, generator=torch.Generator().manual_seed(0))
    response, step, kept = Response(shapes.generator), draw(64), draw(2, 64)
    ample, scarce = (KeptPath(response, at, step, kept, budget=budget) for budget in (1 << 30, 1))
    torch.testing.assert_close(ample(1.0), scarce(1.0), rtol=1e-3, atol=1e-4)
