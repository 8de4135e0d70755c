"""Resampling with the filters a StyleGAN3 checkpoint stores: upsample, rectify, downsample without aliasing."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from orojar_cli.generators.primitives import act_in_place


def _upsample_axis(x: Tensor, taps: Tensor, up: int, padding: tuple[int, int], axis: int) -> Tensor:
    channels, length, count = int(x.shape[1]), x.shape[axis], taps.numel()
    kernel = (taps * up).to(x.dtype).view(1, 1, *((-1, 1) if axis == 2 else (1, -1))).expand(channels, 1, -1, -1)
    stride = (up, 1) if axis == 2 else (1, up)
    # A transposed convolution is the full convolution of the zero-inserted signal; it begins count - 1 samples before its start.
    before, after = padding[0] - (count - 1), length * up + padding[1] - ((length - 1) * up + count)
    if before == after <= 0:
        return F.conv_transpose2d(x, kernel, stride=stride, padding=(-before, 0) if axis == 2 else (0, -before), groups=channels)
    full = F.conv_transpose2d(x, kernel, stride=stride, groups=channels)
    return F.pad(full, (0, 0, before, after) if axis == 2 else (before, after))


def upsample(x: Tensor, taps: Tensor, up: int, padding: tuple[int, int]) -> Tensor:
    """x [N, C, H, W] upsampled by `up` along both axes with the separable filter `taps` [T] times `up` (a flat signal stays flat).

    Zeros are inserted, `padding` (before, after; negative: cropping) is added, and the result is truly convolved:
    H * up + sum(padding) - T + 1 rows are left.
    """
    return _upsample_axis(_upsample_axis(x, taps, up, padding, 2), taps, up, padding, 3)


def downsample(x: Tensor, taps: Tensor, down: int) -> Tensor:
    """x [N, C, H, W] filtered with `taps` ([T] separable or [T, T] radial), keeping every `down`-th sample; only those are computed."""
    channels, taps = int(x.shape[1]), taps.to(x.dtype)
    if taps.ndim == 2:
        kernel = taps.flip((0, 1))[None, None].expand(channels, 1, -1, -1)
        return F.conv2d(x, kernel, stride=down, groups=channels)
    kernel = taps.flip(0)
    rows = kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    columns = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    return F.conv2d(F.conv2d(x, rows, stride=(down, 1), groups=channels), columns, stride=(1, down), groups=channels)


def filtered_rectifier(
    x: Tensor, up_taps: Tensor, down_taps: Tensor, up: int, down: int, padding: tuple[int, int], clamp: float | None
) -> Tensor:
    """Leaky ReLU (0.2, gain sqrt 2, clamped) applied at `up` times the rate, band-limited again and brought down by `down`.

    arXiv 2106.12423, section 3.2: the rectifier's new high frequencies are filtered away before they can alias.
    """
    # The gain goes into the filter, once for each axis, where it costs nothing: leaky ReLU commutes with positive factors.
    x = act_in_place(upsample(x, up_taps * 2**0.25, up, padding), "lrelu", 1, clamp)
    return downsample(x, down_taps, down)
