"""The enlarged network draws what the small one draws, upsampled, and is a file like any other."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import orojar_cli as orojar
from orojar_cli.checkpoint.emitter import write_pickle
from orojar_cli.directions.sefa import style_factors, style_weights
from orojar_cli.generators.primitives import upsample_2x

BENCHMARK = Path(__file__).parents[2] / "examples" / "benchmark"
DIMS = 96


@pytest.fixture
def structured(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARK))
    return __import__("structured")


def unit_normal(count: int, dims: int, seed: int) -> Tensor:
    z = torch.randn(count, dims, generator=torch.Generator().manual_seed(seed))
    return z / z.square().mean(1, keepdim=True).sqrt()


def test_an_enlarged_network_draws_the_small_ones_images(structured, shapes, tmp_path: Path) -> None:
    small = shapes.generator
    large = structured.enlarged(small, 64, DIMS, channel_base=2560, channel_max=40)
    assert large.image_shape == (3, 64, 64) and large.z_dim == large.w_dim == DIMS
    assert large.config.synthesis.channels(32) == large.config.synthesis.channels(64) == 40
    z = unit_normal(3, small.z_dim, 0)
    wide = torch.cat([z, unit_normal(3, DIMS - small.z_dim, 1)], 1) @ structured.rotation(DIMS).T
    expected, found = small(z), large(wide)
    torch.testing.assert_close(found, upsample_2x(expected, small.synthesis.b4.resample_filter), atol=1e-4, rtol=0)
    # The filter spreads a pixel over its neighbours, so edges are softer than before.
    difference = F.avg_pool2d(found, 2) - expected
    assert float(difference.square().mean().sqrt()) < 0.1 * float(expected.std())
    torch.testing.assert_close(large.synthesis(large.mapping(wide), resolution=32), expected, atol=1e-4, rtol=0)
    # What was added to z and w moves no pixel.
    other = torch.cat([z, unit_normal(3, DIMS - small.z_dim, 2)], 1) @ structured.rotation(DIMS).T
    torch.testing.assert_close(large(other), found, atol=1e-4, rtol=0)
    w = large.mapping.w(torch.randn(2000, DIMS, generator=torch.Generator().manual_seed(3)))
    deviations = w.std(0)
    assert float(deviations[small.w_dim :].min()) > 0
    assert float(deviations[small.w_dim :].mean()) == pytest.approx(0.1 * float(deviations[: small.w_dim].mean()), rel=0.05)
    assert float((large.mapping.w_avg - w.mean(0)).abs().max()) < 0.3 * float(deviations.max())

    write_pickle(SimpleNamespace(generator=large, critic=None), tmp_path / "large.pkl")
    read = orojar.load(tmp_path / "large.pkl").generator
    assert torch.equal(read(wide), large(wide))


def test_style_weights_keep_their_factors(structured, shapes) -> None:
    large = structured.enlarged(shapes.generator, 32, DIMS, channel_base=2048, channel_max=64)
    entries = range(shapes.generator.num_ws)
    found, values = style_factors(style_weights(large, entries))
    expected, known = style_factors(style_weights(shapes.generator, entries))
    torch.testing.assert_close(values[:10], known[:10] * 2**0.5, rtol=1e-4, atol=0)
    assert float((found[:10, : shapes.generator.w_dim] * expected[:10]).sum(1).abs().min()) > 0.999


@pytest.mark.parametrize(("resolution", "dims", "base"), [(16, 96, 4096), (64, 48, 4096), (64, 96, 512)])
def test_a_network_that_does_not_fit_is_refused(structured, shapes, resolution: int, dims: int, base: int) -> None:
    with pytest.raises(ValueError, match="than the enlarged one"):
        structured.enlarged(shapes.generator, resolution, dims, channel_base=base)
