"""Random noise belongs to the seed of an image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from paths import REFERENCES

import orojar_cli
from orojar_cli.errors import OptionError
from orojar_cli.generators.noise import layer_noise, noise_seeds
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.projected import ProjectedLatents
from orojar_cli.media import to_uint8
from orojar_cli.pictures.walk import Renderer


def test_numbers_are_those_of_the_seed_and_the_layer() -> None:
    like = torch.zeros((), dtype=torch.float64)
    drawn = layer_noise([7, 3, 7, 8], "b64.conv0", (64, 48), like)
    assert drawn.shape == (4, 1, 64, 48) and drawn.dtype == torch.float64
    assert torch.equal(drawn[0], drawn[2]) and torch.equal(drawn[1:2], layer_noise([3], "b64.conv0", (64, 48), like))
    others = torch.cat([drawn[[0, 1, 3]], layer_noise([7, 3, 8], "b64.conv1", (64, 48), like)]).flatten(1)
    count = others.shape[1]
    assert float((others @ others.T / count - torch.eye(6)).abs().max()) < 5 / count**0.5 and float(others.mean().abs()) < 3 / count**0.5


def test_seeds_from_a_generator_do_not_depend_on_the_batch() -> None:
    torch.manual_seed(5)
    together = noise_seeds(None, 6)
    torch.manual_seed(5)
    assert noise_seeds(None, 1) + noise_seeds(None, 3) + noise_seeds(None, 2) == together and len(set(together)) == 6
    rng = torch.Generator().manual_seed(5)
    assert noise_seeds(rng, 6) == together and noise_seeds([4, 2**40], 2) == [4, 2**40]
    with pytest.raises(OptionError, match="2 noise seeds for 3 images"):
        noise_seeds([1, 2], 3)


@torch.no_grad()
def test_a_networks_random_images_do_not_depend_on_the_batch(shapes) -> None:
    generator = shapes.generator
    generator.synthesis.b32.conv1.noise_strength.fill_(0.5)
    z = torch.randn(4, generator.z_dim)
    torch.manual_seed(1)
    together = generator(z, noise_mode="random")
    torch.manual_seed(1)
    apart = torch.cat([generator(part, noise_mode="random") for part in (z[:1], z[1:])])
    torch.testing.assert_close(apart, together, rtol=0, atol=1e-5)
    assert float((generator(z, noise_mode="random") - together).abs().max()) > 0.1
    named = generator(z, noise_mode="random", rng=[9, 8, 7, 9])
    torch.testing.assert_close(generator(z[[2, 0]], noise_mode="random", rng=[7, 9]), named[[2, 0]], rtol=0, atol=1e-5)


def test_a_seeds_picture_is_the_same_whatever_is_drawn_beside_it(shapes) -> None:
    shapes.generator.synthesis.b32.conv1.noise_strength.data.fill_(0.5)
    many = orojar_cli.sample(shapes, [4, 0, 9, 2], noise_mode="random").images.astype(int)
    alone = orojar_cli.sample(shapes, [9], noise_mode="random").images
    assert np.abs(many[2:3] - alone).max() <= 1
    at = seed_latents(shapes.generator, [4, 0, 9, 2])
    one_by_one = Renderer(shapes.generator, "random", budget=1).images(shapes.generator.mapping(at.z), seeds=at.seeds)
    assert np.abs(many - one_by_one).max() <= 1
    assert np.abs(many - orojar_cli.sample(shapes, [4, 0, 9, 2]).images).max() > 30
    found = orojar_cli.sefa(shapes, num=2, seeds=[0])
    still = found.directions.images(shapes.generator, at[2:3], 0, 0.0, noise_mode="random")
    assert np.abs(to_uint8(still).astype(int) - alone).max() <= 1


def test_points_keep_their_seeds(shapes) -> None:
    at = seed_latents(shapes.generator, [4, 0, 9])
    assert at[1:].seeds == (0, 9) and at[torch.tensor([2, 0])].seeds == (9, 4) and at[torch.tensor([True, False, True])].seeds == (4, 9)
    assert at.repeat(2).seeds == (4, 0, 9, 4, 0, 9) and at.repeat_interleave(2).seeds == (4, 4, 0, 0, 9, 9)
    assert ProjectedLatents(torch.zeros(3, 2, 2), (0, 1, 2))[1:2].seeds == (1,) and ProjectedLatents(torch.zeros(3, 2, 2))[1:].seeds is None


@pytest.mark.parametrize("path", sorted(REFERENCES.glob("*.p*k*l")) + sorted(REFERENCES.glob("*.pt*")), ids=lambda path: path.stem)
def test_networks_say_whether_noise_does_anything(path) -> None:
    checkpoint, told = orojar_cli.load_checkpoint(path), []
    generator = checkpoint.generator
    for name, tensor in generator.named_parameters():
        if name.endswith("noise_strength"):
            tensor.data.fill_(0.5)
    label = torch.eye(generator.c_dim)[:1] if generator.c_dim else None
    z = torch.randn(1, generator.z_dim)
    with torch.no_grad():
        changes = not torch.equal(generator(z, label, noise_mode="random"), generator(z, label, noise_mode="none"))
    orojar_cli.sample(checkpoint, [0], class_index=0 if generator.c_dim else None, noise_mode="random", notice=told.append)
    assert told == ([] if changes else [f"{path.name} ({generator.config.family}) draws without noise: --noise-mode random does nothing"])
    orojar_cli.sample(checkpoint, [0], class_index=0 if generator.c_dim else None, notice=told.append)
    assert len(told) == (0 if changes else 1)
