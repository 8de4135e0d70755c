"""The operations StyleGAN networks are built of, all differentiable in forward and reverse mode and under vmap."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

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
# f(a x) = a f(x) for a > 0, so a gain may go where it costs nothing.
_HOMOGENEOUS = ("linear", "relu", "lrelu")
# In which convolutions are fastest, where that was measured (docs/performance.md; on others `orojar bench --check` does).
LAYOUTS = {"cpu": torch.channels_last}
# Of what is divided by: channels that are zero stay so.
_LEAST = 1e-9
# Below, a layer of an image takes a millisecond or two, and its parts are as large as the calls.
_LEAST_PIXELS = 64 * 64
# The transforms of torch.func that are under way; without this function all of them might be.
_transforms = getattr(torch._C._functorch, "peek_interpreter_stack", lambda: ())


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


def inner_gain(activation: str, gain: float) -> float:
    """The part of `gain` that may be applied before the activation: all of it, or none."""
    return gain if activation in _HOMOGENEOUS else 1.0


def act_in_place(x: Tensor, activation: str, gain: float, clamp: float | None) -> Tensor:
    """clamp(act(x) * gain, ±clamp), where possible in the memory of x, which must be a result that nobody else needs.

    Differentiable all the same: an in-place leaky ReLU records its derivative, which needs the result, so a clamp then makes its own.
    """
    if activation == "lrelu":
        x = F.leaky_relu(x, 0.2, inplace=True)
    elif activation != "linear":
        x = _FUNCTIONS[activation](x)
    if gain != 1:
        x = x * gain
    if clamp is None:
        return x
    return x.clamp(-clamp, clamp) if torch.is_grad_enabled() else x.clamp_(-clamp, clamp)


def fast_layout(x: Tensor) -> Tensor:
    """x [N, C, H, W] in the memory layout of its device, `LAYOUTS`."""
    return x.contiguous(memory_format=LAYOUTS.get(x.device.type, torch.contiguous_format))


def normalise_second_moment(x: Tensor) -> Tensor:
    """x / sqrt(mean(x^2) + 1e-8) along the last axis."""
    return x * (x.square().mean(-1, keepdim=True) + 1e-8).rsqrt()


def small_blur(like: Tensor) -> Tensor:
    """[1, 2, 1] x [1, 2, 1] / 16, made where `like` is: numbers of Python would be sent there again for every image."""
    line = (2 - (torch.arange(3, dtype=like.dtype, device=like.device) - 1).abs()) / 4
    return torch.outer(line, line)


def each_channel(kernel: Tensor, x: Tensor) -> Tensor:
    """A filter [T, T] as the weight [C, 1, T, T] of a convolution of each channel of x."""
    # A number even where sizes are traced: who exports a convolution must know its kernel's.
    return kernel.to(x.dtype).expand(int(x.shape[1]), 1, -1, -1)


def filter_2d(x: Tensor, kernel: Tensor, padding: tuple[int, int], stride: int = 1, bias: Tensor | None = None) -> Tensor:
    """Convolve every channel of x [N, C, H, W] with `kernel` [T, T], padded (before, after) on both axes; plus `bias`.

    One pass with a table of numbers is cheaper than one along each axis.
    """
    before, after = padding
    if before != after or before < 0:
        x, before = F.pad(x, (*padding, *padding)), 0
    return F.conv2d(x, each_channel(kernel.flip((0, 1)), x), bias, stride=stride, padding=before, groups=x.shape[1])


def upsample_2x(x: Tensor, resample: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, 2H, 2W]: zero insertion and the resample filter [T, T], which sums to one, with gain 2 along each axis; the
    image is kept aligned."""
    # A transposed convolution is the full convolution of the zero-inserted grid; what is beyond the image is cut off.
    count = len(resample)
    before = count - 1 - (count + 1) // 2
    after = count - 2 - before
    kernel = each_channel(resample * 4, x)
    if before == after:
        return F.conv_transpose2d(x, kernel, stride=2, padding=before, groups=x.shape[1])
    return F.pad(F.conv_transpose2d(x, kernel, stride=2, groups=x.shape[1]), (-before, -after) * 2)


