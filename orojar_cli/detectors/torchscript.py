"""The user's own feature network, as a TorchScript file: the one kind of file that is a program, and is run."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch
from torch import Tensor

from orojar_cli.containers.file import CheckpointFile
from orojar_cli.detectors.detector import Detector, three_channels
from orojar_cli.errors import InputFileError, OptionError


class ScriptedDetector(Detector):
    """A TorchScript module: images [N, 3, H, W] -> features [N, F].

    A module whose forward has an argument `return_features`, as the Inception file that StyleGAN's users have, gets pixel values from 0
    to 255 and `return_features=True`; any other gets them in [-1, 1].  Only pass files you would run: TorchScript is code.
    No value is called FID: which file is the standard one could be told only by a published hash of it, and none is known here.
    """

    def __init__(self, path: str | os.PathLike[str], device: str | torch.device = "cpu") -> None:
        """Raises InputFileError where there is no such TorchScript file."""
        path = Path(path)
        if not path.is_file() and path.suffix == "" and path.name == str(path):
            raise InputFileError(f"unknown detector {path.name!r}; use pixels, critic, features or the path of a TorchScript file")
        with CheckpointFile(path) as file:
            self.name = f"{file.name}-{file.sha256()[:8]}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                self.module = torch.jit.load(str(path), map_location=device).eval()
            arguments = [argument.name for argument in self.module.forward.schema.arguments]
        except (RuntimeError, ValueError, AttributeError) as error:
            raise InputFileError(f"{path.name} is not a TorchScript file with a forward method; save it with torch.jit.save") from error
        self.takes_bytes = "return_features" in arguments

    def __call__(self, images: Tensor) -> Tensor:
        images = three_channels(images)
        features = self.module((images + 1) * 127.5, return_features=True) if self.takes_bytes else self.module(images)
        if not isinstance(features, Tensor) or features.ndim < 2 or len(features) != len(images):
            raise OptionError(f"the detector {self.name} does not give one feature vector [N, F] per image")
        return features.flatten(1).float()
