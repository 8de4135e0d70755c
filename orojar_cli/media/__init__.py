"""Pictures and films: pixels, labelled grids, image files, animations."""

from orojar_cli.media.animation import save_animation
from orojar_cli.media.data_uri import data_uri, file_uri, picture_html
from orojar_cli.media.film_frame import FrameComposer
from orojar_cli.media.grid import captioned, labelled_grid, stacked, tile
from orojar_cli.media.image_file import PICTURES, WITH_ALPHA, save_image
from orojar_cli.media.metadata import read_metadata
from orojar_cli.media.numbered import Numbered, numbered
from orojar_cli.media.pixels import centred, display_size, from_uint8, resize, to_uint8
from orojar_cli.media.table import table_html, table_picture

__all__ = [
    "PICTURES",
    "WITH_ALPHA",
    "FrameComposer",
    "Numbered",
    "captioned",
    "centred",
    "data_uri",
    "display_size",
    "file_uri",
    "from_uint8",
    "labelled_grid",
    "numbered",
    "picture_html",
    "read_metadata",
    "resize",
    "save_animation",
    "save_image",
    "stacked",
    "table_html",
    "table_picture",
    "tile",
    "to_uint8",
]
