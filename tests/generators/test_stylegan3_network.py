"""StyleGAN3 agrees with the reference outputs, is differentiable in every way used here, and refuses what it does not have."""

from __future__ import annotations

import pytest
import torch
from torch.func import jvp, vmap

from orojar_cli.errors import OptionError, UnsupportedCheckpointError
from orojar_cli.generators.stylegan3.alias_free import downsample, upsample
from orojar_cli.generators.stylegan3.config import AliasFreeConfig

NAMES = ("sg3_t_32", "sg3_r_32")


@pytest.fixture(scope="module", params=NAMES)
def pair(request, reference, expected):
    return reference(request.param).generator, expected(request.param)


def close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return float((found - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())


@torch.no_grad()
def test_outputs_are_those_of_the_original(pair) -> None:
    generator, wanted = pair
    ws = generator.mapping(wanted["z"], wanted.get("c"))
    truncated = generator.mapping(wanted["z"], wanted.get("c"), 0.6)
    assert close(ws, wanted["w"]) and close(truncated, wanted["w_trunc"])
    assert close(generator.synthesis(ws), wanted["img"]) and close(generator.synthesis(truncated), wanted["img_trunc"])
    assert close(generator(wanted["z"], wanted.get("c"), 0.6), wanted["img_trunc"])


@torch.no_grad()
def test_an_image_does_not_depend_on_its_neighbours_nor_on_the_noise_mode(pair) -> None:
    generator, wanted = pair
    together = generator.synthesis(wanted["w"])
    alone = torch.cat([generator.synthesis(w[None], "random") for w in wanted["w"]])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5 * float(together.abs().max()))


def test_forward_and_reverse_derivatives_agree_with_differences(pair) -> None:
    generator, wanted = pair
    ws = wanted["w"][:1].double()
    double = type(generator)(generator.config).double()
    double.load_state_dict(generator.state_dict())
    double.requires_grad_(False)
    tangent = torch.randn(ws.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    _, forward = jvp(double.synthesis, (ws,), (tangent,))
    step = 1e-8  # small, because the rectifiers have kinks everywhere
    difference = (double.synthesis(ws + step * tangent) - double.synthesis(ws - step * tangent)) / (2 * step)
    assert float((forward - difference).norm()) < 1e-4 * float(difference.norm())
    leaf = ws.clone().requires_grad_()
    probe = torch.randn(forward.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((double.synthesis(leaf) * probe).sum(), leaf)
    torch.testing.assert_close((gradient * tangent).sum(), (forward * probe).sum())


def test_many_tangents_under_vmap_are_the_tangents_one_by_one(pair) -> None:
    generator, wanted = pair
    ws = wanted["w"][:2]
    tangents = torch.randn(3, *ws.shape, generator=torch.Generator().manual_seed(2))

    def column(tangent: torch.Tensor) -> torch.Tensor:
        return jvp(generator.synthesis, (ws,), (tangent,))[1]

    together = vmap(column)(tangents)
    one_by_one = torch.stack([column(tangent) for tangent in tangents])
    torch.testing.assert_close(together, one_by_one, rtol=0, atol=1e-4 * float(one_by_one.abs().max()))


@torch.no_grad()
def test_features_come_from_the_last_layer_of_a_rate(pair) -> None:
    generator, wanted = pair
    features, image = generator.synthesis.run(wanted["w"], until=16)
    assert image is None and features.shape[-1] == 36
    features, image = generator.synthesis.run(wanted["w"])
    assert features.shape[-1] == 32 and torch.equal(image, generator.synthesis(wanted["w"], resolution=32))


@pytest.mark.parametrize(
    ("options", "words"), [({"resolution": 16}, "no image at resolution 16"), ({"noise_mode": "loud"}, "unknown noise mode 'loud'")]
)
def test_what_the_network_does_not_have_is_refused(pair, options, words) -> None:
    with pytest.raises(OptionError, match=words):
        pair[0].synthesis(pair[1]["w"], **options)
    with pytest.raises(OptionError, match="no layer of sampling rate 8; this network has 16, 32"):
        pair[0].synthesis.run(pair[1]["w"], until=8)


def test_the_published_layers_of_256_pixels() -> None:
    names = [layer.name for layer in AliasFreeConfig(512, 256, 3).layers()]
    assert names == [
        "input",
        *("L0_36_512", "L1_36_512", "L2_36_512", "L3_52_512", "L4_52_512", "L5_84_512", "L6_84_512"),
        *("L7_148_512", "L8_148_512", "L9_148_362", "L10_276_256", "L11_276_181", "L12_276_128", "L13_256_128", "L14_256_3"),
    ]


@pytest.mark.parametrize(
    "options", [{"num_critical": 14}, {"filter_size": 0}, {"lrelu_upsampling": 3}, {"first_cutoff": 1e-9}, {"margin_size": 1.5}]
)
def test_impossible_options_are_refused(options) -> None:
    with pytest.raises(UnsupportedCheckpointError, match="not supported: "):
        AliasFreeConfig(512, 256, 3, **options)


@pytest.mark.parametrize(("up", "taps", "padding"), [(2, 12, (11, 10)), (4, 24, (-2, -5)), (2, 5, (0, 7)), (1, 3, (2, -1))])
def test_upsampling_is_zero_insertion_padding_and_convolution(up, taps, padding) -> None:
    rng = torch.Generator().manual_seed(3)
    signal, kernel = torch.randn(9, generator=rng), torch.randn(taps, generator=rng)
    inserted = torch.zeros(9 * up)
    inserted[::up] = signal
    before, after = padding
    grid = torch.nn.functional.pad(inserted, (before, after))
    line = torch.stack([(grid[start : start + taps] * kernel.flip(0)).sum() for start in range(len(grid) - taps + 1)]) * up
    result = upsample(torch.outer(signal, signal)[None, None], kernel, up, padding)
    torch.testing.assert_close(result[0, 0], torch.outer(line, line), rtol=1e-4, atol=1e-4)


def test_a_radial_filter_that_is_separable_gives_the_separable_result() -> None:
    rng = torch.Generator().manual_seed(4)
    x, taps = torch.randn(1, 2, 20, 20, generator=rng), torch.randn(6, generator=rng)
    torch.testing.assert_close(downsample(x, torch.outer(taps, taps), 2), downsample(x, taps, 2), rtol=1e-4, atol=1e-4)
