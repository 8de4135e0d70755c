"""Feature networks that tell pictures apart, one per file: what distribution distances and perceptual distances are measured with."""

from __future__ import annotations

from orojar_cli.detectors.catalogue import BUILT_IN, load_detector
from orojar_cli.detectors.detector import Detector

__all__ = ["BUILT_IN", "Detector", "load_detector"]
