"""EfficientNet-lite0, written from Tan & Le 2019 (arXiv 1905.11946, table 1): MBConv blocks without squeeze-excite, with ReLU6."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

# (expansion, kernel, stride, channels, repeats) of the seven stages; stem and head keep the widths of B0 in the lite variants.
_STAGES = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1))
_STEM, _HEAD = 32, 1280
# Blocks after which the resolution falls, and the last: where perceptual distances look.
_TAPS = (0, 2, 4, 10, 15)
_EPSILON = 1e-3


class _Convolution(nn.Conv2d):
    """Without bias, padded as TensorFlow's "same", where the weights come from: the odd pixel goes to the right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pads = []
        for length in (x.shape[3], x.shape[2]):
            total = max(0, (-(-length // self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - length)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=_EPSILON)


class _Block(nn.Module):
    """Mobile inverted bottleneck: expand, filter each channel, project; added to its input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.expand = _Convolution(inputs, width, 1) if expansion > 1 else None
        if expansion > 1:
            self.expand_norm = _norm(width)
        self.depthwise, self.depthwise_norm = _Convolution(width, width, kernel, stride, groups=width), _norm(width)
        self.project, self.project_norm = _Convolution(width, outputs, 1), _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expand is not None:
            y = F.relu6(self.expand_norm(self.expand(y)))
        y = F.relu6(self.depthwise_norm(self.depthwise(y)))
        y = self.project_norm(self.project(y))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """images [N, 3, 224, 224], 0-255 mapped to (x - 127) / 128, -> 1000 ImageNet logits; `features` are the 1280 numbers before them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = _Convolution(3, _STEM, 3, 2), _norm(_STEM)
        blocks, inputs = [], _STEM
        for expansion, kernel, stride, outputs, repeats in _STAGES:
            for repeat in range(repeats):
                blocks.append(_Block(inputs, outputs, expansion, kernel, stride if repeat == 0 else 1))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.head, self.head_norm = _Convolution(inputs, _HEAD, 1), _norm(_HEAD)
        self.classifier = nn.Linear(_HEAD, 1000)

    def activations(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """(outputs of the blocks before each halving and of the last, features [N, 1280])."""
        taps = []
        x = F.relu6(self.stem_norm(self.stem(x)))
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _TAPS:
                taps.append(x)
        return taps, F.relu6(self.head_norm(self.head(x))).mean((2, 3))

    def features(self, x: Tensor) -> Tensor:
        return self.activations(x)[1]

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))
