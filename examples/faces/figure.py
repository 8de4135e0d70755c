"""SeFa and OroJaR on a real face GAN: the same faces, six dimensions each, side by side.

    python examples/faces/figure.py --out faces.png

The weights are fetched once (face_weights.py).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from face_weights import FOLDER, fetch

from orojar_cli import load_checkpoint
from orojar_cli.directions import METHODS, DirectionSet, Settings
from orojar_cli.errors import OrojarError
from orojar_cli.latents.points import seed_latents
from orojar_cli.media import labelled_grid, resize, save_image, stacked
from orojar_cli.pictures.walk import Renderer, dimension_rows, strengths

# What a person sees change along OroJaR's most active dimensions of these weights with the settings below.
LABELS = ("brightness", "hair and top lighter", "head turns", "face against ground", "light from the side", "")
ROWS, SEEDS, EXTENT, STEPS = 6, (0, 1, 4, 2), 2.5, 5


def directions(generator: object) -> dict[str, DirectionSet]:
    """SeFa's first and OroJaR's most active six directions."""
    settings = Settings(space="z", num=None, samples=96, subspace=32)
    found = METHODS["orojar"](generator, settings)
    sefa = METHODS["sefa"](generator, Settings(space="w", whiten=False, num=ROWS))
    return {"SeFa": sefa, "OroJaR": found.select(range(ROWS))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("faces.png"))
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the weights are kept")
    options = parser.parse_args()
    generator = load_checkpoint(fetch(options.folder)).generator
    at, renderer, values = seed_latents(generator, SEEDS), Renderer(generator), strengths(EXTENT, STEPS)
    grids = []
    for name, found in directions(generator).items():
        rows = dimension_rows(renderer, at, found, range(ROWS), values)
        named = LABELS if name == "OroJaR" else ("",) * ROWS
        grids.append(
            labelled_grid(
                np.stack([resize(row, 64) for row in rows]),
                row_labels=[f"dim {index}\n{label}" for index, label in enumerate(named)],
                column_labels=[f"{value:+.3g}" for _ in SEEDS for value in values],
                group=STEPS,
                title=f"{name}, the same four faces, strength in sigmas",
            )
        )
    save_image(stacked(grids), options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    try:
        main()
    except OrojarError as error:
        sys.exit(str(error))
