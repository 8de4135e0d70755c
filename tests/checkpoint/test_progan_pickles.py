"""The ProGAN pickles of the OroJaR and Hessian Penalty experiments: their variants, computed a second time, and files that lie."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pickle_assembler import assemble
from tensorflow_assembler import network

from orojar_cli import load_checkpoint
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError

TF_WIDTHS, TF_Z, TF_IMAGE = (6, 5, 4), 3, 2


def variables(fused: bool = True, labels: int = 0) -> dict[str, np.ndarray]:
    """Random numbers under the names of these pickles."""
    rng = np.random.RandomState(2)
    shapes: dict[str, tuple[int, ...]] = {"4x4/Dense": (TF_Z + labels, 16 * TF_WIDTHS[0]), "4x4/Conv": (3, 3, TF_WIDTHS[0], TF_WIDTHS[0])}
    for level, (inputs, outputs) in enumerate(itertools.pairwise(TF_WIDTHS), 1):
        size = 4 << level
        shapes[f"{size}x{size}/Conv0_up" if fused else f"{size}x{size}/Conv0"] = (3, 3, inputs, outputs)
        shapes[f"{size}x{size}/Conv1"] = (3, 3, outputs, outputs)
    shapes |= {f"ToRGB_lod{len(TF_WIDTHS) - 1 - level}": (1, 1, width, TF_IMAGE) for level, width in enumerate(TF_WIDTHS)}
    result = {f"{name}/weight": rng.randn(*shape) for name, shape in shapes.items()}
    result |= {f"{name}/bias": rng.randn(TF_WIDTHS[0] if "Dense" in name else shape[-1]) for name, shape in shapes.items()}
    return {name: values.astype(np.float32) for name, values in result.items()}


def progan_pickle(
    path: Path, tensors: dict[str, Any], lod: Any = 0.0, version: int = 3, module: str = "dnnlib.tflib.network", **options: Any
) -> Path:
    generators = [network("G_paper", options, {"lod": lod} | tensors, module=module) for _ in range(2)]
    networks = [generators[0], network("D_paper", {}, {}, module=module), generators[1]]
    for each in networks:
        each.state["version"] = version
        if module == "tfutil":
            del each.state["components"]
    path.write_bytes(assemble(tuple(networks)))
    return path


def worst(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def by_hand(tensors: dict[str, np.ndarray], z: torch.Tensor, lod: float = 0.0, original: bool = False) -> torch.Tensor:
    """The pictures of z [N, TF_Z], as the layout's description computes them: fused layers by the sum of four shifted kernels."""
    numbers = {name: torch.from_numpy(values).double() for name, values in tensors.items()}
    root2 = 2**0.5

    def finish(x: torch.Tensor, name: str) -> torch.Tensor:
        x = F.leaky_relu(x + numbers[f"{name}/bias"][:, None, None], 0.2)
        return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()

    def convolve(x: torch.Tensor, name: str) -> torch.Tensor:
        weight = numbers[f"{name}/weight"] * root2 / (9 * x.shape[1]) ** 0.5  # [3, 3, in, out]
        return finish(F.conv2d(x, weight.permute(3, 2, 0, 1), padding=1), name)

    def enlarge(x: torch.Tensor, name: str) -> torch.Tensor:
        if f"{name}/Conv0/weight" in numbers:
            return convolve(x.repeat_interleave(2, 2).repeat_interleave(2, 3), f"{name}/Conv0")
        weight = F.pad(numbers[f"{name}/Conv0_up/weight"] * root2 / (9 * x.shape[1]) ** 0.5, (0, 0, 0, 0, 1, 1, 1, 1))
        weight = weight[1:, 1:] + weight[:-1, 1:] + weight[1:, :-1] + weight[:-1, :-1]
        return finish(F.conv_transpose2d(x, weight.permute(2, 3, 0, 1), stride=2, padding=1), f"{name}/Conv0_up")

    def image(x: torch.Tensor, level: int) -> torch.Tensor:
        weight = numbers[f"ToRGB_lod{level}/weight"] / x.shape[1] ** 0.5
        return F.conv2d(x, weight.permute(3, 2, 0, 1)) + numbers[f"ToRGB_lod{level}/bias"][:, None, None]

    x = z.double() / (z.double().square().mean(1, keepdim=True) + 1e-8).sqrt() if original else z.double()
    x = ((x @ numbers["4x4/Dense/weight"]) * root2 / 4 / z.shape[1] ** 0.5).reshape(len(z), -1, 4, 4)
    x = finish(x, "4x4/Dense") if original else x + numbers["4x4/Dense/bias"][:, None, None]
    x = convolve(x, "4x4/Conv")
    last = len(TF_WIDTHS) - 1 - int(lod)
    for level in range(1, last + 1):
        size = 4 << level
        before, x = x, convolve(enlarge(x, f"{size}x{size}"), f"{size}x{size}/Conv1")
    fade = lod - int(lod)
    if not fade:
        return image(x, int(lod))
    return (1 - fade) * image(x, int(lod)) + fade * image(before, int(lod) + 1).repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("lod", "size"), [(0.0, 16), (0.25, 16), (1.0, 8)])
