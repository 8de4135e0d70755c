from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.func import jvp, vmap
from toys import linear

from orojar_cli.detectors import load_detector
from orojar_cli.measures import MetricSettings
from orojar_cli.measures.path_length import path_length, slerp

MATRIX = torch.randn(16, 6, generator=torch.Generator().manual_seed(0))


def test_path_length_of_a_linear_generator() -> None:
    """In w the speed is A (b - a) everywhere; in z, at the start of a slerp, A omega / sin(omega) (b - cos(omega) a)."""
    generator, settings = linear(MATRIX), MetricSettings(images=50, subject="toy")
    found = {measurement.metric: measurement for measurement in path_length(generator, None, settings)}
    assert set(found) == {"path_length_z_full", "path_length_z_end", "path_length_w_full", "path_length_w_end"}
    a, b = (settings.latents(generator, 50, stream).z for stream in (104, 105))
    speed = ((b - a) @ MATRIX.T).square().mean(1).numpy()
    for where in ("full", "end"):
        assert found[f"path_length_w_{where}"].per_latent == pytest.approx(speed, rel=0.02)
    cosine = (a * b).sum(1, keepdim=True) / a.norm(dim=1, keepdim=True) / b.norm(dim=1, keepdim=True)
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
