"""What sees pictures: feature networks that tell them apart, one per file, for distances of distributions and perceptual ones; and
attributes, named numbers of an image."""

from __future__ import annotations

from orojar_cli.detectors.attributes import Attribute, Attributes
from orojar_cli.detectors.catalogue import BUILT_IN, MEASURED, load_attributes, load_detector
from orojar_cli.detectors.detector import Detector

__all__ = ["BUILT_IN", "MEASURED", "Attribute", "Attributes", "Detector", "load_attributes", "load_detector"]
