"""Load a checkpoint, find directions, edit pictures, save them: the library in thirty lines.

python examples/edit_pictures.py checkpoints/shapes32.pkl edited.png
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from orojar_cli import load_checkpoint
from orojar_cli.directions import METHODS, Settings
from orojar_cli.latents.points import seed_latents
from orojar_cli.media import labelled_grid, resize, save_image
from orojar_cli.pictures.walk import Renderer
from orojar_cli.response.outputs import default_output


def main(path: str, out: str) -> None:
    generator = load_checkpoint(path).generator
    settings = Settings(space="w", num=6, samples=32, subspace=6, outputs=(default_output(generator),))
    directions = METHODS["orojar"](generator, settings)

    at = seed_latents(generator, seeds=(0, 1, 2), psi=0.9)
    ws = generator.mapping(at.z, at.label, at.psi, at.cutoff)  # [3, num_ws, w_dim]
    renderer = Renderer(generator)
    rows = []
    for index in range(len(directions)):
        steps = directions.displacement(index, torch.tensor([-2.0, 0.0, 2.0], device="cpu"))  # [3, w_dim]
        edited = (ws.unsqueeze(1) + steps[None, :, None]).flatten(0, 1)
        rows.append(resize(renderer.images(edited), 64))
    labels = [f"dim {index}" for index in range(len(directions))]
    columns = [f"{strength:+g}" for _ in at.z for strength in (-2, 0, 2)]
    save_image(labelled_grid(np.stack(rows), row_labels=labels, column_labels=columns, group=3), out)
    print(f"wrote {out}: activeness {', '.join(f'{value:.3g}' for value in directions.activeness)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
