"""The operations in their fast forms are the plain formulas, under every way of differentiating used here."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch.func import jvp, vjp, vmap

from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.primitives import act_in_place, bias_act, downsample_2x, modulated_convolution, upsample_2x
from orojar_cli.generators.protocol import arrange
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig
from orojar_cli.generators.stylegan2.network import StyleGAN2

TAPS = ((1.0, 3.0, 3.0, 1.0), (1.0, 2.0, 1.0), (1.0, 1.0), (1.0,), (1.0, -2.0, 5.0, 7.0, 1.0, 0.5))


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def network(**options) -> StyleGAN2:
    synthesis = SynthesisConfig(w_dim=6, img_resolution=16, img_channels=3, channel_base=64, channel_max=8, **options)
    generator = StyleGAN2(StyleGAN2Config(MappingConfig(z_dim=6, c_dim=0, w_dim=6, num_ws=6), synthesis)).double()
    with torch.no_grad():
        for seed, tensor in enumerate(generator.state_dict().values()):
            tensor.copy_(normal(*tensor.shape, seed=seed) if tensor.ndim else torch.tensor(0.7))
    return generator


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10 * float(wanted.abs().max()))


def table(taps) -> torch.Tensor:
    """The filter [T, T] of some taps, as checkpoints store it."""
    line = torch.tensor(taps, dtype=torch.float64) / sum(taps)
    return torch.outer(line, line)


def filtered(x: torch.Tensor, taps, gain: float, before: int, after: int) -> torch.Tensor:
    """Padding and true convolution by sums of slices."""
    line = [tap * gain / sum(taps) for tap in reversed(taps)]
    x = F.pad(x, (before, after, before, after))
    height, width = (size - len(taps) + 1 for size in x.shape[2:])
    pairs = itertools.product(range(len(taps)), repeat=2)
    return sum(line[i] * line[j] * x[:, :, i : i + height, j : j + width] for i, j in pairs)


@pytest.mark.parametrize("taps", TAPS)
def test_resampling_is_zero_insertion_padding_and_filtering(taps) -> None:
    x, count = normal(2, 3, 6, 8), len(taps)
    inserted = x.new_zeros(2, 3, 12, 16)
    inserted[:, :, ::2, ::2] = x
    close(upsample_2x(x, table(taps)), filtered(inserted, taps, 2, (count + 1) // 2, (count - 2) // 2))
    close(downsample_2x(x, table(taps)), filtered(x, taps, 1, (count - 1) // 2, (count - 2) // 2)[:, :, ::2, ::2])


def plain_modulated(x, weight, styles, shift, taps, up: int, gain: float) -> torch.Tensor:
    """StyleGAN2, eq. 1-3, with a weight of its own for every sample and the transposed convolution by zero insertion."""
    images = []
    for sample, style in zip(x, styles, strict=True):
        scaled = weight * style[None, :, None, None]
        scaled = scaled / (scaled.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        sample = sample[None]
        if up == 2:
            inserted = sample.new_zeros(1, sample.shape[1], 2 * sample.shape[2], 2 * sample.shape[3])
            inserted[:, :, ::2, ::2] = sample
            before, after = (len(taps) + 1) // 2 + 1, (len(taps) - 2) // 2 + 1
            images.append(F.conv2d(filtered(inserted, taps, 2, before, after), scaled.flip((2, 3))))
        else:
            images.append(F.conv2d(sample, scaled, padding=1))
    return gain * torch.cat(images) + shift[:, None, None]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("up", "taps"), [(1, (1.0,)), (2, TAPS[0]), (2, TAPS[1])])
def test_the_shared_weight_is_one_weight_per_sample(up: int, taps, layout) -> None:
    x = normal(3, 5, 6, 6).contiguous(memory_format=layout)
    weight, styles, shift = normal(4, 5, 3, 3, seed=1), normal(3, 5, seed=2), normal(4, seed=3)
    found = modulated_convolution(x, weight, styles, shift, table(taps), up=up, gain=1.7)
    close(found, plain_modulated(x, weight, styles, shift, taps, up, 1.7))


@pytest.mark.parametrize("clamp", [None, 0.5])
@pytest.mark.parametrize("activation", ["linear", "relu", "lrelu", "tanh", "swish"])
def test_the_activation_in_place_is_the_pure_one(activation: str, clamp) -> None:
    x, probe = normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1)
    outcomes = []
    for function in (lambda x: act_in_place(x * 1, activation, 1.3, clamp), lambda x: bias_act(x, None, activation, 1.3, clamp)):
        with torch.no_grad():
            value = function(x)
        _, pull = vjp(function, x)
        _, tangent = jvp(function, (x,), (probe,))
        rows = vmap(lambda v, f=function: jvp(f, (x,), (v,))[1])(torch.stack([probe, x]))
        outcomes.append((value, *pull(probe), tangent, rows))
    for found, wanted in zip(*outcomes, strict=True):
        close(found, wanted)


@pytest.mark.parametrize(
    "options", [{}, {"conv_clamp": 2.0}, {"activation": "swish"}, {"architecture": "resnet", "conv_clamp": 1.0}, {"architecture": "orig"}]
)
def test_synthesis_is_the_same_with_and_without_derivatives(options) -> None:
    """The value, the gradient, the forward derivative and many of them at once agree with each other."""
    generator = network(**options).requires_grad_(False)
    ws, tangents, probe = normal(2, 6, 6, seed=7), normal(3, 2, 6, 6, seed=8), normal(2, 3, 16, 16, seed=9)
    with torch.no_grad():
        image = generator.synthesis(ws)
    leaf = ws.clone().requires_grad_()
    recorded = generator.synthesis(leaf)
    (gradient,) = torch.autograd.grad((recorded * probe).sum(), leaf, create_graph=True)
    close(recorded.detach(), image)
    with torch.no_grad():
        columns = [jvp(generator.synthesis, (ws,), (tangent,)) for tangent in tangents]
        together = vmap(lambda tangent: jvp(generator.synthesis, (ws,), (tangent,))[1])(tangents)
    for (primal, column), tangent in zip(columns, tangents, strict=True):
        close(primal, image)
        torch.testing.assert_close((column * probe).sum(), (gradient * tangent).sum().detach(), rtol=1e-9, atol=1e-9)
    close(together, torch.stack([column for _, column in columns]))
    # Reverse over forward: what the penalties differentiate.
    _, mixed = jvp(lambda w: vjp(generator.synthesis, w)[1](probe)[0], (ws,), (tangents[0],))
    (second,) = torch.autograd.grad((gradient * tangents[0]).sum(), leaf)
    torch.testing.assert_close(mixed, second, rtol=1e-8, atol=1e-8 * float(second.abs().max()))


def test_arranging_lays_the_weights_out_and_changes_none() -> None:
    generator = network().requires_grad_(False)
    before = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in generator.state_dict().items()}
    first = generator.synthesis(normal(1, 6, 6))
    arrange(generator)
    close(generator.synthesis(normal(1, 6, 6)), first)
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    layer = generator.synthesis.b8
    assert type(layer.conv1.weight) is torch.nn.Parameter
    assert layer.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert layer.conv0.weight.transpose(0, 1).is_contiguous(memory_format=torch.channels_last)


def test_transforms_work_before_and_after_arranging() -> None:
    generator = network().requires_grad_(False)
    ws, tangents = normal(1, 6, 6), normal(2, 1, 6, 6, seed=1)
    first = vmap(lambda tangent: jvp(generator.synthesis, (ws,), (tangent,))[1])(tangents)
    arrange(generator)
    close(vmap(lambda tangent: jvp(generator.synthesis, (ws,), (tangent,))[1])(tangents), first)
