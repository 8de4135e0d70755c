"""The style space s: displacements behind the affine of the modulated layers."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from orojar_cli import load_checkpoint
from orojar_cli.directions import METHODS, DirectionSet, Settings, load_directions, save_directions
from orojar_cli.errors import DirectionSetError, OptionError
from orojar_cli.latents.points import Latents, seed_latents
from orojar_cli.latents.spaces import space_dim, style_affine, style_offsets, styled_layers
from orojar_cli.pictures.walk import Renderer, walk
from orojar_cli.response.jacobian import Response, jacobian_columns
from orojar_cli.response.outputs import Output

# ws entry 2 drives b8.conv1 and b8's neighbour b8.torgb belongs to entry 3, as b16.conv0 does.
LAYERS = (2, 3)
NAMES = ["b8.conv1", "b8.torgb", "b16.conv0"]


def test_s_has_the_inputs_of_every_layer_the_entries_drive(shapes) -> None:
    assert [layer.name for layer in styled_layers(shapes.generator, LAYERS)] == NAMES
    assert space_dim(shapes.generator, "s", LAYERS) == 96
    assert space_dim(shapes.generator, "s", range(8)) == 32 * 11
    displacement = torch.arange(192.0).reshape(2, 96)
    offsets = style_offsets(shapes.generator, displacement, "s", LAYERS)
    assert offsets is not None and list(offsets) == NAMES
    assert torch.equal(torch.cat(list(offsets.values()), 1), displacement)
    assert style_offsets(shapes.generator, displacement, "w", LAYERS) is None


def test_a_displacement_is_a_shift_of_the_affine_biases(shapes) -> None:
    at = seed_latents(shapes.generator, [3, 4], psi=0.7)
    step = torch.randn(96, generator=torch.Generator().manual_seed(0))
    (moved,) = Response(shapes.generator, "s", LAYERS)(at, step.expand(2, -1))
    shifted = copy.deepcopy(shapes.generator)
    with torch.no_grad():
        for name, part in zip(NAMES, step.split(32), strict=True):
            shifted.synthesis.get_submodule(name).affine.bias += part
    expected = shifted.synthesis(shifted.mapping(at.z, psi=0.7)).flatten(1)
    assert torch.allclose(moved, expected, atol=1e-5)
    assert not torch.allclose(moved, shapes.generator(at.z, psi=0.7).flatten(1), atol=0.01)


@pytest.mark.parametrize("output", [Output("image", 8), Output("early", 16), Output("b", 16)])
def test_columns_agree_with_finite_differences_in_double_precision(shapes, output: Output) -> None:
    double = copy.deepcopy(shapes.generator).double()
    rng = torch.Generator().manual_seed(1)
    at = Latents(torch.randn(1, 64, dtype=torch.float64, generator=rng))
    tangents = torch.randn(3, 96, dtype=torch.float64, generator=rng)
    response = Response(double, "s", LAYERS, (output,))
    (columns,) = jacobian_columns(response, at, tangents)
    step = 1e-7  # so short that hardly a rectifier passes its kink
    for column, tangent in zip(columns, tangents, strict=True):
        ahead, behind = (response(at, sign * step * tangent[None])[0] for sign in (1, -1))
        assert torch.allclose(column, (ahead - behind) / (2 * step), atol=1e-4 * float(column.abs().max()))


@pytest.mark.slow
def test_directions_are_found_saved_and_walked(shapes, tmp_path: Path) -> None:
    settings = Settings(space="s", num=3, samples=8, layers=LAYERS, subspace=4, outputs=(Output("image", 8),))
    found = METHODS["orojar"](shapes.generator, settings)
    assert found.directions.shape == (3, 96) and bool((found.activeness > 0).all())
    save_directions(found, tmp_path / "s.safetensors")
    back = load_directions(tmp_path / "s.safetensors")
    assert back.space == "s" and back.layers == LAYERS and torch.equal(back.directions, found.directions)
    at, renderer = seed_latents(shapes.generator, [0, 5]), Renderer(shapes.generator)
    values = [-3.0, 0.0, 3.0]
    frames = list(walk(renderer, at, back, 0, values))
    assert np.array_equal(frames[1], renderer.images(shapes.generator.mapping(at.z)))
    assert float(np.abs(frames[0].astype(int) - frames[2]).mean()) > 1
    small = list(walk(Renderer(shapes.generator, budget=1), at, back, 0, values))
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(frames, small, strict=True)) <= 1
    with pytest.raises(OptionError, match="in s carry their own layers"):
        list(walk(renderer, at, back, 0, values, layers=(1,)))


@pytest.mark.parametrize("whiten", [True, False])
def test_one_sigma_is_a_standard_deviation_of_the_styles(shapes, whiten: bool) -> None:
    found = METHODS["random"](shapes.generator, Settings(space="s", num=3, layers=LAYERS, whiten=whiten))
    w = shapes.generator.mapping.w(Settings().latents(shapes.generator, 20_000, 79).z)
    styles = w @ style_affine(shapes.generator, LAYERS).T
    if whiten:
        standardised = found.directions * found.sigma[:, None] / styles.std(0)
        assert torch.allclose(standardised.norm(dim=1), torch.ones(3), atol=0.1)
    else:
        assert torch.allclose(found.sigma, (styles @ found.directions.T).std(0), rtol=0.05)


def test_a_set_at_other_layers_does_not_fit(shapes) -> None:
    wrong = DirectionSet(torch.eye(96)[:1], torch.ones(1), torch.ones(1), "test", "s", (0, 1, 2, 3), shapes.sha256)
    with pytest.raises(DirectionSetError, match="does not fit"):
        wrong.check_fits(shapes.generator, shapes.sha256)


def test_methods_of_other_spaces_and_other_families_refuse(shapes) -> None:
    for method in ("sefa", "ganspace"):
        with pytest.raises(OptionError, match=r"not (in|on) s"):
            METHODS[method](shapes.generator, Settings(space="s"))
    alias_free = load_checkpoint(Path(__file__).parents[1] / "references" / "sg3_t_32.pkl").generator
    with pytest.raises(OptionError, match="has no space s"):
        Response(alias_free, "s")(Latents(torch.zeros(1, alias_free.z_dim)), torch.zeros(1, 8))
    with pytest.raises(OptionError, match="has no space s"):
        METHODS["orojar"](alias_free, Settings(space="s"))
