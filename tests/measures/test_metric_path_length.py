from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import jvp, vmap
from toys import linear

from orojar_cli.detectors import load_detector
from orojar_cli.measures import MetricSettings
from orojar_cli.measures.path_length import path_length, slerp, trimmed_mean

MATRIX = torch.randn(16, 6, generator=torch.Generator().manual_seed(0))


def test_path_length_of_a_linear_generator() -> None:
    """In w the speed is A (b - a) everywhere; in z, at the start of a slerp on the unit sphere times sqrt(z_dim), A omega / sin(omega)
    (b - cos(omega) a)."""
    generator, settings = linear(MATRIX), MetricSettings(images=50, subject="toy")
    found = {measurement.metric: measurement for measurement in path_length(generator, None, settings)}
    assert set(found) == {"path_length_z_full", "path_length_z_end", "path_length_w_full", "path_length_w_end"}
    a, b = (settings.latents(generator, 50, stream).z for stream in (104, 105))
    speed = ((b - a) @ MATRIX.T).square().mean(1).numpy()
    for where in ("full", "end"):
        assert found[f"path_length_w_{where}"].per_latent == pytest.approx(speed, rel=0.02)
    a, b = (6**0.5 * z / z.norm(dim=1, keepdim=True) for z in (a, b))
    cosine = (a * b).sum(1, keepdim=True) / 6
    angle = cosine.acos()
    tangent = angle / angle.sin() * (b - cosine * a)
    assert found["path_length_z_end"].per_latent == pytest.approx((tangent @ MATRIX.T).square().mean(1).numpy(), rel=0.02)
    assert all(measurement.subject == "toy" and measurement.better == "lower" for measurement in found.values())


def test_both_networks_are_measured_at_the_same_latents() -> None:
    settings = MetricSettings(images=20, subject="one", other="two")
    found = path_length(linear(MATRIX), linear(2 * MATRIX), settings)
    assert [measurement.subject for measurement in found] == ["one"] * 4 + ["two"] * 4
    for one, two in zip(found[:4], found[4:], strict=True):
        assert two.per_latent == pytest.approx(4 * one.per_latent, rel=0.02)


def test_a_real_network_and_detector_have_the_speed_of_their_derivative(shapes) -> None:
    """float32 differences over 1e-4 against exact forward-mode derivatives."""
    generator, detector = shapes.generator, load_detector("critic", shapes.critic)
    settings = MetricSettings(images=12, detector=detector)
    found = {measurement.metric: measurement for measurement in path_length(generator, None, settings)}
    a, b = (generator.mapping.w(settings.latents(generator, 12, stream).z) for stream in (104, 105))

    def eye(w: torch.Tensor) -> torch.Tensor:
        return detector.perceptual(generator.synthesis(w.unsqueeze(1).expand(-1, 8, -1)))

    exact = jvp(eye, (a,), (b - a,))[1].square().sum(1)
    assert np.median(found["path_length_w_end"].per_latent / exact.numpy()) == pytest.approx(1, abs=0.05)
    assert found["path_length_w_end"].value == pytest.approx(float(exact.mean()), rel=0.1)


def test_slerp_keeps_to_the_sphere_and_to_the_angle() -> None:
    a, b = torch.tensor([[3.0, 0.0, 0.0], [1.0, 1.0, 1.0]]), torch.tensor([[0.0, 3.0, 0.0], [2.0, 2.0, 2.0]])
    third = torch.full((2, 1), 1 / 3)
    middle = slerp(a, b, third)
    assert middle[0] == pytest.approx(3 * torch.tensor([3**0.5 / 2, 0.5, 0.0]), abs=1e-6)
    assert middle[1] == pytest.approx(torch.full((3,), 4 / 3), abs=1e-5)
    assert vmap(slerp)(a[None], b[None], torch.zeros(1, 2, 1))[0] == pytest.approx(a)


def test_the_lowest_and_highest_hundredth_are_left_out() -> None:
    """Of 1, 2, …, 200 with two outliers: percentile 1 is number 1 of 0..199 (method "lower"), percentile 99 number 198."""
    values = np.arange(1.0, 201.0)
    values[[0, 199]] = -1e6, 1e6
    value, influences = trimmed_mean(np.random.default_rng(0).permutation(values))
    assert value == pytest.approx(np.arange(2.0, 200.0).mean()) and influences.mean() == pytest.approx(value)
    assert np.abs(influences).max() < 1000 and trimmed_mean(np.arange(20.0))[0] == pytest.approx(9.5)
    generator, settings = linear(MATRIX), MetricSettings(images=400, subject="toy")
    found = path_length(generator, None, settings)[-1]
    a, b = (settings.latents(generator, 400, stream).z for stream in (104, 105))
    speed = ((b - a) @ MATRIX.T).square().mean(1).double().numpy()
    assert found.value == pytest.approx(np.sort(speed)[3:-3].mean(), rel=0.01)
    assert found.details["untrimmed"] == pytest.approx(speed.mean(), rel=0.01) != found.value
    assert "VGG16" in found.source and found.settings["trimmed"] == "1 % at either end"


def test_the_length_of_z_does_not_matter_and_noise_is_that_of_the_pair(shapes, monkeypatch) -> None:
    settings = MetricSettings(images=12)
    generator = shapes.generator
    generator.synthesis.b32.conv1.noise_strength.data.fill_(0.5)
    plain = path_length(generator, None, settings)
    draw = MetricSettings.latents
    monkeypatch.setattr(MetricSettings, "latents", lambda self, *more: replace(found := draw(self, *more), z=3 * found.z))
    for one, two in zip(plain[:2], path_length(generator, None, settings)[:2], strict=True):
        assert np.median(two.per_latent / one.per_latent) == pytest.approx(1, abs=0.02)
    # Noise that differed between the two images of a pair would give speeds of 1e6 and more.
    assert max(measurement.value for measurement in plain) < 1e4
    monkeypatch.undo()
    monkeypatch.setattr(generator.synthesis, "takes_noise", False)
    assert abs(path_length(generator, None, settings)[0].value / plain[0].value - 1) > 1e-4
