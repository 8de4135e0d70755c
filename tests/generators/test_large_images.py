"""Large images have weights of their own where nothing is differentiated: the numbers are those of the shared weight."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.func import functional_call, jvp, vmap

from orojar_cli.bench.networks import stylegan2
from orojar_cli.generators.primitives import modulated_convolution, one_weight_pays, tap_energies


@pytest.fixture(scope="module")
def network():
    made = stylegan2(128, channel_base=1024)
    for block in (made.synthesis.b64, made.synthesis.b128):
        block.conv0.noise_strength.fill_(0.3)
    return made


def drawn(network, ws: torch.Tensor, grad: bool, **options: object) -> torch.Tensor:
    with torch.set_grad_enabled(grad):
        return network.synthesis(ws, **options)


@pytest.mark.parametrize("count", [1, 3])
def test_images_are_those_of_the_shared_weight(network, count: int) -> None:
    rng = torch.Generator().manual_seed(0)
    ws = torch.randn(count, network.num_ws, 512, generator=rng)
    offsets = {"b128.conv0": 0.1 * torch.randn(count, network.config.synthesis.channels(64), generator=rng)}
    for options in (
        {},
        {"noise_mode": "random", "rng": range(count)},
        {"style_offsets": offsets},
        {"noise_mode": "none", "resolution": 64},
    ):
        torch.testing.assert_close(drawn(network, ws, False, **options), drawn(network, ws, True, **options), rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        x, image = network.synthesis.run(ws)
        assert torch.equal(image, network.synthesis(ws))
        alone, _ = network.synthesis.run(ws[-1:])
    assert x.shape == (count, 8, 128, 128)
    torch.testing.assert_close(x[-1:], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("up", [1, 2])
def test_one_weight_equals_scaled_features(up: int) -> None:
    rng = torch.Generator().manual_seed(1)
    x, weight = torch.randn(1, 5, 64, 64, generator=rng), torch.randn(4, 5, 3, 3, generator=rng)
    styles, shift = torch.randn(1, 5, generator=rng), torch.randn(4, generator=rng)
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    resample = torch.outer(line, line)
    with torch.no_grad():
        assert one_weight_pays(x, weight, up) and not one_weight_pays(x[:, :, :10], weight, up)
        own = modulated_convolution(x, weight, styles, shift, resample, up=up, gain=1.5)
        known = modulated_convolution(x, weight, styles, shift, resample, up=up, gain=1.5, energies=tap_energies(weight))
    shared = modulated_convolution(x, weight, styles, shift, resample, up=up, gain=1.5)
    torch.testing.assert_close(own, shared, rtol=1e-4, atol=1e-4)
    assert torch.equal(known, own)


def test_transforms_keep_the_shared_weight() -> None:
    x, weight = torch.ones(1, 4, 64, 64), torch.ones(4, 4, 3, 3)
    seen = []

    def look(y: torch.Tensor) -> torch.Tensor:
        seen.append(one_weight_pays(y, weight))
        return y * 2

    with torch.no_grad():
        look(x)
        jvp(look, (x,), (x,))
        vmap(look)(x[None])
    look(x)
    assert seen == [True, False, False, False]


def test_sums_over_weights_follow_the_weights(network) -> None:
    ws = torch.randn(1, network.num_ws, 512, generator=torch.Generator().manual_seed(2))
    before = drawn(network, ws, False)
    weight = network.synthesis.b8.conv1.weight
    kept = weight.clone()
    assert network.synthesis.b8.conv1.known_energies() is not None
    # Counted as a change, and behind the count's back; demodulation takes a common factor out again.
    for change in (weight.mul_, weight.data.mul_):
        change(3)
        assert network.synthesis.b8.conv1.known_energies() is None
        torch.testing.assert_close(drawn(network, ws, False), before, rtol=1e-3, atol=1e-3)
        weight.copy_(kept)
        network.synthesis.arrange()
        assert network.synthesis.b8.conv1.known_energies() is not None
    double = copy.deepcopy(network).double()
    assert double.synthesis.b8.conv1.known_energies() is None
    torch.testing.assert_close(drawn(double, ws.double(), False).float(), before, rtol=1e-3, atol=1e-3)


def test_images_may_have_noise_maps_of_their_own(network) -> None:
    rng = torch.Generator().manual_seed(2)
    ws = torch.randn(2, network.num_ws, 512, generator=rng)
    maps = {
        name: torch.randn(2, 1, *noise.shape, generator=rng)
        for name, noise in network.synthesis.named_buffers()
        if name.endswith("noise_const")
    }
    with torch.no_grad():
        found = functional_call(network.synthesis, maps, (ws,))
    torch.testing.assert_close(found, functional_call(network.synthesis, maps, (ws,)).detach(), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found[0], network.synthesis(ws[:1])[0].detach(), atol=1e-2)
