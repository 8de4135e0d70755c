"""What the files of NVIDIA's own StyleGAN have in common, in the TensorFlow pickles and in GenForce's state dictionaries of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from orojar_cli.containers.derived import PLAIN, Form, scaled, unsqueezed
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.stylegan1.config import START, StyleGAN1Config

# There the activation of the mapping has no gain, and the weight one more: the same as a gain of the activation and a smaller bias.
MAPPING_BIAS = scaled(1 / math.sqrt(2))
# Enlarging and convolving at once scatters through the kernel, which turns it round.
_TURNED = Form(PLAIN.stored_shape, lambda tensor: tensor.flip((2, 3)), lambda tensor: tensor.flip((2, 3)))
_START_GAIN = math.sqrt(2) / START  # of the weight that makes the first pixels of w, over the root of w's size
_FUSED_FROM = 128  # pixels, with `fused_scale` 'auto'


class Layout(NamedTuple):
    """Where the parts of layer and image number i are, in which form matrices and convolutions, and what makes the first pixels of w."""

    layer: Callable[[int, str], str]
    output: Callable[[int, str], str]
    matrix: Form
    convolution: Form
    start: Form


def fused_from(option: object, where: str) -> int:
    """The first resolution that is enlarged and convolved at once; raises UnsupportedCheckpointError for an unknown `fused_scale`."""
    if option == "auto" and type(option) is str:
        return _FUSED_FROM
    if type(option) is not bool:
        raise UnsupportedCheckpointError(f"not supported: {where} has a fused_scale that is neither 'auto' nor true nor false")
    return 2 * START if option else 1 << 20


def synthesis_rules(config: StyleGAN1Config, layout: Layout, fused: int) -> dict[str, tuple[str, Form]]:
    """Where every tensor of the synthesis network is; layers of `fused` pixels and more enlarge and convolve at once."""
    rules: dict[str, tuple[str, Form]] = {}
    stages = len(config.synthesis.channels)
    for index, layer in enumerate(config.synthesis.layers(stages - 1)):
        ours = f"synthesis.{layer.name}"
        if index:
            turned = layer.name.endswith("conv0") and layer.resolution >= fused
            rules[f"{ours}.weight"] = layout.layer(index, "weight"), layout.convolution.then(_TURNED) if turned else layout.convolution
        elif config.synthesis.start_from_w:
            rules["synthesis.b4.const"] = layout.layer(index, "weight"), layout.start.then(scaled(_START_GAIN / math.sqrt(config.w_dim)))
        else:
            rules["synthesis.b4.const"] = layout.layer(index, "const"), unsqueezed(1)
        rules |= {
            f"{ours}.bias": (layout.layer(index, "bias"), PLAIN),
            f"{ours}.affine.weight": (layout.layer(index, "style.weight"), layout.matrix),
            f"{ours}.affine.bias": (layout.layer(index, "style.bias"), _style_bias(layer.out_channels)),
            f"{ours}.noise_strength": (layout.layer(index, "noise_strength"), PLAIN),
            f"{ours}.noise_const": (layout.layer(index, "noise_const"), unsqueezed(2)),
        }
    for stage in range(stages):
        ours = f"synthesis.b{START << stage}.torgb"
        rules[f"{ours}.weight"] = layout.output(stage, "weight"), layout.convolution
        rules[f"{ours}.bias"] = layout.output(stage, "bias"), PLAIN
    return rules


def _style_bias(width: int) -> Form:
    """Scales are learned around 1, shifts around 0."""

    def shifted(by: float) -> Callable[..., object]:
        return lambda tensor: tensor + by * (tensor.new_ones(2 * width).cumsum(0) <= width)

    return Form(PLAIN.stored_shape, shifted(1.0), shifted(-1.0))
