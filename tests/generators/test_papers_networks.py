"""The files of pytorch_GAN_zoo and of the OroJaR and Hessian Penalty experiments: their own outputs, and every command on them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paths import REFERENCES
from torch import nn
from torch.func import jvp, vmap

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.cli import main
from orojar_cli.directions import Settings
from orojar_cli.directions.sefa import sefa
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.dcgan.config import DCGANConfig
from orojar_cli.generators.progan.config import ProGANConfig
from orojar_cli.generators.simplegan.config import SimpleGANConfig
from orojar_cli.tuning.rotation import fold_rotation

CONFIGS = {
    "fb_pgan_32.pt": ProGANConfig(24, (16, 16, 8, 8), 3),
    "fb_dcgan_64.pt": DCGANConfig(24, (64, 32, 16, 8, 3), (True,) * 4 + (False,), (False,) * 5),
    "tf_orojar_progan_32.pkl": ProGANConfig(12, (16, 16, 16, 8), 3, normalised_latent=False, bare_start=True, scaled_bias=False),
    "tf_pggan_32.pkl": ProGANConfig(16, (20, 20, 16, 8), 3, scaled_bias=False),
    "orojar_simplegan_64.pth": SimpleGANConfig(6, (32, 16, 8, 8, 8), 1),
}
each_file = pytest.mark.parametrize("name", CONFIGS)


def reference(name: str) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """The generator, z and the images that the original code drew of it."""
    expected = np.load(REFERENCES / f"{name.partition('.')[0]}.npz")
    return load_checkpoint(REFERENCES / name).generator, torch.from_numpy(expected["z"]), torch.from_numpy(expected["img"])


def worst(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


@each_file
@torch.no_grad()
def test_the_pictures_are_those_of_the_original_code(name: str) -> None:
    generator, z, wanted = reference(name)
    assert generator.config == CONFIGS[name] and generator.config.assumed == ()
    assert worst(generator(z), wanted) < 1e-4
    # What the pictures have in common says little of z.
    assert worst(generator(z) - generator(z).mean(0), wanted - wanted.mean(0)) < 1e-3
    assert torch.equal(generator.mapping(z), z.unsqueeze(1)) and torch.equal(generator(z, psi=0.5), generator(0.5 * z))


@each_file
def test_its_biases_statistics_and_gains_are_not_the_initial_ones(name: str) -> None:
    """Else a network that forgets one of them would draw the same pictures."""
    tensors = {name: tensor for name, tensor in reference(name)[0].state_dict().items() if name != "mapping.w_avg"}
    assert all(float(tensor.std()) > 0.01 for tensor in tensors.values() if tensor.numel() > 1), name


@each_file
def test_it_has_derivatives(name: str) -> None:
    generator, z, _ = reference(name)
    generator = generator.double()
    ws, axes = generator.mapping(z[:1].double()), torch.eye(z.shape[1], dtype=torch.float64)[:4, None, None]
    columns = vmap(lambda tangent: jvp(generator.synthesis, (ws,), (tangent,))[1])(axes)
    for axis, column in zip(axes, columns, strict=True):
        difference = (generator.synthesis(ws + 1e-5 * axis) - generator.synthesis(ws - 1e-5 * axis)) / 2e-5
        assert float((column - difference).abs().max()) < 1e-5 * max(1, float(column.abs().max()))
    for resolution, width in zip(generator.config.feature_resolutions, generator.config.channels, strict=False):
        features, image = generator.synthesis.run(ws, until=resolution)
        assert features.shape == (1, width, resolution, resolution)
        assert (image is None) == (resolution < generator.img_resolution)


@each_file
def test_sefa_factorises_the_first_layer_and_a_rotation_folds_into_it(name: str) -> None:
    generator, z, _ = reference(name)
    before, dim = generator(z), z.shape[1]
    rows = generator.state_dict()["synthesis.first.affine.weight"].double()
    assert rows.shape == (16 * generator.config.channels[0], dim)
    vectors = torch.linalg.svd(rows / rows.norm(dim=1, keepdim=True)).Vh
    found = sefa(generator, Settings(space="w", whiten=False, num=3)).directions.double()
    assert torch.allclose((found @ vectors[:3].T).abs(), torch.eye(3, dtype=torch.float64), atol=1e-4)
    matrix = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(3))).Q
    fold_rotation(generator, matrix)
    assert worst(generator((z.double() @ matrix.T).float()), before) < 1e-4 < worst(generator(z), before) * 10


@each_file
def test_safetensors_keep_it_exactly(name: str, tmp_path: Path) -> None:
    first = load_checkpoint(REFERENCES / name)
    assert save_checkpoint(first, tmp_path / "new.safetensors") == []
    again = load_checkpoint(tmp_path / "new.safetensors")
    assert again.generator.config == first.generator.config and again.critic is None and first.critic is None
    z = torch.randn(2, first.generator.z_dim)
    assert torch.equal(again.generator(z), first.generator(z))
    with pytest.raises(UnsupportedCheckpointError, match=r"network has no \.pkl form; write \.safetensors"):
        save_checkpoint(again, tmp_path / "new.pkl")


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_every_command_works_on_it(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> dict[str, Any]:
        with pytest.raises(SystemExit) as caught:
            main([*map(str, arguments), "--json"])
        captured = capsys.readouterr()
        assert caught.value.code in (None, 0), captured.err
        assert "assumed" not in captured.err
        return json.loads(captured.out)

    path = REFERENCES / name
    told = run("inspect", path)
    assert (told["family"], told["assumptions"]) == (CONFIGS[name].family, [])
    assert run("sample", path, "--seeds", "0-3", "--out", "grid.png") and Path("grid.png").exists()
    assert len(run("sefa", path, "--num", 3, "--seeds", "0-1")["dimensions"]) == 3
    assert len(run("discover", path, "--space", "z", "--num", 3, "--samples", 8, "--subspace", 5, "--seeds", "0-1")["dimensions"]) == 3
    tuned = run("finetune", path, "--samples", 8, "--seeds", "0-1")
    assert tuned["changed_tensors"] == ["synthesis.first.affine.weight"]
    assert run("traverse", tuned["run"], "--dim", 1, "--out", "walk.png", "--seeds", "0-1") and Path("walk.png").exists()
    assert run("convert", path, "new.safetensors") and run("inspect", "new.safetensors")["layers"] == told["layers"]


class Layers(nn.Module):
    """A layer of the small GANs, with the names of its parts."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        for name, part in parts.items():
            self.layers.add_module(name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def small_gan(widths: tuple[int, ...] = (8, 6, 5), z_dim: int = 4, image: int = 1) -> nn.Module:
    """With batch normalisation, the less common of the two, and statistics that are not the initial ones."""
    torch.manual_seed(1)
    layers: list[nn.Module] = [Layers(conv=nn.ConvTranspose2d(z_dim, widths[0], 4))]
    for inputs, outputs in itertools.pairwise(widths):
        convolution = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)
        layers.append(Layers(conv=convolution, batchnorm=nn.BatchNorm2d(outputs, eps=1e-3), active=nn.LeakyReLU(0.2)))
    layers.append(Layers(conv=nn.Conv2d(widths[-1], image, 3, 1, 1), active=nn.Tanh()))
    network = nn.Module()
    network.layers = nn.Sequential(*layers)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        network.layers(torch.randn(16, z_dim, 1, 1))
    return network.eval()


