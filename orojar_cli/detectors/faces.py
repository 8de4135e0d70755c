"""Where the face is and how large, by the detector that OpenCV carries (extra `faces`).

It is a cascade of Haar-like features (Viola & Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001;
Lienhart & Maydt 2002), trained on upright frontal faces.

It finds about four of five in small pictures of a face GAN: those that it misses, turned, dark or covered ones more than others, have no
numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from orojar_cli.detectors.attributes import Attribute, Attributes, Picture
from orojar_cli.errors import MissingExtraError

_CASCADE = "haarcascade_frontalface_alt2.xml"
# The longer side of what is searched, with a margin around it, because the detector wants some of what surrounds a face.
_SIDE, _MARGIN = 192, 1 / 4
_SMALLEST = 1 / 5
_STEP, _NEIGHBOURS = 1.05, 3
_NEEDED = "finding faces needs OpenCV 4 with its cascades: pip install 'orojar[faces]'"


class FaceAttributes(Attributes):
    """The largest face of an image: its middle in half image widths to the right, and half image heights up, from the image's own, and
    its side as a share of the shorter side of the image.  NaN in images without one.

    Raises MissingExtraError without OpenCV 4 (later versions have no cascades).
    """

    name = "faces"
    attributes = (
        Attribute("face to the right", "half widths"),
        Attribute("face upwards", "half heights"),
        Attribute("face size", "share"),
    )

    def __init__(self) -> None:
        self._cascade = _loaded()

    def __call__(self, images: Tensor) -> Tensor:
        luma = Picture.of(images).luma
        return torch.from_numpy(np.array([self._of(one) for one in luma]).reshape(len(luma), 3))

    def _of(self, luma: Tensor) -> tuple[float, float, float]:
        height, width = luma.shape
        scale = _SIDE / max(height, width)
        size = max(1, round(height * scale)), max(1, round(width * scale))
        enlarged = F.interpolate(luma[None, None].float(), size=size, mode="bicubic", antialias=True)
        margin = round(_MARGIN * _SIDE)
        padded = F.pad(enlarged, (margin,) * 4, mode="replicate")[0, 0].clamp(0, 1)
        smallest = round(_SMALLEST * min(size))
        found = self._cascade.detectMultiScale(
            (padded * 255.99).byte().numpy(), _STEP, _NEIGHBOURS, minSize=(smallest, smallest), maxSize=(_SIDE, _SIDE)
        )
        if not len(found):
            return (math.nan,) * 3
        x, y, side, _ = max(found, key=lambda box: box[2])
        across, down = (x + side / 2 - margin) / size[1], (y + side / 2 - margin) / size[0]
        return 2 * across - 1, 1 - 2 * down, side / min(size)


def _loaded() -> Any:
    try:
        import cv2
        from cv2.data import haarcascades

        cascade = cv2.CascadeClassifier(haarcascades + _CASCADE)
    except (ImportError, AttributeError) as error:
        raise MissingExtraError(_NEEDED) from error
    if cascade.empty():
        raise MissingExtraError(_NEEDED)
    return cascade
