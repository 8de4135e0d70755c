"""What was trained in float16 drawn in it: at most a level off, nothing overflows, and nothing that is measured changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import REFERENCES
from PIL import Image
from pretended import available, pretended

import orojar_cli
from orojar_cli.errors import OptionError
from orojar_cli.generators.stopped import stopped
from orojar_cli.latents.points import seed_latents
from orojar_cli.pictures.walk import Renderer
from orojar_cli.response.jacobian import Response, gram_matrices

TRAINED = REFERENCES / "sg2_cond_fp16_64.pkl"
# The last are trained networks; of all but the first and StyleGAN-XL's it is only pretended that they were trained so.
NAMES = (
    "sg2_cond_fp16_64.pkl",
    "stylegan_xl_16.pkl",
    "sg2_from_sg3_repo_16.pkl",
    "sg2_resnet_gray_16.pkl",
    "sg3_t_32.pkl",
    "sg3_r_32.pkl",
    "shapes32_first.pkl",
)


def half_trained(name: str):
    """A reference's generator whose configuration says that its four highest resolutions were trained in float16."""
    generator = orojar_cli.load_checkpoint(REFERENCES / name).generator
    config = replace(generator.config, synthesis=replace(generator.config.synthesis, num_fp16_res=4))
    network = type(generator)(config).requires_grad_(False)
    network.load_state_dict(generator.state_dict())
    return network


def points(generator, count: int = 4) -> torch.Tensor:
    at = seed_latents(generator, range(count), 0 if generator.c_dim else None)
    return generator.mapping(at.z, at.label)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_a_level_off_at_most(name: str) -> None:
    generator = half_trained(name)
    ws = points(generator)
    exact, drawn = generator.synthesis(ws), generator.synthesis(ws, fp16=True)
    assert drawn.dtype == torch.float32
    assert 1e-5 < float((drawn - exact).norm() / exact.norm()) < 3e-3
    renderer = Renderer(generator)
    expected = renderer.images(ws).astype(int)
    generator.fp16 = True
    levels = np.abs(Renderer(generator).images(ws) - expected)
    assert levels.max() <= 1 and 0 < (levels > 0).mean() < 0.06


@torch.no_grad()
def test_the_highest_resolutions_are_in_float16_and_the_first_never() -> None:
    generator, seen = half_trained("sg2_cond_fp16_64.pkl"), {}
    for block in generator.synthesis.children():
        block.register_forward_hook(lambda block, _, result: seen.update({block.resolution: (result[0].dtype, result[1].dtype)}))
    generator.synthesis(points(generator), fp16=True)
    half = torch.float16
    assert [seen[size][0] for size in (4, 8, 16, 32, 64)] == [torch.float32, half, half, half, half]
    assert all(image == torch.float32 for _, image in seen.values())
    few = replace(generator.config.synthesis, num_fp16_res=2)
    assert [few.in_float16(size) for size in (4, 8, 16, 32, 64)] == [False, False, False, True, True]
    layers = half_trained("sg3_t_32.pkl").config.synthesis
    assert not any(replace(layers, num_fp16_res=0).in_float16(layer) for layer in layers.alias_free_layers())
    assert all(layers.in_float16(layer) == (layer.target.rate > 2) for layer in layers.alias_free_layers())


@torch.no_grad()
@pytest.mark.parametrize("reference", ["sg2_cond_fp16_64.pkl", "sg3_t_32.pkl"])
def test_nothing_overflows(reference: str) -> None:
    """Features at their clamp, weights and styles far beyond what float16 holds the products of, and channels of next to nothing."""
    generator = half_trained(reference)
    for name, weight in generator.named_parameters():
        if name.startswith("synthesis") and name.endswith(".weight") and weight.ndim == 4 and weight.shape[-1] > 1:
            weight *= 1000
            weight[0] = 0 if "sg2" in reference else 1e-6 * weight[0]
            weight[1] *= 1e-3
        if name.startswith("synthesis") and "affine" not in name and "torgb" not in name and name.endswith(".bias"):
            weight += 1000
    ws = 20 * points(generator)
    exact, drawn = generator.synthesis(ws), generator.synthesis(ws, fp16=True)
    assert bool(drawn.isfinite().all()) and float((drawn - exact).norm() / exact.norm()) < 0.01


def test_what_is_measured_is_in_float32() -> None:
    found = orojar_cli.load(TRAINED, "cpu")
    at, axes = seed_latents(found.generator, (0, 1), 0), torch.eye(found.generator.w_dim)[:3]
    exact = gram_matrices(Response(found.generator), at, axes)
    told: list[str] = []
    orojar_cli.draw_in_float16(found, told.append)
    assert found.generator.fp16 and told == ["float16 is slower than float32 on a processor; --fp16 is for GPUs"]
    assert torch.equal(gram_matrices(Response(found.generator), at, axes), exact)
    assert stopped(found.generator, 16).fp16 and Renderer(stopped(found.generator, 16)).images(points(found.generator)).shape == (
        4,
        16,
        16,
        3,
    )


def test_networks_that_were_not_trained_so_are_refused(orojar, shapes) -> None:
    code, _, err = orojar("sample", "demo", "--fp16", "--device", "cpu")
    assert code == 2 and err.splitlines()[-1].startswith("error: --fp16: shapes32.pkl does not say that any of it was trained in float16")
    with pytest.raises(OptionError, match="leave out --fp16"):
        orojar_cli.draw_in_float16(shapes)


def test_files_keep_what_was_trained_in_float16(tmp_path: Path) -> None:
    found = orojar_cli.load_checkpoint(TRAINED)
    assert found.generator.config.synthesis.num_fp16_res == 4
    for name in ("same.safetensors", "same.pkl"):
        orojar_cli.save_checkpoint(found, tmp_path / name)
        again = orojar_cli.load_checkpoint(tmp_path / name).generator.config
        assert again.synthesis.num_fp16_res == 4 and again == found.generator.config


@available
def test_commands_draw_in_float16(run, orojar, somewhere: Path) -> None:
    files = {"--seeds 0,1": "exact.png", "--seeds 0,1 --fp16": "half.png"}
    for options, file in files.items():
        run("sample", TRAINED, *options.split(), "--class", "1", "--out", file, "--device", "cpu")
    with pretended(float64=False):
        run("sample", TRAINED, "--seeds", "0,1", "--fp16", "--class", "1", "--out", "there.png", "--device", "pretend")
    exact, half, there = (np.asarray(Image.open(name)).astype(int) for name in ("exact.png", "half.png", "there.png"))
    # Numbers of this network, whose weights are random, reach six times what pictures show.
    assert 0 < np.abs(half - exact).max() <= 2 and np.abs(there - half).max() <= 2
    run("sefa", TRAINED, "--num", "2", "--seeds", "0", "--class", "1", "--device", "cpu")
    for command in (
        ("traverse", "--seeds", "0", "--steps", "2", "--out", "walk.png"),
        ("edit", "--seeds", "0", "--dim", "0:+1", "--out", "edited/"),
        ("mix", "--rows", "0", "--cols", "1", "--out", "mixed.png"),
        ("interpolate", "--seeds", "0,1", "--steps", "3", "--out", "between.png"),
    ):
        code, _, err = orojar(*command, "--class", "1", "--fp16", "--device", "cpu")
        assert code == 0 and "float16 is slower" in err, err
