"""The combination of a few dimensions that leads from one set of pictures to another."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orojar_cli.directions import DirectionSet, Settings
from orojar_cli.directions.coordinates import Coordinates
from orojar_cli.directions.frame import measured_activeness
from orojar_cli.directions.labels import checked_label
from orojar_cli.errors import NumericalError, OptionError
from orojar_cli.generators.checks import check_noise_mode
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.projected import ProjectedLatents, save_projected
from orojar_cli.measures.separation import LEAST, Separation, separation
from orojar_cli.media import picture_html
from orojar_cli.media.table import table_html
from orojar_cli.numbers import check_seed, check_whole
from orojar_cli.operations.discover import Discovery, default_grid, write_discovery
from orojar_cli.operations.network import check_noise, quiet, say_white, shown_class
from orojar_cli.operations.project import project
from orojar_cli.operations.resolve import Source
from orojar_cli.operations.sides import Side, chosen_sides, random_side, side_of
from orojar_cli.operations.traverse import source_of
from orojar_cli.pictures.axes import STEPS, Look
from orojar_cli.pictures.recipe import direction_identity
from orojar_cli.progress import Notice, Progress, lasting, unseen
from orojar_cli.response.budget import seconds_each, timed_batch
from orojar_cli.response.outputs import Output
from orojar_cli.runs.clock import timed
from orojar_cli.runs.resume import Partial, resumable
from orojar_cli.runs.run import RunWriter, written_at

# What a projection costs in images drawn, for the line that says how long: on the bundled network a step takes 17, of the several starts
# that are followed for a quarter of the steps and of going forward and back.
_CANDIDATES, _STEP_IMAGES = 1000, 17
# Coordinates of one picture computed twice agree to so many decimals.
_DECIMALS = 4


@dataclass(frozen=True, repr=False)
class Found(Discovery):
    """One direction, which a few dimensions of the set `within` make up, and how well it separates (`evidence`).

    `middles` [2, K] are the mean coordinates of the examples and of the others along the set's K dimensions, in sigmas.
    """

    within: DirectionSet = field(kw_only=True)
    evidence: Separation = field(kw_only=True)
    counts: tuple[int, int] = field(kw_only=True)
    middles: np.ndarray = field(kw_only=True)

    def __repr__(self) -> str:
        return f"<Found, {' '.join(self.edits())} of {self.checkpoint.name}: {self.score()}{written_at(self.run)}>"

    def edits(self) -> list[str]:
        """One sigma of the direction as edits of the set that it was found in: "3:+0.83", the largest first."""
        return [f"{entry['dimension']}:{entry['weight']:+.2f}" for entry in self.weights()]

    def score(self) -> str:
        """The held-out score with its interval and the shuffled sides, in a sentence."""
        evidence, (low, high) = self.evidence, self.evidence.interval
        ways = "of all ways to deal the sides" if evidence.exact else "of 9,999 random deals of the sides"
        verdict = "better than chance" if evidence.better_than_chance else "not shown to be better than chance"
        return (
            f"held-out AUC {evidence.auc:.2f} (95 %: {low:.2f} to {high:.2f}) of {self.counts[0]} examples and {self.counts[1]} others; "
            f"{evidence.p:.2%} {ways} differ as much: {verdict}"
        )

    def weights(self) -> list[dict[str, Any]]:
        """The dimensions of the combination, the largest weight first; the squares of the weights sum to 1."""
        chosen = sorted(np.flatnonzero(self.evidence.weights).tolist(), key=lambda index: -abs(self.evidence.weights[index]))
        return [
            {
                "dimension": index,
                "label": self.within.labels[index],
                "weight": float(self.evidence.weights[index]),
                "kept": float(self.evidence.kept[index]),
                "examples": float(self.middles[0, index]),
                "others": float(self.middles[1, index]),
            }
            for index in chosen
        ]

    def to_dict(self) -> dict[str, Any]:
        """What was found, JSON-serialisable; with a run also where it is."""
        evidence = self.evidence
        return super().to_dict() | {
            "weights": self.weights(),
            "auc": evidence.auc,
            "interval": list(evidence.interval),
            "p": evidence.p,
            "exact": evidence.exact,
            "better_than_chance": evidence.better_than_chance,
            "examples": self.counts[0],
            "others": self.counts[1],
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows) of the dimensions of the combination, in words."""
        rows = [
            [
                self.within.name(entry["dimension"]),
                f"{entry['weight']:+.2f}",
                f"{entry['kept']:.0%}",
                f"{entry['examples']:+.2f}",
                f"{entry['others']:+.2f}",
            ]
            for entry in self.weights()
        ]
        return ["dimension", "weight", "chosen in", "examples at", "others at"], rows

    def _repr_html_(self) -> str:
        return picture_html(self.show(), "the direction found") + table_html(*self.table()) + f"<p>{self.score()}</p>"


