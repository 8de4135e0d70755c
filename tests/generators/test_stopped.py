from __future__ import annotations

import torch

from orojar_cli.generators.stopped import stopped, whole_of
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.spaces import style_affine
from orojar_cli.response.jacobian import Response
from orojar_cli.response.outputs import Output, computed_layers


def test_its_images_are_those_accumulated_by_then(shapes) -> None:
    generator = shapes.generator
    view = stopped(generator, 16)
    at = seed_latents(generator, [0, 1])
    ws = generator.mapping(at.z)
    assert torch.equal(view(at.z), generator.synthesis(ws, resolution=16))
    assert torch.equal(view.synthesis(ws, "const", 8), generator.synthesis(ws, resolution=8))
    assert view.image_shape == (3, 16, 16) and view.config.image_shape == (3, 16, 16) and view.img_resolution == 16
    step = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Response(view)(at, step)[0], Response(generator, outputs=(Output("early", 16),))(at, step)[0])


def test_it_shares_everything_and_changes_nothing(shapes) -> None:
    generator = shapes.generator
    before = list(generator.state_dict())
    view = stopped(generator, 16)
    assert whole_of(view) is generator and whole_of(generator) is generator
    assert view.mapping is generator.mapping and view.sha256 == generator.sha256
    assert list(generator.state_dict()) == list(view.state_dict()) == before and generator.image_shape == (3, 32, 32)
    assert torch.equal(style_affine(view, (0,)), style_affine(generator, (0,)))


def test_it_costs_what_it_computes(shapes) -> None:
    view = stopped(shapes.generator, 16)
    assert computed_layers(view, (Output(),)) == computed_layers(shapes.generator, (Output("early", 16),))
    assert len(computed_layers(view, (Output(),))) < len(shapes.generator.config.costs())
