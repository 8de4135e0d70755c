"""The critic (discriminator) of StyleGAN2: images -> one logit each."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from orojar_cli.errors import OptionError
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.mapping import Mapping
from orojar_cli.generators.primitives import FullyConnected, activation_gain, bias_act, convolution, downsample_2x


class Convolution(nn.Module):
    """Plain convolution with weight / sqrt(in k k), bias, activation; `down` 2 halves the resolution through the resample filter."""

    resample_filter: Tensor

    def __init__(
        self, config: CriticConfig, inputs: int, outputs: int, kernel: int, down: int = 1, *, bias: bool = True, clamped: bool = True
    ) -> None:
        super().__init__()
        self.taps, self.down = config.resample_filter, down
        self.activation = config.activation if bias else "linear"
        self.clamp = config.conv_clamp if clamped else None
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.register_buffer("resample_filter", torch.empty((len(config.resample_filter),) * 2))
        self.weight_gain = 1 / math.sqrt(inputs * kernel * kernel)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        x = convolution(x, self.weight * self.weight_gain, self.resample_filter, down=self.down)
        clamp = None if self.clamp is None else self.clamp * gain
        return bias_act(x, self.bias, self.activation, activation_gain(self.activation) * gain, clamp)


class CriticBlock(nn.Module):
    """Features (and image) of one resolution -> features (and image) of half of it."""

    resample_filter: Tensor

    def __init__(self, config: CriticConfig, resolution: int) -> None:
        super().__init__()
        self.config = config
        width, below = config.channels(resolution), config.channels(resolution // 2)
        self.register_buffer("resample_filter", torch.empty((len(config.resample_filter),) * 2))
        self.fromrgb = Convolution(config, config.img_channels, width, 1) if config.has_fromrgb(resolution) else None
        self.conv0 = Convolution(config, width, width, 3)
        self.conv1 = Convolution(config, width, below, 3, down=2)
        if config.architecture == "resnet":
            self.skip = Convolution(config, width, below, 1, down=2, bias=False, clamped=False)

    def forward(self, x: Tensor | None, image: Tensor) -> tuple[Tensor, Tensor]:
        if self.fromrgb is not None:
            rgb = self.fromrgb(image)
            x = rgb if x is None else x + rgb
        assert x is not None
        if self.config.architecture == "skip":
            image = downsample_2x(image, self.resample_filter)
        if self.config.architecture == "resnet":
            shortcut = self.skip(x, math.sqrt(0.5))
            return shortcut + self.conv1(self.conv0(x), math.sqrt(0.5)), image
        return self.conv1(self.conv0(x)), image


def minibatch_deviation(x: Tensor, group_size: int | None, channels: int) -> Tensor:
    """x [N, C, H, W] with `channels` maps appended: the standard deviation over strided groups, averaged over features and pixels."""
    if channels == 0:
        return x
    batch, width, height, length = x.shape
    group = batch if group_size is None else min(group_size, batch)
    if batch % group:
        raise OptionError(f"the critic needs a batch that is a multiple of its group size {group}, not {batch}")
    y = x.reshape(group, -1, channels, width // channels, height, length)
    y = (y - y.mean(0)).square().mean(0)
    y = (y + 1e-8).sqrt().mean((2, 3, 4))
    y = y.reshape(-1, channels, 1, 1).repeat(group, 1, height, length)
    return torch.cat([x, y], 1)


class CriticEpilogue(nn.Module):
    """The last features, at 4x4 where images are square -> logits (or, with labels, the vector compared with the label's)."""

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels(4)
        # This one fromrgb has no clamp in the published networks.
        self.fromrgb = Convolution(config, config.img_channels, width, 1, clamped=False) if config.has_fromrgb(4) else None
        self.conv = Convolution(config, width + config.mbstd_num_channels, width, 3)
        self.fc = FullyConnected(width * config.start[0] * config.start[1], width, config.activation)
        self.out = FullyConnected(width, config.mapping.w_dim if config.mapping else 1)

    def forward(self, x: Tensor | None, image: Tensor) -> Tensor:
        if self.fromrgb is not None:
            rgb = self.fromrgb(image)
            x = rgb if x is None else x + rgb
        assert x is not None
        x = minibatch_deviation(x, self.config.mbstd_group_size, self.config.mbstd_num_channels)
        return self.out(self.fc(self.conv(x).flatten(1)))


class Critic(nn.Module):
    """images [N, C, H, W] in [-1, 1] (and label [N, c_dim]) -> logits [N, 1]."""

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.config = config
        self.c_dim, self.image_shape = config.c_dim, config.image_shape
        self.img_channels, self.img_resolution, _ = config.image_shape
        for resolution in config.resolutions:
            self.add_module(f"b{resolution}", CriticBlock(config, resolution))
        self.mapping = Mapping(config.mapping) if config.mapping else None
        self.b4 = CriticEpilogue(config)

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """Logits [N, 1]: higher means more like the training images.  Raises OptionError for a missing label."""
        x = None
        for resolution in self.config.resolutions:
            x, images = self.get_submodule(f"b{resolution}")(x, images)
        x = self.b4(x, images)
        if self.mapping is None:
            return x
        target = self.mapping.w(None, label)
        return (x * target).sum(1, keepdim=True) / math.sqrt(target.shape[1])
