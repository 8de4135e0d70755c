"""Latents of a seed: the same at every call, and independent from stream to stream."""

from __future__ import annotations

import itertools

import pytest
import torch
from toys import linear

from orojar_cli.directions import METHODS, Settings
from orojar_cli.measures import MetricSettings
from orojar_cli.tuning.classes import AllClasses

GENERATOR = linear(torch.eye(4))


@pytest.mark.parametrize("kind", [Settings, AllClasses, MetricSettings])
def test_streams_are_independent_draws_that_can_be_repeated(kind) -> None:
    settings = kind(seed=3)
    streams = [settings.latents(GENERATOR, 4000, stream).z for stream in (0, 1, 10, 11, 100, 104)]
    for first, second in itertools.combinations(streams, 2):
        assert not (first == second).any()
        # Of 16 correlations of 4000 pairs each the largest is seldom beyond 4 / sqrt(4000).
        assert float((first.T @ second / 4000).abs().max()) < 0.07
    assert torch.equal(settings.latents(GENERATOR, 4000, 10).z, streams[2])
    assert not (kind(seed=4).latents(GENERATOR, 4000, 10).z == streams[2]).any()


def test_every_metric_looks_at_the_latents_of_its_seed() -> None:
    for stream in (100, 106):
        measured = MetricSettings(seed=5).latents(GENERATOR, 8, stream)
        assert torch.equal(measured.z, Settings(seed=5).latents(GENERATOR, 8, (1 << 30) + stream).z)


def test_over_all_classes_z_stay_and_labels_are_drawn_anew(conditional) -> None:
    generator, one = conditional.generator, Settings(seed=1, class_index=2)
    found = [AllClasses.of(one).latents(generator, 500, stream) for stream in (7, 8)]
    assert torch.equal(found[0].z, one.latents(generator, 500, 7).z)
    assert not torch.equal(found[0].label, found[1].label)
    shares = torch.cat([at.label for at in found]).mean(0)
    assert torch.allclose(shares, torch.full_like(shares, 1 / generator.c_dim), atol=0.06)


def test_an_optimisation_of_any_length_never_sees_what_metrics_measure_at(monkeypatch: pytest.MonkeyPatch) -> None:
    streams: list[int] = []
    draw = Settings.latents

    def recorded(self: Settings, generator, count: int, stream: int = 0):
        streams.append(stream)
        return draw(self, generator, count, stream)

    monkeypatch.setattr(Settings, "latents", recorded)
    generator = linear(torch.randn(16, 3, generator=torch.Generator().manual_seed(0)))
    METHODS["orojar-sgd"](generator, Settings("z", num=2, options={"steps": 130, "batch": 2}))
    found = set(streams)
    streams.clear()
    for stream in range(200):
        MetricSettings().latents(generator, 2, stream)
    assert len(found) > 130 and not found & set(streams) and min(streams) > 10**9