@torch.no_grad()
def test_progan_pickles_compute_what_their_description_says(fused: bool, lod: float, size: int, tmp_path: Path) -> None:
    tensors = variables(fused)
    generator = load_checkpoint(progan_pickle(tmp_path / "network.pkl", tensors, lod, latent_size=TF_Z, fused_scale=fused)).generator
    z = torch.randn(3, TF_Z, generator=torch.Generator().manual_seed(0))
    wanted = by_hand(tensors, z, lod)
    assert generator(z).shape == wanted.shape == (3, TF_IMAGE, size, size) and generator.config.assumed == ()
    assert worst(generator(z), wanted) < 1e-5


@torch.no_grad()
def test_progan_pickles_append_labels_to_z(tmp_path: Path) -> None:
    tensors = variables(labels=2)
    generator = load_checkpoint(progan_pickle(tmp_path / "network.pkl", tensors, label_size=2, latent_size=None)).generator
    z, label = torch.randn(3, TF_Z), torch.rand(3, 2)
    assert (generator.z_dim, generator.c_dim) == (TF_Z, 2)
    assert worst(generator(z, label), by_hand(tensors, torch.cat((z, label), 1))) < 1e-5


@pytest.mark.parametrize("fused", [True, False])
@torch.no_grad()
def test_the_original_progan_is_told_by_its_library_and_normalises_z_and_the_first_layer(fused: bool, tmp_path: Path) -> None:
    tensors, options = variables(fused, labels=2), {"label_size": 2, "latent_size": None, "normalize_latents": True}
    checkpoint = load_checkpoint(progan_pickle(tmp_path / "network.pkl", tensors, 0.25, version=2, module="tfutil", **options))
    z, label = torch.randn(3, TF_Z), torch.rand(3, 2)
    wanted = by_hand(tensors, torch.cat((z, label), 1), 0.25, original=True)
    assert worst(checkpoint.generator(z, label), wanted) < 1e-5


@pytest.mark.parametrize(
    ("change", "arguments", "error", "words"),
    [
        ({}, {"version": 2, "module": "tfutil", "normalize_latents": False}, UnsupportedCheckpointError, "normalize_latents = False"),
        ({}, {"version": 1, "module": "tfutil"}, UnsupportedCheckpointError, "old version of the container"),
        ({}, {"version": 1}, UnsupportedCheckpointError, "old version of the container"),
        ({}, {"version": 2}, UnsupportedCheckpointError, "old version of the container"),
        ({}, {"attention": True}, UnsupportedCheckpointError, "option attention"),
        ({}, {"normalize_latents": True}, UnsupportedCheckpointError, "normalize_latents = True"),
        ({}, {"use_pixelnorm": 1}, UnsupportedCheckpointError, "use_pixelnorm = 1"),
        ({}, {"label_size": 3}, UnsupportedCheckpointError, "z_dim = 0"),
        ({}, {"label_size": 2**70}, UnsupportedCheckpointError, "label_size"),
        ({}, {"lod": float("nan")}, DamagedCheckpointError, "lod is not a number"),
        ({}, {"lod": -1}, DamagedCheckpointError, "lod is not a number"),
        ({}, {"lod": 2**62}, DamagedCheckpointError, "lod is not a number"),
        ({}, {"lod": np.zeros(3)}, DamagedCheckpointError, "lod is not a number"),
        ({}, {"lod": 1.5}, UnsupportedCheckpointError, "not grown beyond 8 pixels"),
        ({}, {"lod": 2.0}, UnsupportedCheckpointError, "not grown beyond 8 pixels"),
        ({"ToRGB_lod0/weight": None}, {}, DamagedCheckpointError, "ToRGB_lod0/weight is missing"),
        ({"ToRGB_lod0/weight": np.zeros((1, 1, 4, 9))}, {}, UnsupportedCheckpointError, "img_channels = 9"),
        ({"4x4/Dense/weight": np.zeros(96)}, {}, DamagedCheckpointError, "4x4/Dense/weight is missing or has another number of axes"),
        ({"4x4/Dense/weight": np.zeros((3, 95))}, {}, DamagedCheckpointError, "4x4/Dense/weight has shape"),
        ({"4x4/Dense/bias": np.zeros(96)}, {}, DamagedCheckpointError, "4x4/Dense/bias has shape"),
        ({"8x8/Conv1/weight": 1.0}, {}, DamagedCheckpointError, "8x8/Conv1/weight is missing or has"),
        ({"8x8/Conv0/weight": np.zeros((3, 3, 6, 5))}, {}, UnsupportedCheckpointError, "8x8/Conv0/weight"),
        ({"8x8/Conv1/weight": np.zeros((3, 3, 0, 0))}, {}, UnsupportedCheckpointError, "channels = 0"),
        ({"32x32/Conv1/weight": np.zeros((3, 3, 4, 4))}, {}, UnsupportedCheckpointError, "32x32/Conv1/weight"),
        ({"8x8/Conv1/bias": np.full(5, np.nan)}, {}, DamagedCheckpointError, "not finite"),
        ({f"ToRGB_lod{index}/weight": np.zeros((1, 1, 4, 2)) for index in range(3, 12)}, {}, DamagedCheckpointError, "32x32/Conv1/weight"),
    ],
)
def test_progan_pickles_that_do_not_fit_are_refused_by_name(change: Any, arguments: Any, error: type, words: str, tmp_path: Path) -> None:
    tensors = {name: values for name, values in (variables() | change).items() if values is not None}
    with pytest.raises(error, match=words) as caught:
        load_checkpoint(progan_pickle(tmp_path / "network.pkl", tensors, **arguments))
    assert str(caught.value).isascii() and "\n" not in str(caught.value)
