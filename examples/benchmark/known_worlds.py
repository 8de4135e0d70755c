"""Measure methods on a network that draws a world with known factors, by the scores of the field's tables, and print them.

    python examples/benchmark/known_worlds.py
    python examples/benchmark/known_worlds.py --world bars

The scores are those of `orojar metrics --metric ground_truth` (docs/report.md).  Figures are kept in examples/benchmark/results/; an
interrupted measurement goes on where it was.  Worlds and the networks on them: examples/worlds/.
"""

from __future__ import annotations

import argparse
import copy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from record import Record, read, subject
from rendering import Column, section
from shapes_world import COUNT, ROWS, Row, directions_of

from orojar_cli import load_checkpoint
from orojar_cli.cli.process import keep_freed_memory
from orojar_cli.directions import DirectionSet, Settings
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.errors import OrojarError
from orojar_cli.latents.moments import latent_samples
from orojar_cli.measures import MetricSettings, ground_truth
from orojar_cli.measures.worlds import WORLDS, World
from orojar_cli.response.outputs import default_output

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"
NETWORKS = {"shapes": "shapes32.pkl", "bars": "bars64.pkl", "sprites": "sprites32.pth"}
SEEDS = (0, 1, 2)
YARDSTICK, QUICK_YARDSTICK = {"latents": 128, "images": 2000}, {"latents": 8, "images": 100}
_FIT_STREAM = 60
_TITLES = {
    "disentanglement": "D",
    "completeness": "C",
    "best_purity": "purity",
    "mig": "MIG, equal counts",
    "mig_equal_width": "MIG, equal widths",
    "modularity": "modularity",
    "sap": "SAP",
    "factor_vae": "FactorVAE",
    "dci_disentanglement": "DCI D",
    "dci_completeness": "DCI C",
    "dci_informativeness": "DCI I",
}


_SHARED = (
    "w, random",
    "w, SeFa",
    "w, GANSpace",
    "w, orojar",
    "whitened w, random",
    "whitened w, orojar",
    "z axes after `orojar finetune`",
    "z axes after `orojar finetune --mode mapping`",
)


class Table:
    """What `rendering.section` asks of a table."""

    TITLE = "directions"
    COLUMNS = tuple(Column(title, key, 2, best=max) for key, title in _TITLES.items())
    ROWS = (
        *(row for row in ROWS if row.name in _SHARED),
        Row("whitened w, fitted to the factors in 20,000 images", "supervised", whiten=True, samples=20_000),
    )

    @staticmethod
    def caption(yardstick: dict[str, int]) -> str:
        return (
            f"D, C and purity: of the changes of the factors at {yardstick['latents']} latents; all others: of the coordinates and the "
            f"measured factors of {yardstick['images']:,} images, which are the same for every row of a seed."
        )


@torch.no_grad()
def supervised(generator: Any, settings: Settings, world: World) -> DirectionSet:
    """The gradient of every factor's best linear fit to the frame's coordinates over `settings.samples` images: what straight directions
    can do that are told the factors.  One direction for a number, two for the cosine and sine of an angle, one for each category.
    """
    frame = Frame.of(generator, settings)
    at = settings.latents(generator, settings.samples, _FIT_STREAM)
    w = latent_samples(generator, at, settings.space).double()
    coordinates = torch.linalg.lstsq(frame.steps.T.double(), (w - w.mean(0)).T, driver="gelsd").solution.T
    values = torch.cat([world.measure(generator(part)) for part in at.z.split(250)]).numpy()
    targets = torch.cat([torch.from_numpy(factor.targets(column)) for factor, column in zip(world.factors, values.T, strict=True)], 1)
    fit = torch.linalg.lstsq(coordinates, (targets - targets.mean(0)).double()).solution.T
    return finished(generator, settings, frame, fit / fit.norm(dim=1, keepdim=True), "supervised", by_activeness=False, measured=False)


def measure(generator: Any, world: str, row: Row, seed: int, yardstick: dict[str, int]) -> dict[str, float]:
    """Every score of one row's ten directions; the seed draws what the method and the scores are measured at."""
    outputs = (default_output(generator),)
    settings = Settings(row.space, row.whiten, None, row.num, row.samples or 128, seed, COUNT, outputs, options=row.options)
    if row.method == "supervised":
        found, cost = supervised(generator, replace(settings, subspace=None), WORLDS[world]), {}
    else:
        generator = copy.deepcopy(generator)  # which some rows tune
        found, spent = directions_of(generator, row, settings)
        cost = {"seconds": spent.seconds, "evaluations": spent.evaluations}
    asked = MetricSettings(samples=yardstick["latents"], images=yardstick["images"], seed=seed, world=world)
    scores = {measurement.metric: measurement.value for measurement in ground_truth(generator, found, asked)}
    return scores | cost


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=list(WORLDS), default="shapes")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="a network on it [default: that in checkpoints/]")
    parser.add_argument("--rows", default="", metavar="TEXT", help="measure only rows whose name contains this")
    parser.add_argument("--write-only", action="store_true", help="measure nothing, print the table of the figures that are there")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where the figures are kept")
    parser.add_argument("--quick", action="store_true", help="next to nothing on one seed, to see that all runs")
    options = parser.parse_args(argv)
    if options.quick and options.results == RESULTS:
        parser.error("--quick is no measurement: name another --results")
    name = options.world
    path = options.results / f"world-{name}.json"
    if not options.write_only:
        torch.set_num_threads(1)
        keep_freed_memory()
        loaded = load_checkpoint(options.checkpoint or ROOT / "checkpoints" / NETWORKS[name])
        about = subject(loaded.sha256, QUICK_YARDSTICK if options.quick else YARDSTICK)
        record = Record(path, about)
        mapped = loaded.generator.config.mapping.num_layers > 0
        rows = [row for row in Table.ROWS if options.rows in row.name and (mapped or row.method != "mapping")]
        for row in (row.quick() if options.quick else row for row in rows):
            for seed in SEEDS[:1] if options.quick else SEEDS:
                if not record.has(row, seed):
                    figures = measure(loaded.generator, name, row, seed, about["yardstick"])
                    record.add(row, seed, figures)
                    told = ", ".join(f"{key} {figures[key]:.3f}" for key in _TITLES)
                    print(f"{row.name}, seed {seed}: {told}", file=sys.stderr, flush=True)
    print(section(Table, read(path)))


if __name__ == "__main__":
    try:
        main()
    except OrojarError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
