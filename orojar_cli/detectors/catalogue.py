"""Detectors by name."""

from __future__ import annotations

import torch

from orojar_cli.detectors.critic import CriticFeatures
from orojar_cli.detectors.detector import Detector
from orojar_cli.detectors.efficientnet_file import load_efficientnet
from orojar_cli.detectors.pixels import Pixels
from orojar_cli.detectors.torchscript import ScriptedDetector
from orojar_cli.errors import OptionError
from orojar_cli.generators.critic.network import Critic

BUILT_IN = ("pixels", "critic", "features")


def load_detector(name: str, critic: Critic | None = None, device: str | torch.device = "cpu") -> Detector:
    """The detector called `name`, on `device`.

    "pixels" compares the pixels themselves at several resolutions, "critic" uses the features of the checkpoint's own `critic`,
    "features" an ImageNet network (extra `features`); any other name is the path of the user's own TorchScript file, which is code and
    is run.  Raises OptionError where there is no critic, MissingExtraError without the extra, InputFileError for a path that is no
    TorchScript file.
    """
    if name == "pixels":
        return Pixels()
    if name == "critic":
        if critic is None:
            raise OptionError("this checkpoint has no critic (D) to use as detector; use --detector pixels or features")
        return CriticFeatures(critic.to(device))
    if name == "features":
        return load_efficientnet(device)
    return ScriptedDetector(name, device)
