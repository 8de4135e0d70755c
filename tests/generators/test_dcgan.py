"""DCGANs from state dictionaries: the network is deduced from shapes and computes what a plain stack of modules computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import jvp, vmap
from zoo_files import plain_object, save_zoo

from orojar_cli import load_checkpoint
from orojar_cli.checkpoint.writer import save_checkpoint
from orojar_cli.cli import main
from orojar_cli.directions import Settings
from orojar_cli.directions.sefa import sefa
from orojar_cli.errors import CheckpointError, OptionError, UnsupportedCheckpointError
from orojar_cli.tuning.rotation import fold_rotation


def plain(widths=(12, 10, 8), z_dim=7, bias=False, image=3, active=nn.ReLU, epsilon=1e-5, last=nn.Tanh) -> nn.Sequential:
    """The generator as everybody writes it, with statistics that are not the initial ones."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(zip((z_dim, *widths[:-1]), widths, strict=True)):
        layers += [
            nn.ConvTranspose2d(inputs, outputs, 4, 2 if index else 1, 1 if index else 0, bias=bias),
            nn.BatchNorm2d(outputs, eps=epsilon),
            active(),
        ]
    network = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], image, 4, 2, 1, bias=bias), last())
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


@pytest.mark.parametrize(
    ("parts", "assume"),
    [
        ({"active": lambda: nn.LeakyReLU(0.2)}, {"activation": "lrelu"}),
        ({"active": nn.SELU, "epsilon": 1e-3}, {"activation": "selu", "norm_epsilon": "1e-3"}),
        ({"active": nn.ELU, "epsilon": 0.5, "last": nn.Identity}, {"activation": "elu", "norm_epsilon": "0.5", "output": "linear"}),
    ],
)
def test_what_tensors_do_not_show_is_said_and_can_be_chosen(parts: Any, assume: dict[str, str], tmp_path: Path) -> None:
    network, z = plain(**parts), torch.randn(3, 7)
    path = saved(network, tmp_path / "weights.pth")
    loaded, chosen = load_checkpoint(path), load_checkpoint(path, assume=assume)
    assert loaded.assumptions == ("activation=relu", "norm_epsilon=1e-05", "output=tanh")
    assert {text.partition("=")[0] for text in chosen.assumptions} == {"activation", "norm_epsilon", "output"} - set(assume)
    wanted = network(z[:, :, None, None])
    torch.testing.assert_close(chosen.generator(z), wanted, rtol=1e-4, atol=1e-5)
    assert (loaded.generator(z) - wanted).abs().max() > 0.01
    with pytest.raises(OptionError, match="cannot keep what was assumed"):
        save_checkpoint(chosen, tmp_path / "new.pth")
    save_checkpoint(chosen, tmp_path / "new.safetensors")
    again = load_checkpoint(tmp_path / "new.safetensors")
    assert again.assumptions == chosen.assumptions and torch.equal(again.generator(z), chosen.generator(z))


@pytest.mark.parametrize(
    ("assume", "words"),
    [
        ({"activation": "sine"}, "activation = 'sine'"),
        ({"norm_epsilon": "0"}, "norm_epsilon = 0.0"),
        ({"norm_epsilon": "nan"}, "norm_epsilon = nan"),
        ({"norm_epsilon": "small"}, "norm_epsilon = 'small' is not a number"),
        ({"output": "\x1b[2J"}, "output"),
        ({"channels": "3"}, "its file leaves open activation, norm_epsilon, output"),
    ],
)
def test_choices_that_a_network_cannot_have_are_refused(assume: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        load_checkpoint(saved(plain(), tmp_path / "weights.pth"), assume=assume)
    assert str(caught.value).isascii() and str(caught.value).isprintable()


@pytest.mark.parametrize(("loss", "last"), [("DCGAN", nn.Tanh), ("MSE", nn.Tanh), ("WGANGP", nn.Identity), ("Logistic", nn.Identity)])
def test_the_configuration_object_of_the_zoo_says_what_ends_it(loss: str, last: Any, tmp_path: Path) -> None:
    network = plain(last=last)
    names = {"0": "formatLayer", "9": "main.outlayer"} | {str(3 * i + 1): f"main.batchNorm{i}" for i in range(3)}
    names |= {str(3 * i): f"main.convTranspose{i - 1}" for i in (1, 2)}
    tensors = {f"{names[key.partition('.')[0]]}.{key.partition('.')[2]}": tensor for key, tensor in network.state_dict().items()}
    loaded = load_checkpoint(save_zoo(tmp_path / "a.pt", plain_object(lossCriterion=loss, latentVectorDim=7), netG=tensors))
    z = torch.randn(3, 7)
    assert loaded.assumptions == ()
    torch.testing.assert_close(loaded.generator(z), network(z[:, :, None, None]), rtol=1e-4, atol=1e-5)
    torch.save(tensors, tmp_path / "bare.pt")
    assert load_checkpoint(tmp_path / "bare.pt").assumptions == ("output=tanh",)


def test_commands_say_once_what_is_assumed_and_convert_chooses(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(plain(), tmp_path / "weights.pth")

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        captured = capsys.readouterr()
        assert caught.value.code in (None, 0), captured.err
        return captured.out + captured.err

    for command in (("inspect", "weights.pth"), ("sample", "weights.pth", "--seeds", "0-1"), ("sefa", "weights.pth", "--num", "2")):
        assert run(*command).count("activation=relu, norm_epsilon=1e-05, output=tanh") == 1
    run(
        "convert",
        "weights.pth",
        "said.safetensors",
        "--assume",
        "activation=lrelu",
        "--assume",
        "norm_epsilon=1e-3",
        "--assume",
        "output=tanh",
    )
    assert load_checkpoint("said.safetensors").generator.config.activation == "lrelu"
    assert "assumed" not in run("inspect", "said.safetensors") + run("sample", "said.safetensors", "--seeds", "0-1")
    with pytest.raises(SystemExit) as caught:
        main(["convert", "weights.pth", "said.safetensors", "--assume", "lrelu"])
    assert caught.value.code == 2
