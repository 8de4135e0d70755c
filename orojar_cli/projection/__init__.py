"""Projection: the latent whose picture is nearest to a given one."""

from orojar_cli.projection.distance import PictureDistance, decibels
from orojar_cli.projection.photograph import as_target, read_photograph
from orojar_cli.projection.projector import Projection, ProjectionSettings, Track, project

__all__ = ["PictureDistance", "Projection", "ProjectionSettings", "Track", "as_target", "decibels", "project", "read_photograph"]
