"""DCGANs from state dictionaries: the network is deduced from shapes and computes what a plain stack of modules computes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import jvp, vmap

from orojar_cli import load_checkpoint
from orojar_cli.checkpoint.writer import save_checkpoint
from orojar_cli.directions import Settings
from orojar_cli.directions.sefa import sefa
from orojar_cli.errors import CheckpointError, OptionError, UnsupportedCheckpointError
from orojar_cli.finetune.rotation import fold_rotation


def plain(widths=(12, 10, 8), z_dim=7, bias=False, image=3) -> nn.Sequential:
    """The generator as everybody writes it, with statistics that are not the initial ones."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(zip((z_dim, *widths[:-1]), widths, strict=True)):
        layers += [
            nn.ConvTranspose2d(inputs, outputs, 4, 2 if index else 1, 1 if index else 0, bias=bias),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    network = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], image, 4, 2, 1, bias=bias), nn.Tanh())
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        network(torch.randn(16, z_dim, 1, 1))
    return network.eval()


def saved(network: nn.Module, path, key: str = "netG_state_dict"):
    torch.save({key: {f"main.{name}": tensor for name, tensor in network.state_dict().items()}}, path)
    return path


@pytest.mark.parametrize("bias", [False, True])
def test_it_computes_what_the_modules_compute(bias: bool, tmp_path) -> None:
    network = plain(bias=bias)
    generator = load_checkpoint(saved(network, tmp_path / "weights.tar")).generator
    assert (generator.config.family, generator.img_resolution, generator.num_ws, generator.w_dim) == ("DCGAN", 32, 1, 7)
    z = torch.randn(3, 7)
    with torch.no_grad():
        torch.testing.assert_close(generator(z), network(z[:, :, None, None]), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(generator(z, psi=0.5), network(0.5 * z[:, :, None, None]), rtol=1e-4, atol=1e-5)
        ws = generator.mapping(z)
        assert ws.shape == (3, 1, 7) and torch.equal(generator.mapping.w(z), z)
        features, image = generator.synthesis.run(ws, until=8)
        assert features.shape == (3, 10, 8, 8) and image is None
    _, forward = jvp(generator.synthesis, (ws,), (torch.ones_like(ws),))
    columns = vmap(lambda tangent: jvp(generator.synthesis, (ws,), (tangent.expand_as(ws),))[1])(torch.eye(7)[:, None, :])
    torch.testing.assert_close(columns.sum(0), forward, rtol=1e-3, atol=1e-4)


def test_sefa_factorises_its_first_layer(tmp_path) -> None:
    network = plain()
    generator = load_checkpoint(saved(network, tmp_path / "weights.pth", "generator")).generator
    rows = network[0].weight.detach().flatten(1).T
    _, values, vectors = torch.linalg.svd((rows / rows.norm(dim=1, keepdim=True)).double())
    found = sefa(generator, Settings(space="w", whiten=False, num=2))
    assert torch.allclose((found.directions.double() @ vectors[:2].T).abs(), torch.eye(2, dtype=torch.float64), atol=1e-4)
    assert len(values) == 7


def test_it_is_kept_as_safetensors_and_has_no_pkl_form(tmp_path) -> None:
    loaded = load_checkpoint(saved(plain(bias=True), tmp_path / "weights.pth"))
    save_checkpoint(loaded, tmp_path / "new.safetensors")
    again = load_checkpoint(tmp_path / "new.safetensors").generator
    assert again.config == loaded.generator.config
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in loaded.generator.state_dict().items())
    with pytest.raises(UnsupportedCheckpointError, match=r"DCGAN network has no \.pkl form"):
        save_checkpoint(loaded, tmp_path / "new.pkl")


def test_a_tuned_network_goes_back_into_the_modules_it_came_from(tmp_path) -> None:
    network = plain(bias=True)
    loaded = load_checkpoint(saved(network, tmp_path / "weights.tar"))
    matrix = torch.linalg.qr(torch.randn(7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))).Q
    fold_rotation(loaded.generator, matrix)
    assert save_checkpoint(loaded, tmp_path / "tuned.tar") == ["synthesis.first.affine.weight"]
    tensors = torch.load(tmp_path / "tuned.tar", weights_only=True)["netG_state_dict"]
    tuned = plain(bias=True)
    tuned.load_state_dict({name.removeprefix("main."): tensor for name, tensor in tensors.items()}, strict=True)
    z = torch.randn(3, 7)
    with torch.no_grad():
        turned = tuned((z.double() @ matrix.T).float()[:, :, None, None])
        torch.testing.assert_close(turned, network(z[:, :, None, None]), rtol=1e-4, atol=1e-5)


def test_what_it_does_not_have_is_refused(tmp_path) -> None:
    generator = load_checkpoint(saved(plain(), tmp_path / "weights.pth")).generator
    ws = generator.mapping(torch.zeros(1, 7))
    with pytest.raises(OptionError, match="no image at resolution 16"):
        generator.synthesis(ws, resolution=16)
    with pytest.raises(OptionError, match="this network has 4, 8, 16, 32"):
        generator.synthesis.run(ws, until=64)


@pytest.mark.parametrize(
    "change",
    [
        {"main.3.weight": torch.zeros(11, 10, 4, 4)},
        {"main.3.weight": torch.zeros(12, 10, 3, 3)},
        {"main.4.running_var": torch.zeros(9)},
        {"main.99.weight": torch.zeros(3)},
        {"main.10.weight": torch.zeros(3), "main.10.running_mean": torch.zeros(3)},
    ],
)
def test_other_stacks_are_refused(change, tmp_path) -> None:
    tensors = {f"main.{name}": tensor for name, tensor in plain().state_dict().items()} | change
    torch.save(tensors, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "weights.pth")
