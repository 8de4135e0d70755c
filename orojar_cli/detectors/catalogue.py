"""Detectors and attributes by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from orojar_cli.detectors.attributes import Attributes, ImageAttributes, Together
from orojar_cli.detectors.critic import CriticFeatures
from orojar_cli.detectors.detector import Detector
from orojar_cli.detectors.efficientnet_file import load_efficientnet
from orojar_cli.detectors.faces import FaceAttributes
from orojar_cli.detectors.own_attributes import OwnAttributes
from orojar_cli.detectors.pixels import Pixels
from orojar_cli.detectors.torchscript import ScriptedDetector
from orojar_cli.errors import OptionError
from orojar_cli.generators.critic.network import Critic

BUILT_IN = ("pixels", "critic", "features")
MEASURED: dict[str, type[Attributes]] = {"image": ImageAttributes, "faces": FaceAttributes}


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


def load_attributes(chosen: Any = "image") -> Attributes:
    """The attributes that "image" or "faces" (extra `faces`) name, those of a callable of the user's (`own_attributes`), or of a list of
    these together.

    Raises OptionError for another name, MissingExtraError without the extra, OwnCodeError for what cannot be called.
    """
    if isinstance(chosen, Attributes):
        return chosen
    if isinstance(chosen, str):
        if chosen not in MEASURED:
            raise OptionError(f"unknown attributes {chosen!r:.60}; choose of {', '.join(MEASURED)}, or give a callable of your own")
        return MEASURED[chosen]()
    if isinstance(chosen, Sequence):
        if not chosen:
            raise OptionError("attributes: name some, or leave them out")
        parts = [load_attributes(one) for one in chosen]
        return parts[0] if len(parts) == 1 else Together(parts)
    return OwnAttributes(chosen, getattr(chosen, "__name__", type(chosen).__name__))
