"""Networks of real containers compute what the original code computes, and can be differentiated in every mode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import grad, jvp, vmap

from orojar_cli import Checkpoint, load_checkpoint
from orojar_cli.errors import OptionError

NAMES = ("sg2_cond_fp16_64", "sg2_from_sg3_repo_16", "sg2_resnet_gray_16", "sg2_skip_32")
pytestmark = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def loaded(references: Path) -> dict[str, tuple[Checkpoint, dict[str, Tensor]]]:
    result = {}
    for name in NAMES:
        expected = {key: torch.from_numpy(value) for key, value in np.load(references / f"{name}.npz").items()}
        result[name] = load_checkpoint(references / f"{name}.pkl"), expected
    return result


Loaded = dict[str, tuple[Checkpoint, dict[str, Tensor]]]


def assert_agrees(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape and actual.dtype == torch.float32
    assert float((actual - expected).abs().max()) <= 1e-4 * float(expected.abs().max())


@pytest.mark.parametrize("output", ["w", "w_trunc"])
def test_mapping_agrees(name: str, output: str, loaded: Loaded) -> None:
    checkpoint, expected = loaded[name]
    psi = 0.6 if output == "w_trunc" else 1.0
    assert_agrees(checkpoint.generator.mapping(expected["z"], expected.get("c"), psi), expected[output])


@pytest.mark.parametrize(
    ("output", "ws", "noise"), [("img_const", "w", "const"), ("img_none", "w", "none"), ("img_trunc", "w_trunc", "const")]
)
def test_synthesis_agrees(name: str, output: str, ws: str, noise: str, loaded: Loaded) -> None:
    checkpoint, expected = loaded[name]
    assert_agrees(checkpoint.generator.synthesis(expected[ws], noise), expected[output])


def test_critic_agrees(name: str, loaded: Loaded) -> None:
    checkpoint, expected = loaded[name]
    assert checkpoint.critic is not None
    assert_agrees(checkpoint.critic(expected["img_const"], expected.get("c")), expected["logits"])


def test_whole_generator_agrees(name: str, loaded: Loaded) -> None:
    checkpoint, expected = loaded[name]
    assert_agrees(checkpoint.generator(expected["z"], expected.get("c"), 0.6), expected["img_trunc"])


def test_cutoff_truncates_only_the_first_entries(name: str, loaded: Loaded) -> None:
    checkpoint, expected = loaded[name]
    mapping = checkpoint.generator.mapping
    for cutoff in (0, 1, 3, mapping.config.num_ws, mapping.config.num_ws + 5):
        ws = mapping(expected["z"], expected.get("c"), 0.6, cutoff)
        assert_agrees(ws, torch.cat([expected["w_trunc"][:, :cutoff], expected["w"][:, cutoff:]], 1))


def test_label_is_needed_exactly_where_the_network_is_conditional(name: str, loaded: Loaded) -> None:
    checkpoint, expected = loaded[name]
    if "c" not in expected:
        assert checkpoint.info.c_dim == 0
        return
    for label in (None, expected["c"][:, :-1]):
        with pytest.raises(OptionError, match="conditional"):
            checkpoint.generator.mapping(expected["z"], label)
        with pytest.raises(OptionError, match="conditional"):
            checkpoint.critic(expected["img_const"], label)
    other = checkpoint.generator.mapping(expected["z"], expected["c"].roll(1, 1))
    assert float((other - expected["w"]).abs().max()) > 1e-3


def test_noise_is_fresh_only_in_random_mode(name: str, loaded: Loaded) -> None:
    checkpoint, expected = loaded[name]
    synthesis, ws = checkpoint.generator.synthesis, expected["w"]
    for mode in ("const", "none"):
        assert torch.equal(synthesis(ws, mode), synthesis(ws, mode))
    first, second = (synthesis(ws, "random", rng=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    again = synthesis(ws, "random", rng=torch.Generator().manual_seed(0))
    assert torch.equal(first, again)
    assert float((first - second).abs().max()) > 1e-4
    with pytest.raises(OptionError, match="noise mode"):
        synthesis(ws, "sometimes")


def in_float64(checkpoint: Checkpoint, references: Path, name: str) -> torch.nn.Module:
    return load_checkpoint(references / f"{name}.pkl").generator.double()


def test_derivatives_of_every_mode_agree(name: str, references: Path, loaded: Loaded) -> None:
    checkpoint, expected = loaded[name]
    network = in_float64(checkpoint, references, name)
    z = expected["z"][:1].double()
    label = expected["c"][:1].double() if "c" in expected else None
    # The truncated image is smooth enough for differences: rectifiers whose sign changes within the step are few.
    directions = torch.randn(2, *z.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def image(z: Tensor) -> Tensor:
        return network(z, label, 0.7)

    step = 1e-6
    forward = torch.stack([jvp(image, (z,), (direction,))[1] for direction in directions])
    batched = vmap(lambda direction: jvp(image, (z,), (direction,))[1])(directions)
    central = torch.stack([(image(z + step * d) - image(z - step * d)) / (2 * step) for d in directions])
    weights = torch.randn(image(z).shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    reverse = grad(lambda z: (image(z) * weights).sum())(z)
    scale = float(central.abs().max())
    assert scale > 1e-3
    assert float((forward - batched).abs().max()) < 1e-10 * scale
    assert float((forward - central).abs().max()) < 1e-5 * scale
    for direction, derivative in zip(directions, forward, strict=True):
        along = float((derivative * weights).sum())
        assert abs(float((reverse * direction).sum()) - along) < 1e-9 * max(1, abs(along))


def test_reverse_mode_reaches_the_weights(name: str, references: Path, loaded: Loaded) -> None:
    _, expected = loaded[name]
    network = load_checkpoint(references / f"{name}.pkl").generator.requires_grad_(True)
    network(expected["z"], expected.get("c")).square().mean().backward()
    missing = [key for key, parameter in network.named_parameters() if parameter.grad is None or not bool(parameter.grad.isfinite().all())]
    assert missing == []


def test_the_network_is_ready_for_use(name: str, loaded: Loaded) -> None:
    checkpoint, _ = loaded[name]
    for network in (checkpoint.generator, checkpoint.critic):
        assert not network.training
        assert all(not p.requires_grad and p.dtype == torch.float32 and p.device.type == "cpu" for p in network.parameters())


def test_facts_are_those_of_the_network(name: str, loaded: Loaded, references: Path) -> None:
    checkpoint, expected = loaded[name]
    info = checkpoint.info
    assert (info.z_dim, info.num_ws, info.w_dim) == (expected["z"].shape[1], *expected["w"].shape[1:])
    assert (info.img_channels, info.img_resolution) == expected["img_const"].shape[1:3]
    assert info.bytes == (references / f"{name}.pkl").stat().st_size
    assert info.parameters == sum(tensor.numel() for tensor in checkpoint.generator.state_dict().values())
    assert set(info.contents) == {"G", "D", "G_ema", "training_set_kwargs", "augment_pipe"}
