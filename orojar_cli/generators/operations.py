"""The operations StyleGAN networks are built of, all differentiable in forward and reverse mode and under vmap."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FUNCTIONS = {
    "linear": lambda x: x,
    "relu": F.relu,
    "lrelu": lambda x: F.leaky_relu(x, 0.2),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "swish": F.silu,
}


def activation_gain(activation: str) -> float:
    """sqrt 2 for the rectifiers and swish, 1 for the rest."""
    return math.sqrt(2) if activation in ("relu", "lrelu", "swish") else 1.0


def bias_act(x: Tensor, bias: Tensor | None, activation: str, gain: float | None = None, clamp: float | None = None) -> Tensor:
    """clamp(act(x + b) * gain, ±clamp) with the bias along axis 1; `gain` defaults to the activation's own."""
    if bias is not None:
        x = x + bias.view(1, -1, *[1] * (x.ndim - 2))
    x = _FUNCTIONS[activation](x)
    gain = activation_gain(activation) if gain is None else gain
    if gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def normalise_second_moment(x: Tensor) -> Tensor:
    """x / sqrt(mean(x^2) + 1e-8) along the last axis."""
    return x * (x.square().mean(-1, keepdim=True) + 1e-8).rsqrt()


def filter_taps(taps: Sequence[float], gain: float = 1.0) -> tuple[float, ...]:
    """1-D resample taps scaled to sum `gain`; the 2-D kernel is their outer product."""
    total = sum(taps)
    return tuple(tap * gain / total for tap in taps)


def filter_2d(x: Tensor, taps: Sequence[float], padding: tuple[int, int], stride: int = 1) -> Tensor:
    """Convolve every channel of x [N, C, H, W] with the outer product of `taps`, padded (before, after) on both axes."""
    channels = x.shape[1]
    x = F.pad(x, (*padding, *padding))
    kernel = x.new_tensor(taps[::-1])
    rows = kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    columns = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    return F.conv2d(F.conv2d(x, rows, stride=(stride, 1), groups=channels), columns, stride=(1, stride), groups=channels)


def upsample_2x(x: Tensor, taps: Sequence[float]) -> Tensor:
    """[N, C, H, W] -> [N, C, 2H, 2W]: zero insertion and the resample filter with gain 2 along each axis, image kept aligned."""
    batch, channels, height, width = x.shape
    zero_inserted = x.reshape(batch, channels, height, 1, width, 1)
    zero_inserted = F.pad(zero_inserted, (0, 1, 0, 0, 0, 1)).reshape(batch, channels, 2 * height, 2 * width)
    count = len(taps)
    return filter_2d(zero_inserted, filter_taps(taps, 2), ((count + 1) // 2, (count - 2) // 2))


def downsample_2x(x: Tensor, taps: Sequence[float]) -> Tensor:
    """[N, C, H, W] -> [N, C, H/2, W/2]: the resample filter, then every second pixel."""
    count = len(taps)
    return filter_2d(x, filter_taps(taps), ((count - 1) // 2, (count - 2) // 2), stride=2)


def convolution(x: Tensor, weight: Tensor, taps: Sequence[float], up: int = 1, down: int = 1) -> Tensor:
    """'Same' convolution with weight [out, in, k, k], optionally with the resolution doubled or halved through the resample filter."""
    kernel, count = weight.shape[-1], len(taps)
    if up == 2 and kernel == 1:
        return upsample_2x(F.conv2d(x, weight), taps)
    if up == 2:
        # A transposed convolution already pads the zero-inserted grid by (2, 1) of the (k//2 + filter) it needs.
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        excess = kernel // 2 - (kernel - 1)
        return filter_2d(x, filter_taps(taps, 2), ((count + 1) // 2 + excess, (count - 2) // 2 + excess + 1))
    if down == 2 and kernel == 1:
        return F.conv2d(downsample_2x(x, taps), weight)
    if down == 2:
        x = filter_2d(x, filter_taps(taps), ((count - 1) // 2 + kernel // 2, (count - 2) // 2 + kernel // 2))
        return F.conv2d(x, weight, stride=2)
    return F.conv2d(x, weight, padding=kernel // 2)


def modulated_convolution(
    x: Tensor, weight: Tensor, styles: Tensor, taps: Sequence[float] = (1.0,), *, up: int = 1, demodulate: bool = True
) -> Tensor:
    """Convolution of x [N, in, H, W] with weight * styles [N, in], each sample's output channels brought to unit variance.

    StyleGAN2, eq. 1-3.  The weight is shared: activations are scaled before it (modulation) and after it (demodulation),
    which is the same function as one weight per sample.
    """
    x = convolution(x * styles[:, :, None, None], weight, taps, up=up)
    if demodulate:
        energy = styles.square() @ weight.square().sum((2, 3)).T
        x = x * (energy + 1e-8).rsqrt()[:, :, None, None]
    return x


class FullyConnected(nn.Module):
    """act(x @ (weight * m / sqrt(in))^T + bias * m) * gain, with learning-rate multiplier m."""

    def __init__(self, in_features: int, out_features: int, activation: str = "linear", lr_multiplier: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features))
        self.activation = activation
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return bias_act(x, None, self.activation)