@timed
def find(
    network: Any,
    directions: Any = None,
    examples: Any = None,
    others: Any = None,
    *,
    chosen: str | os.PathLike[str] | None = None,
    num: int = 5,
    label: str = "",
    steps: int = 400,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    class_index: Any = None,
    psi: float = 1.0,
    cutoff: int | None = None,
    noise_mode: str = "const",
    device: str = "auto",
    outdir: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> Found:
    """The combination of at most `num` dimensions of a direction set that leads from `others` to `examples`, as a set of one direction.

    `network` and `directions` are as `traverse` takes them.  A side is a list of seeds, a file of ws or ws [N, num_ws, w_dim], or a folder:
    of such files (.npz of `project`), or of pictures, which are projected into w in `steps` each; without `others` it is random seeds.
    `chosen` takes both from a run whose images were marked in `explore` instead (or from a choices.json).  At least four of each.

    Every point's coordinates along the dimensions, in sigmas from the mean latent (`directions.coordinates`), go into a logistic regression
    with an L1 penalty (Tibshirani 1996), chosen by cross-validation; the score is the AUC of held-out points, with Hanley & McNeil's (1982)
    interval, and an exact test of shuffled sides (`measures.separation`).  One sigma of the direction is the weighted sum of one sigma of
    each dimension, the squares of the weights summing to 1: the same as these edits at once.  `label` names it.
    `seed` divides into folds, draws random others and seeds projections; `seeds`, `class_index`, `psi`, `cutoff` and `noise_mode` choose
    the images of the grid, and the last ones also the images of seeds on both sides.
    With `outdir` a numbered run is written, and `resume` goes on in the folder of an interrupted one.
    Raises OptionError for too few or shared points and for what does not fit the network, InputFileError for what cannot be read.
    """
    check_whole("num", num, 1)
    check_whole("steps", steps, 1, 100_000)
    check_seed(seed)
    check_noise_mode(noise_mode)
    label = checked_label(label) if label else ""
    if (examples is None) == (chosen is None) or (chosen is not None and others is not None):
        raise OptionError("name what is wanted: --examples (and --others), or --from with a run whose images were marked in orojar explore")
    if resume is not None and outdir is None:
        raise OptionError("resume continues a run that is written: give the outdir of its run, too")
    source = source_of(network, directions, device, notice)
    loaded, within = source.checkpoint, source.directions
    generator = loaded.generator
    check_noise(loaded, noise_mode, notice)
    say_white(generator, notice)
    class_index = shown_class(generator, class_index, "drawing and measuring", notice)
    drawn = class_index, psi, cutoff
    if chosen is not None:
        first, second = chosen_sides(chosen, source, notice)
    else:
        first, second = side_of(examples, source, *drawn), None if others is None else side_of(others, source, *drawn)
    _check_count("examples", len(first))
    if second is None:
        second = random_side(len(first), source, seed, first.seeds, *drawn)
        notice(f"others: {len(second)} random seeds; --others says otherwise")
    _check_count("others", len(second))
    if both := sorted(set(first.seeds) & set(second.seeds)):
        raise OptionError(f"seed {', '.join(map(str, both[:5]))} is on both sides; leave it out of one")
    if within.space == "z" and (first.pictures or second.pictures):
        raise OptionError("pictures are projected into w, and these directions are in z: use some in w, w+ or p")
    whiten = bool(within.options.get("whiten", False))
    settings = Settings(within.space, whiten, within.layers, num=1, seed=seed, class_index=class_index, psi=psi)
    shown, count = (tuple(seeds), STEPS) if seeds is not None else default_grid(generator, 1, notice)
    look = Look(seed_latents(generator, shown, class_index, psi, cutoff), shown, noise_mode, count)
    run = None if outdir is None else RunWriter(str(outdir), "find", loaded.run_name, resume, argv=argv)
    sides = {"examples": first, "others": second}
    identity = {"operation": "find", "checkpoint": loaded.sha256, "steps": steps, "seed": seed, "class": class_index}
    identity |= {name: _digests(side) for name, side in sides.items()}
    with run or contextlib.nullcontext(), resumable(None if run is None else run.path, identity, notice=notice) as partial:
        projected = _projected(sides, source, steps, seed, class_index, partial, progress or unseen, notice)
        of = Coordinates.of(generator, within, settings)
        coordinates = {
            name: torch.cat([of(points) for points in (*side.points, *([projected[name]] if name in projected else []))]).numpy()
            for name, side in sides.items()
        }
        rows = _distinct(coordinates["examples"], coordinates["others"], notice)
        evidence = separation(*rows, most=num, seed=seed)
        if not evidence.weights.any():
            raise NumericalError("the two sides have the same middle along every dimension: nothing leads from one to the other")
        counts, middles = (len(rows[0]), len(rows[1])), np.stack([side.mean(0) for side in rows])
        blank = _direction(within, evidence.weights, label, loaded.sha256, settings)
        steps_ = (blank.directions * blank.sigma.unsqueeze(1)).to(generator.device)
        active = measured_activeness(generator, settings, steps_, progress=progress)
        result = Found(loaded, blank, look, within=within, evidence=evidence, counts=counts, middles=middles)
        told = {key: value for key, value in result.to_dict().items() if key in _TOLD}
        found = dataclasses.replace(blank, activeness=active.cpu(), options=blank.options | told)
        result = dataclasses.replace(result, directions=found)
        if run is None:
            return result
        files = {f"{name}_w": f"{name}_w.npz" for name in projected}
        for name, points in projected.items():
            save_projected(run.path / files[f"{name}_w"], points.ws)
        recorded = found.options | {name: side.named for name, side in sides.items()} | {"seeds": shown, "noise_mode": noise_mode}
        return dataclasses.replace(result, run=write_discovery(run, result, recorded, progress, files))


_TOLD = ("weights", "auc", "interval", "p", "exact", "better_than_chance")


def _check_count(name: str, count: int) -> None:
    if count < LEAST:
        raise OptionError(f"--{name}: {count} of at least {LEAST} that are needed (20 say much more); name more")


def _direction(within: DirectionSet, weights: np.ndarray, label: str, sha256: str, settings: Settings) -> DirectionSet:
    """The set of one direction, a sigma of which is the weighted sum of the set's sigmas; its activeness is not measured."""
    step = torch.from_numpy(weights) @ (within.directions.cpu().double() * within.sigma.cpu().double().unsqueeze(1))
    length = step.norm()
    of = {"method": within.method, "identity": direction_identity(within)}
    return DirectionSet(
        directions=(step / length).float().unsqueeze(0),
        sigma=length.float().reshape(1),
        activeness=torch.zeros(1, device="cpu"),
        method="find",
        space=within.space,
        layers=within.layers,
        checkpoint=sha256,
        labels=(label,),
        options=settings.to_dict() | {"within": of},
    )


def _distinct(examples: np.ndarray, others: np.ndarray, notice: Notice) -> tuple[np.ndarray, np.ndarray]:
    """The points of each side once; raises OptionError for some on both sides, and where too few are left."""
    keys = [[row.tobytes() for row in side.round(_DECIMALS) + 0.0] for side in (examples, others)]
    if shared := set(keys[0]) & set(keys[1]):
        raise OptionError(f"{len(shared)} of the examples are among the others, too; leave them out of one side")
    kept = [sorted({key: row for row, key in reversed(list(enumerate(side)))}.values()) for side in keys]
    for name, side, rows in zip(("examples", "others"), keys, kept, strict=True):
        if len(rows) < len(side):
            notice(f"{name}: {len(side) - len(rows)} of {len(side)} are there twice and count once")
        _check_count(name, len(rows))
    return examples[kept[0]], others[kept[1]]


def _digests(side: Side) -> list[str]:
    """What tells the pictures of a side from others."""
    return [hashlib.sha256(picture.read_bytes()).hexdigest() for picture in side.pictures]


def _projected(
    sides: dict[str, Side], source: Source, steps: int, seed: int, class_index: Any, partial: Partial, progress: Progress, notice: Notice
) -> dict[str, ProjectedLatents]:
    """The ws of the sides' pictures, each with all that were projected before an interruption."""
    work = [(name, number, picture) for name, side in sides.items() for number, picture in enumerate(side.pictures)]
    found: dict[str, list[Tensor]] = {}
    generator = source.checkpoint.generator
    todo = [entry for entry in work if not partial.read(_section(*entry[:2]))]
    if todo:
        at = Settings(seed=seed, class_index=class_index).latents(generator, timed_batch(generator))
        images = _CANDIDATES + _STEP_IMAGES * steps
        notice(f"projecting {len(todo)} pictures into w: {lasting(len(todo) * images * seconds_each(generator, (Output(),), at))}")
    for done, (name, number, picture) in enumerate(work, 1):
        section = _section(name, number)
        kept = partial.read(section).get("ws")
        if kept is None:
            kept = project(picture, source.checkpoint, space="w", steps=steps, seed=seed, class_index=class_index).w.detach()
            partial.write(section, {"ws": kept}, at_once=True)
        found.setdefault(name, []).append(kept.to(generator.device))
        progress("projecting", done, len(work))
    return {name: ProjectedLatents(torch.cat(ws)) for name, ws in found.items()}


def _section(name: str, number: int) -> str:
    return f"{name}-{number}"
