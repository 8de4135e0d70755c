"""A comparison made of invented numbers, whose verdicts are known beforehand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from orojar_cli.directions import DirectionSet
from orojar_cli.measures import Measurement
from orojar_cli.report.calibration import Calibration
from orojar_cli.report.collect import Comparison
from orojar_cli.report.contender import Contender
from orojar_cli.report.drawings import Drawings, ImageChoice, WalkDrawing, film_uri, picture
from orojar_cli.report.verdict import differences

HOSTILE_LABEL = "<script>alert(1)</script>"
HOSTILE_PATH = "/tmp/\"quoted\" & 'single' <b>.pkl"
NAMES = ("good", "bad <i>set</i>", "worse")
LATENTS, DIMENSIONS = 60, 4


def measurement(
    metric: str, subject: str, values: np.ndarray | None, value: float = 0.0, better: str | None = "lower", **details
) -> Measurement:
    mean = value if values is None else float(values.mean())
    half = 0.0 if values is None else 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5
    interval = None if values is None else (mean - half, mean + half)
    settings = {"samples": LATENTS, "seed": 0}
    return Measurement(metric, subject, mean, interval, better, "a paper & its <equation>", settings, details, values)


def toy_comparison(gap: float = 0.5) -> Comparison:
    """Three sets; on "orojar_loss" the first is better by `gap`, where the noise of single latents is 0.1 and shared by half."""
    rng = np.random.default_rng(0)
    shared = rng.normal(1.0, 0.1, LATENTS)
    loss, cosine, untested, active, truth = [], [], [], [], []
    for place, name in enumerate(NAMES):
        matrix = np.eye(DIMENSIONS) + 0.1 * (1 - np.eye(DIMENSIONS))
        loss.append(measurement("orojar_loss", name, shared + rng.normal(0, 0.1, LATENTS) + (gap if place else 0.0)))
        cosine.append(measurement("mean_cosine", name, rng.normal(0.4, 0.1, LATENTS), cosine_matrix=matrix.tolist()))
        untested.append(measurement("a_new_metric", name, None, 0.001 + place, "higher"))
        dimensions = {"dimensions": [0.4, 0.3, 0.2, 0.1], "dimension_intervals": [[0.39, 0.41], [0.2, 0.4], [0.1, 0.3], None]}
        active.append(measurement("activeness", name, rng.normal(2e-7, 1e-8, LATENTS), better=None, **dimensions))
        response = {"response": rng.uniform(0, 1, (DIMENSIONS, 2)).tolist(), "factors": ["x", "hue"]}
        truth.append(measurement("disentanglement", name, rng.normal(0.2, 0.1, LATENTS), better="higher", **response))
    measurements = {found[0].metric: found for found in (loss, cosine, untested, active, truth)}
    subjects = []
    for name in NAMES:
        directions = DirectionSet(
            directions=torch.eye(DIMENSIONS),
            sigma=torch.ones(DIMENSIONS),
            activeness=torch.tensor([0.4, 0.3, 0.2, 0.1]),
            method="toy",
            space="w",
            layers=(0, 1, 2),
            checkpoint="0" * 64,
            labels=(HOSTILE_LABEL, "", "x position", ""),
        )
        checkpoint = SimpleNamespace(path=HOSTILE_PATH, sha256="0" * 64)
        subjects.append(Contender(name, checkpoint, directions, HOSTILE_PATH if name == "worse" else None, 1.25))
    steps, unit = torch.tensor([0.5, 0.75, 1.5, 2.5]), torch.tensor([0.2, 0.15, 0.1, 0.02])
    calibration = Calibration(0.123, steps, torch.tensor([0.123, 0.123, 0.123, 0.05]), unit)
    agreements = [
        (
            "good",
            NAMES[1],
            [
                measurement("subspace_agreement", "both", None, 0.625, None, by_chance=0.25),
                measurement("direction_agreement", "both", None, 0.875, None, by_chance=0.125),
            ],
        ),
    ]
    network = measurement("frechet_distance", "other.pkl", rng.normal(3, 0.1, LATENTS), floor=0.0321, title="Fréchet distance (pixels)")
    skipped = {"vp of good": "no images & no time"}
    return Comparison(subjects, [calibration] * 3, measurements, differences(measurements), [network], agreements, skipped, {"a": 3.5})


def toy_pictures(comparison: Comparison) -> Drawings:
    rng = np.random.default_rng(0)

    def walk() -> WalkDrawing:
        frames = rng.integers(0, 255, (4, 17, 17, 3), np.uint8)
        return WalkDrawing((picture(np.concatenate(list(frames), 1)),) * 2, picture(frames[0]), film_uri(list(frames)))

    return Drawings([[walk() for _ in range(DIMENSIONS)] for _ in comparison.subjects], ImageChoice((0, 1, 2, 3)), 32)
