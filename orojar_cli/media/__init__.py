"""Pictures and films: pixels, labelled grids, image files, animations."""

from orojar_cli.media.animation import save_animation
from orojar_cli.media.film_frame import FrameComposer
from orojar_cli.media.grid import labelled_grid, tile
from orojar_cli.media.image_file import read_metadata, save_image
from orojar_cli.media.pixels import display_size, resize, to_uint8

__all__ = ["FrameComposer", "display_size", "labelled_grid", "read_metadata", "resize", "save_animation", "save_image", "tile", "to_uint8"]
