"""The DCGAN generator (Radford et al. 2015, arXiv 1511.06434)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.generators.dcgan.config import DCGANConfig
from orojar_cli.generators.transposed import BatchNormalisation, FirstConvolution
from orojar_cli.generators.transposed_config import KERNEL
from orojar_cli.generators.unmapped import UnmappedGenerator, UnmappedSynthesis, output_activation

_ACTIVATIONS = {"relu": F.relu, "lrelu": lambda x: F.leaky_relu(x, 0.2), "elu": F.elu, "selu": F.selu}


class DCGANSynthesis(UnmappedSynthesis):
    """ws [N, 1, w_dim] -> images [N, C, R, R], with the usual tanh in [-1, 1]."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__(config)
        self.first = FirstConvolution(config.w_dim, config.channels[0], config.biases[0])
        for index, (inputs, outputs) in enumerate(zip(config.channels[:-1], config.channels[1:], strict=True), 1):
            self.add_module(f"conv{index}", nn.ConvTranspose2d(inputs, outputs, KERNEL, stride=2, padding=1, bias=config.biases[index]))
        for index, norm in enumerate(config.norms):
            if norm:
                self.add_module(f"norm{index}", BatchNormalisation(config.channels[index], config.norm_epsilon))

    def features(self, x: Tensor, index: int) -> Tensor:
        """Convolution, normalisation if there is one, activation."""
        x = self.get_submodule(self.config.name(index))(x)
        if self.config.norms[index]:
            x = self.get_submodule(f"norm{index}")(x)
        return _ACTIVATIONS[self.config.activation](x)

    def image(self, x: Tensor) -> Tensor:
        """The last convolution and the output's activation."""
        return output_activation(self.get_submodule(self.config.name(len(self.config.channels) - 1))(x), self.config.output)


class DCGAN(UnmappedGenerator):
    """z -> images through transposed convolutions."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__(config, DCGANSynthesis(config))
