"""Does turning the axes after plain training beat training with a penalty?  The sprites world, the papers' own simple generator.

    python examples/benchmark/post_hoc.py --networks post_hoc

Trains three generators (seeds 0, 1, 2) plainly, three with the OroJaR loss and three with the Hessian Penalty, with
`examples/worlds/train.py` and otherwise equal options, into the folder, and measures the axes of each as trained, and of the plain ones
after `orojar finetune`.  One training takes about ten minutes on one thread, all nine an hour and a half; an interrupted one goes on
where it was.  Figures are kept in examples/benchmark/results/.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import subprocess
import sys
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from known_worlds import QUICK_YARDSTICK, RESULTS, SEEDS, YARDSTICK
from record import Record, read, subject
from rendering import Column, table
from shapes_world import Row as Method
from shapes_world import directions_of
from torch import Tensor

from orojar_cli import load_checkpoint
from orojar_cli.cli.process import keep_freed_memory
from orojar_cli.directions import Settings
from orojar_cli.errors import OrojarError
from orojar_cli.measures import MetricSettings, ground_truth, orthogonality
from orojar_cli.response.outputs import default_output

sys.path.insert(0, str(Path(__file__).parents[1] / "worlds"))
import sprites
from cleanness import clean
from disentanglement import energy_distance

TRAIN = Path(__file__).parents[1] / "worlds" / "train.py"
KIMG = 250
COMMON = ["--world=sprites", "--architecture=convolutional", "--resolution=32", "--width=16", "--most=64", "--latent=16", "--lr=0.001"]
TRAININGS = {
    "plain": (),
    "orojar": ("--penalty", "orojar", "--penalty-weight", "1"),
    "hessian": ("--penalty", "hessian", "--penalty-weight", "0.001"),
}
PICTURES = 2000
_COLUMNS = (
    ("D", "disentanglement", 3, max),
    ("C", "completeness", 3, max),
    ("purity", "best_purity", 3, max),
    ("MIG", "mig", 3, max),
    ("modularity", "modularity", 3, max),
    ("SAP", "sap", 3, max),
    ("FactorVAE", "factor_vae", 3, max),
    ("DCI D", "dci_disentanglement", 3, max),
    ("DCI C", "dci_completeness", 3, max),
    ("OroJaR loss", "orojar_loss", 3, min),
    ("mean cosine", "mean_cosine", 3, min),
    ("clean", "clean", 3, max),
    ("energy distance", "energy_distance", 4, min),
)
COLUMNS = tuple(Column(title, key, digits, best=best) for title, key, digits, best in _COLUMNS)


@dataclass(frozen=True)
class Row:
    """How the generators were trained, and how their axes were found afterwards."""

    name: str
    training: str
    method: str = "axes"


ROWS = (
    Row("plain training, z as trained", "plain"),
    Row("plain training, SeFa", "plain", "sefa"),
    Row("plain training, then `orojar finetune`", "plain", "rotation"),
    Row("trained with the OroJaR loss", "orojar"),
    Row("trained with the Hessian Penalty", "hessian"),
)


def train(folder: Path, kimg: float, *further: str) -> dict[tuple[str, int], Path]:
    """The networks of every training and seed; those that are not there are trained, one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    networks = {}
    for training, options in TRAININGS.items():
        for seed in SEEDS:
            path = networks[training, seed] = folder / f"{training}-{seed}.pth"
            asked = ("--kimg", str(kimg), "--seed", str(seed), "--out", str(path))
            # A training that is at its end only says so.
            subprocess.run([sys.executable, str(TRAIN), *COMMON, *options, *asked, *further], check=True)
    return networks