@torch.no_grad()
def test_small_gans_with_batch_normalisation_compute_what_the_modules_compute(tmp_path: Path) -> None:
    network = small_gan()
    torch.save(network.state_dict(), tmp_path / "9_netG.pth")
    loaded = load_checkpoint(tmp_path / "9_netG.pth")
    assert loaded.generator.config == SimpleGANConfig(4, (8, 6, 5), 1, "batch")
    z = torch.randn(3, 4)
    torch.testing.assert_close(loaded.generator(z), network.layers(z[:, :, None, None]), rtol=1e-5, atol=1e-5)
    fold_rotation(loaded.generator, torch.eye(4).flip(0).double())
    assert save_checkpoint(loaded, tmp_path / "tuned.pth") == ["synthesis.first.affine.weight"]
    network.load_state_dict(torch.load(tmp_path / "tuned.pth", weights_only=True), strict=True)
    torch.testing.assert_close(network.layers(z.flip(1)[:, :, None, None]), load_checkpoint(tmp_path / "9_netG.pth").generator(z))


CONV = "layers.{}.layers.conv.weight"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({CONV.format(1): torch.zeros(7, 6, 4, 4)}, DamagedCheckpointError, "layers.1.layers.conv.weight has shape"),
        ({CONV.format(1): torch.zeros(8, 6, 4)}, DamagedCheckpointError, "number of axes"),
        ({CONV.format(3): torch.zeros(1, 5, 5, 5)}, UnsupportedCheckpointError, "does not end with a convolution of 3x3"),
        ({CONV.format(3): torch.zeros(1, 5, 3, 3, dtype=torch.int64)}, DamagedCheckpointError, "int64"),
        ({CONV.format(3): torch.zeros(9, 5, 3, 3)}, UnsupportedCheckpointError, "img_channels = 9"),
        ({"layers.1.layers.conv.bias": torch.zeros(6)}, UnsupportedCheckpointError, "layers.1.layers.conv.bias"),
        ({"layers.0.layers.conv.bias": None}, DamagedCheckpointError, "layers.0.layers.conv.bias is missing"),
        ({"layers.2.layers.batchnorm.running_var": None}, DamagedCheckpointError, "running_var is missing"),
        ({"layers.1.layers.batchnorm.bias": torch.full((6,), torch.nan)}, DamagedCheckpointError, "not finite"),
        ({CONV.format(1): None, "layers.1.layers.conv.weight_orig": torch.zeros(8, 6, 4, 4)}, UnsupportedCheckpointError, "spectral"),
        ({CONV.format(0): torch.zeros(1).expand(4, 8, 4, 4)}, DamagedCheckpointError, "strides"),
    ],
)
def test_small_gans_that_do_not_fit_are_refused_by_name(change: dict[str, Any], error: type, words: str, tmp_path: Path) -> None:
    tensors = {name: tensor for name, tensor in (small_gan().state_dict() | change).items() if tensor is not None}
    torch.save(tensors, tmp_path / "netG.pth")
    with pytest.raises(error, match=words) as caught:
        load_checkpoint(tmp_path / "netG.pth")
    assert str(caught.value).isascii() and "\n" not in str(caught.value)