def downsample_2x(x: Tensor, resample: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, H/2, W/2]: the resample filter [T, T], which sums to one, then every second pixel."""
    count = len(resample)
    return filter_2d(x, resample, ((count - 1) // 2, (count - 2) // 2), stride=2)


def convolution(
    x: Tensor, weight: Tensor, resample: Tensor | None = None, up: int = 1, down: int = 1, bias: Tensor | None = None
) -> Tensor:
    """'Same' convolution with weight [out, in, k, k], optionally with the resolution doubled or halved through the `resample` filter
    [T, T], which sums to one."""
    kernel = int(weight.shape[-1])
    if resample is None or up == down == 1:
        return F.conv2d(x, fast_layout(weight), bias, padding=kernel // 2)
    count = len(resample)
    if up == 2 and kernel == 1:
        return upsample_2x(F.conv2d(x, weight, bias), resample)
    if up == 2:
        # A transposed convolution already pads the zero-inserted grid by (2, 1) of the (k//2 + filter) it needs.
        x = F.conv_transpose2d(x, fast_layout(weight.transpose(0, 1)), stride=2)
        excess = kernel // 2 - (kernel - 1)
        return filter_2d(x, resample * 4, ((count + 1) // 2 + excess, (count - 2) // 2 + excess + 1), bias=bias)
    if kernel == 1:
        return F.conv2d(downsample_2x(x, resample), weight, bias)
    x = filter_2d(x, resample, ((count - 1) // 2 + kernel // 2, (count - 2) // 2 + kernel // 2))
    return F.conv2d(x, fast_layout(weight), bias, stride=2)


def tap_energies(weight: Tensor) -> Tensor:
    """[out, in] sums of squares of each kernel of weight [out, in, k, k]."""
    # Tap by tap, because a sum over two axes is slow in some memory layouts.
    return functools.reduce(torch.add, weight.square().flatten(2).unbind(2))


def one_weight_pays(x: Tensor, weight: Tensor, up: int = 1) -> bool:
    """Whether scaling the weight [out, in, k, k] costs less than scaling the features of one image, x [1, in, H, W], before and after.

    Only where nothing is differentiated: under `torch.func` a weight for each sample would be many convolutions instead of one.
    """
    pixels = x.shape[2] * x.shape[3] * up**2
    return (
        pixels >= _LEAST_PIXELS
        and pixels * sum(weight.shape[:2]) > 3 * weight.numel()
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and _transforms() is None
    )


class HalfModulation(NamedTuple):
    """Modulation for features in float16, which ends at 65,504: `weight`, `styles` [N, in, 1, 1] and what the convolution's result is
    multiplied by, `factors` [N, out, 1, 1], all in float16.

    Each sample's largest style is 1, each output channel's largest weight 1 over the root of the number of products; demodulation undoes
    both (Karras et al. 2020, arXiv 2006.06676, on training in mixed precision).
    """

    weight: Tensor
    styles: Tensor
    factors: Tensor


def half_modulation(weight: Tensor, styles: Tensor, gain: float | Tensor) -> HalfModulation:
    """Of weight [out, in, k, k] and styles [N, in] in float32, in which the factors are computed; `gain` is that of the result."""
    largest = styles.abs().amax(1, keepdim=True).clamp_min(_LEAST)
    scale = weight.abs().amax((1, 2, 3)).clamp_min(_LEAST) * math.sqrt(weight[0].numel())
    styles, weight = styles / largest, weight / scale[:, None, None, None]
    # The 1e-8 is that of `modulated_convolution`, for what was scaled.
    energy = styles.square() @ tap_energies(weight).T + 1e-8 / (largest * scale).square()
    factors = (energy.rsqrt() * gain).clamp_max(torch.finfo(torch.float16).max)
    return HalfModulation(weight.half(), styles.half()[:, :, None, None], factors.half()[:, :, None, None])


def modulated_convolution(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    shift: Tensor,
    resample: Tensor | None = None,
    *,
    up: int = 1,
    gain: float = 1.0,
    energies: Tensor | None = None,
) -> Tensor:
    """`gain` times the convolution of x [N, in, H, W] with weight * styles [N, in], demodulated, plus `shift` [out].

    StyleGAN2, eq. 1-3: each sample's output channels are brought to unit variance.  The weight is shared: activations are scaled
    before it (modulation) and after it (demodulation), which is the same function as one weight per sample.  A single large image has
    its own weight.  `energies` are the weight's `tap_energies`, where they are known.
    """
    if x.dtype == torch.float16:
        half = half_modulation(weight, styles, gain)
        x = convolution(x * half.styles, half.weight, resample, up=up)
        return torch.addcmul(shift.half()[:, None, None], x, half.factors)
    energy = styles.square() @ (tap_energies(weight) if energies is None else energies).T
    factors = (energy + 1e-8).rsqrt() * gain
    if len(x) == 1 and one_weight_pays(x, weight, up):
        own = weight * (factors[0, :, None] * styles[0])[:, :, None, None]
        return convolution(x, own, resample, up=up, bias=shift)
    x = convolution(x * styles[:, :, None, None], weight, resample, up=up)
    return torch.addcmul(shift[:, None, None], x, factors[:, :, None, None])


def modulated_projection(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
    """1x1 convolution of x [N, in, H, W] with weight [out, in, 1, 1] * styles [N, in], not demodulated: few outputs, so a product."""
    weights = (weight.flatten(1) * styles[:, None]).to(x.dtype)
    if x.device.type != "cpu":
        return (weights @ x.flatten(2)).unflatten(2, x.shape[2:])
    # Channels last: the product of pixels with a few columns reads the features once, in order.
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2) @ weights.transpose(1, 2)
    return pixels.transpose(1, 2).contiguous().unflatten(2, x.shape[2:])


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