@torch.no_grad()
def quality(generator: Any, seed: int, pictures: int) -> dict[str, float]:
    """Share of clean pictures, and the energy distance to as many of the world's, averaged over blocks of eight pixels."""
    rng = torch.Generator().manual_seed(1_000_000 + seed)
    drawn: Tensor = torch.cat([generator(z) for z in torch.randn(pictures, generator.z_dim, generator=rng).split(250)])
    world = sprites.render(sprites.Scenes.sample(pictures, rng), drawn.shape[-1])
    halved = (torch.nn.functional.avg_pool2d(images, 2) for images in (drawn, world))
    return {"clean": float(clean(drawn, "sprites").mean()), "energy_distance": energy_distance(*halved)}


def measure(generator: Any, row: Row, seed: int, yardstick: dict[str, int]) -> dict[str, float]:
    """Every score of a network's axes; the seed draws what the method and the scores are measured at."""
    generator = copy.deepcopy(generator)
    outputs = (default_output(generator),)
    space = "w" if row.method == "sefa" else "z"  # which are the same here
    method, settings = Method("", row.method, space, samples=None), Settings(space, False, None, None, 128, seed, outputs=outputs)
    found, cost = directions_of(generator, method, settings)
    asked = MetricSettings(samples=yardstick["latents"], images=yardstick["images"], seed=seed, world="sprites")
    measured = [*ground_truth(generator, found, asked), *orthogonality(generator, found, replace(asked, output=outputs[0]))]
    scores = {measurement.metric: measurement.value for measurement in measured}
    return scores | quality(generator, seed, min(PICTURES, yardstick["images"])) | {"seconds": cost.seconds}


def caption(about: dict[str, Any]) -> str:
    """What the table's figures are."""
    latents, images, kimg = about["yardstick"]["latents"], about["yardstick"]["images"], about["training"]["kimg"]
    return (
        f"*Mean ± standard deviation over three networks a training (seeds 0, 1, 2; {kimg:g} thousand pictures each). D, C, purity: of the "
        f"changes of the factors at {latents} latents; MIG (equal counts) to DCI: of {images:,} images; OroJaR loss (normalised) and mean "
        f"cosine: of the Jacobian's columns at as many latents as D. Clean: share of {PICTURES:,} pictures, by "
        f"`examples/worlds/cleanness.py`; energy distance to as many of the world's.*"
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=Path, default=Path("post_hoc"), metavar="FOLDER", help="where the trained networks are kept")
    parser.add_argument("--write-only", action="store_true", help="print the table of the figures that are there")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where the figures are kept")
    parser.add_argument("--quick", action="store_true", help="next to nothing, to see that all runs")
    options = parser.parse_args(argv)
    if options.quick and options.results == RESULTS:
        parser.error("--quick is no measurement: name another --results")
    path = options.results / "post-hoc.json"
    if not options.write_only:
        torch.set_num_threads(1)
        keep_freed_memory()
        kimg = 0.064 if options.quick else KIMG
        networks = train(options.networks, kimg, *(("--width", "4", "--most", "8") if options.quick else ()))
        hashes = "".join(hashlib.sha256(network.read_bytes()).hexdigest() for network in networks.values())
        about = subject(hashlib.sha256(hashes.encode()).hexdigest(), QUICK_YARDSTICK if options.quick else YARDSTICK)
        about["training"] = {"kimg": kimg, "common": COMMON, "options": {name: list(given) for name, given in TRAININGS.items()}}
        record = Record(path, about)
        for row in ROWS:
            for seed in SEEDS:
                if not record.has(row, seed):
                    generator = load_checkpoint(networks[row.training, seed]).generator
                    record.add(row, seed, measure(generator, row, seed, about["yardstick"]))
                    print(f"{row.name}, seed {seed}: measured", file=sys.stderr, flush=True)
    found = read(path)
    rows = {row.name: found["rows"][row.name]["runs"] for row in ROWS if row.name in found["rows"]}
    print(f"{table('axes', COLUMNS, rows)}\n\n{textwrap.fill(caption(found['subject']), 140)}")


if __name__ == "__main__":
    try:
        main()
    except (OrojarError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
