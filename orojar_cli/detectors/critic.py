"""The features of the checkpoint's own critic: a detector that knows the data the generator was trained on."""

from __future__ import annotations

from torch import Tensor

from orojar_cli.detectors.detector import Detector, perceptual_features
from orojar_cli.generators.critic.network import Critic, minibatch_deviation


class CriticFeatures(Detector):
    """The critic's last hidden layer.

    Its minibatch deviation is taken over groups of one image, so that the features of an image do not depend on its neighbours.
    """

    name = "critic"

    def __init__(self, critic: Critic) -> None:
        self.critic = critic

    def _blocks(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """(the output of every block [N, C, H, W], the last hidden layer [N, F])."""
        x: Tensor | None = None
        outputs = []
        for resolution in self.critic.config.resolutions:
            x, images = self.critic.get_submodule(f"b{resolution}")(x, images)
            assert x is not None
            outputs.append(x)
        last = self.critic.b4
        if last.fromrgb is not None:
            rgb = last.fromrgb(images)
            x = rgb if x is None else x + rgb
        assert x is not None
        hidden = last.conv(minibatch_deviation(x, 1, last.config.mbstd_num_channels))
        return [*outputs, hidden], last.fc(hidden.flatten(1))

    def __call__(self, images: Tensor) -> Tensor:
        return self._blocks(images)[1]

    def perceptual(self, images: Tensor) -> Tensor:
        return perceptual_features(self._blocks(images)[0])
