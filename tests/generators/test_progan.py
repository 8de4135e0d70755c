"""ProGANs from state dictionaries: deduced from shapes, and computing the paper's Table 2 as that layout means it, written in numpy."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.func import jvp, vmap
from zoo_files import plain_object, save_zoo

from orojar_cli import load_checkpoint
from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.checkpoint.info import describe
from orojar_cli.checkpoint.writer import save_checkpoint
from orojar_cli.directions import Settings
from orojar_cli.directions.sefa import sefa
from orojar_cli.errors import CheckpointError, DamagedCheckpointError, OptionError, UnsupportedCheckpointError
from orojar_cli.generators.families import empty_network
from orojar_cli.generators.progan.config import ProGANConfig
from orojar_cli.tuning.rotation import fold_rotation

Z_DIM, WIDTHS = 7, (6, 5, 4)


def state_dict(widths: tuple[int, ...] = WIDTHS, z_dim: int = Z_DIM, image: int = 3) -> dict[str, torch.Tensor]:
    """Random weights under the names of the widespread layout."""
    rng = torch.Generator().manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {"formatLayer": (16 * widths[0], z_dim), "groupScale0.0": (widths[0], widths[0], 3, 3)}
    for level, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        shapes |= {f"scaleLayers.{level}.0": (outputs, inputs, 3, 3), f"scaleLayers.{level}.1": (outputs, outputs, 3, 3)}
    shapes |= {f"toRGBLayers.{level}": (image, width, 1, 1) for level, width in enumerate(widths)}
    result = {}
    for name, shape in shapes.items():
        result[f"{name}.module.weight"] = torch.randn(shape, generator=rng)
        result[f"{name}.module.bias"] = torch.randn(shape[0], generator=rng)
    return result


def saved(path: Path, tensors: dict[str, torch.Tensor] | None = None, key: str | None = "netG") -> Path:
    tensors = state_dict() if tensors is None else tensors
    torch.save(tensors if key is None else {key: tensors, "netD": {"fromRGB.weight": torch.zeros(2)}}, path)
    return path


def by_hand(tensors: dict[str, torch.Tensor], z: np.ndarray, fade: float = 0.0, slope: float = 0.2, equalised: bool = True) -> np.ndarray:
    """The image [R, R, C] of one z [z_dim], pixel by pixel in float64."""
    numbers = {name: tensor.double().numpy() for name, tensor in tensors.items()}

    def layer(name: str) -> tuple[np.ndarray, np.ndarray]:
        """Weight and bias; the bias is scaled too."""
        weight, bias = numbers[f"{name}.module.weight"], numbers[f"{name}.module.bias"]
        gain = np.sqrt(2 / weight[0].size) if equalised else 1
        return gain * weight, gain * bias

    def finish(x: np.ndarray) -> np.ndarray:
        x = np.where(x < 0, slope * x, x)
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-8)

    def convolve(x: np.ndarray, name: str) -> np.ndarray:
        weight, bias = layer(name)
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        result = np.empty((*x.shape[:2], len(weight)))
        for row, column in np.ndindex(*x.shape[:2]):
            window = padded[row : row + 3, column : column + 3]
            result[row, column] = np.einsum("yxi,oiyx->o", window, weight) + bias
        return finish(result)

    def image(x: np.ndarray, level: int) -> np.ndarray:
        weight, bias = layer(f"toRGBLayers.{level}")
        return x @ weight[:, :, 0, 0].T + bias

    z = z / np.sqrt((z**2).mean() + 1e-8)
    matrix, bias = layer("formatLayer")
    x = convolve(finish((matrix @ z + bias).reshape(-1, 4, 4).transpose(1, 2, 0)), "groupScale0.0")
    level = 0
    while f"scaleLayers.{level}.0.module.weight" in tensors:
        before, x = x, x.repeat(2, 0).repeat(2, 1)
        x = convolve(convolve(x, f"scaleLayers.{level}.0"), f"scaleLayers.{level}.1")
        level += 1
    return (1 - fade) * image(x, level) + fade * image(before, level - 1).repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize("key", ["netG", "netG_state_dict", "avgG", None])
def test_it_computes_what_the_paper_says(key: str | None, tmp_path: Path) -> None:
    tensors = state_dict()
    generator = load_checkpoint(saved(tmp_path / "network.pt", tensors, key)).generator
    assert (generator.config.family, generator.img_resolution, generator.num_ws, generator.w_dim) == ("ProGAN", 16, 1, Z_DIM)
    assert generator.config == ProGANConfig(Z_DIM, WIDTHS, 3)
    z = torch.randn(2, Z_DIM, generator=torch.Generator().manual_seed(1))
    wanted = torch.from_numpy(np.stack([by_hand(tensors, point) for point in z.double().numpy()])).permute(0, 3, 1, 2)
    with torch.no_grad():
        torch.testing.assert_close(generator(z).double(), wanted, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(generator.double()(z.double()), wanted, rtol=1e-6, atol=1e-6)


def test_only_the_direction_of_z_counts_and_it_has_derivatives(tmp_path: Path) -> None:
    generator = load_checkpoint(saved(tmp_path / "network.pt")).generator.double()
    ws = generator.mapping(torch.randn(1, Z_DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))
    torch.testing.assert_close(generator.synthesis(ws), generator.synthesis(0.4 * ws), rtol=1e-6, atol=1e-6)
    columns = vmap(lambda tangent: jvp(generator.synthesis, (ws,), (tangent,))[1])(torch.eye(Z_DIM, dtype=torch.float64)[:, None, None])
    step = 1e-6
    for axis in range(Z_DIM):
        moved = torch.eye(Z_DIM, dtype=torch.float64)[axis] * step
        difference = (generator.synthesis(ws + moved) - generator.synthesis(ws - moved)) / (2 * step)
        assert (columns[axis] - difference).abs().max() < 1e-5
    features, image = generator.synthesis.run(ws, until=8)
    assert features.shape == (1, 5, 8, 8) and image is None
    features, image = generator.synthesis.run(ws, until=16)
    assert features.shape == (1, 4, 16, 16) and image is not None


def test_sefa_factorises_its_first_layer_and_a_rotation_folds_into_it(tmp_path: Path) -> None:
    tensors = state_dict()
    generator = load_checkpoint(saved(tmp_path / "network.pt", tensors)).generator
    rows = tensors["formatLayer.module.weight"].double()
    vectors = torch.linalg.svd(rows / rows.norm(dim=1, keepdim=True)).Vh
    found = sefa(generator, Settings(space="w", whiten=False, num=3))
    assert torch.allclose((found.directions.double() @ vectors[:3].T).abs(), torch.eye(3, dtype=torch.float64), atol=1e-4)
    matrix = torch.linalg.qr(torch.randn(Z_DIM, Z_DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(3))).Q
    z = torch.randn(3, Z_DIM, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        before = generator(z)
        fold_rotation(generator, matrix)
        torch.testing.assert_close(generator((z.double() @ matrix.T).float()), before, rtol=1e-4, atol=1e-4)
        assert (generator(z) - before).abs().max() > 0.1


def test_it_is_kept_as_safetensors_and_has_no_pkl_form(tmp_path: Path) -> None:
    loaded = load_checkpoint(saved(tmp_path / "network.pt"))
    assert save_checkpoint(loaded, tmp_path / "new.safetensors") == []
    again = load_checkpoint(tmp_path / "new.safetensors").generator
    assert again.config == loaded.generator.config
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in loaded.generator.state_dict().items())
    with pytest.raises(UnsupportedCheckpointError, match=r"ProGAN network has no \.pkl form; write \.safetensors"):
        save_checkpoint(loaded, tmp_path / "new.pkl")


def test_the_published_sizes(tmp_path: Path) -> None:
    config = ProGANConfig(512, (512, 512, 512, 512, 256, 128, 64, 32, 16))
    network = empty_network(config)
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == config.shapes()
    assert config.img_resolution == 1024 and config.feature_resolutions[-1] == 1024
    # Table 2 of the paper says 23.1 million.
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(23.1e6, rel=5e-3)
    costs = config.costs()
    assert costs[0].multiplications == 512 * 8192 and costs[-1] == (1024, 19 * 1024**2, 48 * 1024**2)
    assert sum(cost.resolution == 1024 for cost in costs) == 3


def test_what_it_does_not_have_is_refused(tmp_path: Path) -> None:
    generator = load_checkpoint(saved(tmp_path / "network.pt")).generator
    ws = generator.mapping(torch.zeros(1, Z_DIM))
    with pytest.raises(OptionError, match="a ProGAN has no image at resolution 8, only at 16"):
        generator.synthesis(ws, resolution=8)
    with pytest.raises(OptionError, match="this network has 4, 8, 16"):
        generator.synthesis.run(ws, until=32)
    with pytest.raises(OptionError, match="unknown noise mode"):
        generator.synthesis.run(ws, "loud")


def _without(*names: str) -> dict[str, Any]:
    return {name: tensor for name, tensor in state_dict().items() if name not in names}


_LAST_LEVEL = [f"scaleLayers.1.{index}.module.{part}" for index in (0, 1) for part in ("weight", "bias")]


@pytest.mark.parametrize(
    ("tensors", "error", "words"),
    [
        (_without("groupScale0.0.module.bias"), DamagedCheckpointError, "groupScale0.0.module.bias is missing"),
        (_without("scaleLayers.1.1.module.weight"), DamagedCheckpointError, "scaleLayers.1.1.module.weight is missing"),
        (_without("toRGBLayers.0.module.bias"), DamagedCheckpointError, "toRGBLayers.0.module.bias is missing"),
        (_without("toRGBLayers.1.module.weight"), UnsupportedCheckpointError, "2 doublings and 1 layers that make images"),
        (_without(*_LAST_LEVEL), UnsupportedCheckpointError, "1 doublings and 3 layers that make images"),
        (state_dict((6,)), UnsupportedCheckpointError, "0 doublings"),
        (state_dict(image=5), UnsupportedCheckpointError, "img_channels = 5"),
        (state_dict() | {"toRGBLayers.0.module.weight": torch.zeros(3, 6)}, DamagedCheckpointError, "number of axes"),
        (state_dict() | {"toRGBLayers.1.module.weight": torch.zeros(2, 5, 1, 1)}, DamagedCheckpointError, "toRGBLayers.1.module.weight"),
        (state_dict() | {"toRGBLayers.1.module.weight": torch.zeros(3, 5, 3, 3)}, DamagedCheckpointError, "toRGBLayers.1.module.weight"),
        (state_dict() | {"toRGBLayers.2.module.weight": torch.zeros(3, 4, 1, 2)}, DamagedCheckpointError, "toRGBLayers.2.module.weight"),
        (state_dict() | {"formatLayer.module.weight": torch.zeros(90, Z_DIM)}, DamagedCheckpointError, "has 90 rows"),
        (state_dict() | {"formatLayer.module.weight": torch.zeros(96)}, DamagedCheckpointError, "number of axes"),
        (state_dict() | {"formatLayer.module.weight": torch.zeros(96, 0)}, UnsupportedCheckpointError, "z_dim = 0"),
        (state_dict() | {"scaleLayers.0.0.module.weight": torch.zeros(5, 6, 4, 4)}, DamagedCheckpointError, "scaleLayers.0.0"),
        (state_dict() | {"scaleLayers.0.0.module.bias": torch.zeros(5, dtype=torch.int64)}, DamagedCheckpointError, "int64"),
        (state_dict() | {"groupScale0.0.module.bias": torch.full((6,), torch.inf)}, DamagedCheckpointError, "not finite"),
        (state_dict() | {"scaleLayers.0.2.module.weight": torch.zeros(3)}, UnsupportedCheckpointError, "scaleLayers.0.2"),
        (state_dict() | {"toRGBLayers.9.module.weight": torch.zeros(3)}, UnsupportedCheckpointError, "toRGBLayers.9"),
        (state_dict() | {"toRGBLayers.00.module.weight": torch.zeros(3)}, UnsupportedCheckpointError, "toRGBLayers.00"),
        (state_dict((1,) * 11), UnsupportedCheckpointError, "10 doublings"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tensors: Any, error: type, words: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "network.pt", tensors, None)
    with pytest.raises(error, match=words) as caught:
        load_checkpoint(path)
    assert str(caught.value).isascii() and "\n" not in str(caught.value)


def test_describing_it_needs_no_torch(tmp_path: Path) -> None:
    path = saved(tmp_path / "network.pt")
    program = (
        "import sys; from orojar_cli.checkpoint.contents import read_contents; from orojar_cli.checkpoint.info import describe; "
        f"print(describe(read_contents({str(path)!r})).family, sorted({{'torch', 'numpy'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "ProGAN []\n"


def test_a_tuned_network_goes_back_under_its_own_names(tmp_path: Path) -> None:
    tensors = state_dict()
    loaded = load_checkpoint(saved(tmp_path / "network.pth", tensors))
    matrix = torch.linalg.qr(torch.randn(Z_DIM, Z_DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(3))).Q
    fold_rotation(loaded.generator, matrix)
    assert save_checkpoint(loaded, tmp_path / "tuned.pth") == ["synthesis.first.affine.weight"]
    written = torch.load(tmp_path / "tuned.pth", weights_only=True)["netG"]
    first = written.pop("formatLayer.module.weight")
    torch.testing.assert_close(first.double(), tensors["formatLayer.module.weight"].double() @ matrix.T, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in written.items()) and len(written) == len(tensors) - 1


def test_huge_shapes_over_few_bytes_are_refused(tmp_path: Path) -> None:
    tensors = state_dict() | {"formatLayer.module.weight": torch.zeros(1).expand(96, 7)}
    with pytest.raises(CheckpointError):
        read_contents(saved(tmp_path / "network.pt", tensors)).generator  # noqa: B018


def test_the_commands_work_on_it(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "network.pt")
    assert describe(read_contents(path)).contents["netD"] == "1 tensors (not read)"
    told = run("inspect", path)
    assert (told["family"], told["img_resolution"], told["z_dim"]) == ("ProGAN", 16, Z_DIM)
    assert [layer["name"] for layer in told["layers"]] == ["first"]
    assert run("sample", path, "--seeds", "0-3", "--out", tmp_path / "grid.png") and (tmp_path / "grid.png").exists()
    assert len(run("sefa", path, "--num", 3, "--seeds", "0-1")["dimensions"]) == 3
    assert len(run("discover", path, "--space", "z", "--num", 3, "--samples", 8, "--subspace", 5, "--seeds", "0-1")["dimensions"]) == 3
    assert run("traverse", "--dim", 0, "--out", tmp_path / "walk.png", "--seeds", "0-1")
    tuned = run("finetune", path, "--samples", 8, "--seeds", "0-1")
    assert tuned["changed_tensors"] == ["synthesis.first.affine.weight"]
    assert run("traverse", tuned["run"], "--dim", 1, "--out", tmp_path / "tuned.png", "--seeds", "0-1")
    assert run("convert", path, tmp_path / "new.safetensors") and (tmp_path / "tuned.png").exists()


def zoo(path: Path, tensors: dict[str, torch.Tensor] | None = None, **attributes: Any) -> Path:
    """The file of a training run, whose configuration object says `attributes`."""
    usual = {"latentVectorDim": Z_DIM, "lossCriterion": "WGANGP", "equalizedlR": True, "leakyReluLeak": 0.2, "alpha": 0.0}
    usual |= {"perChannelNormalization": True, "attribKeysOrder": None, "depthOtherScales": [5, 4]}
    tensors = state_dict() if tensors is None else tensors
    return save_zoo(path, plain_object(**usual | attributes), netG={name: tensor + 1 for name, tensor in tensors.items()}, avgG=tensors)


@pytest.mark.parametrize(
    ("attributes", "options", "by_hand_options"),
    [
        ({}, {}, {}),
        ({"alpha": 0.3}, {"fade": 0.3}, {"fade": 0.3}),
        ({"leakyReluLeak": 0.01}, {"slope": 0.01}, {"slope": 0.01}),
        ({"equalizedlR": False}, {"equalised": False}, {"equalised": False}),
        ({"lossCriterion": "MSE"}, {"output": "tanh"}, {}),
        ({"attribKeysOrder": {"hair": 0}, "categoryVectorDim": 3}, {"c_dim": 3}, {}),
    ],
)
def test_what_the_configuration_object_says_is_drawn(attributes: Any, options: Any, by_hand_options: Any, tmp_path: Path) -> None:
    tensors = state_dict()
    loaded = load_checkpoint(zoo(tmp_path / "model_s2_i1.pt", tensors, **attributes))
    generator, c_dim = loaded.generator, options.get("c_dim", 0)
    assert generator.config == ProGANConfig(Z_DIM - c_dim, WIDTHS, 3, **options) and loaded.assumptions == ()
    latents = torch.randn(2, Z_DIM, generator=torch.Generator().manual_seed(1))
    wanted = np.stack([by_hand(tensors, point, **by_hand_options) for point in latents.double().numpy()]).transpose(0, 3, 1, 2)
    wanted = np.tanh(wanted) if options.get("output") == "tanh" else wanted
    z, label = latents.split((Z_DIM - c_dim, c_dim), 1)
    with torch.no_grad():
        found = generator(z, label if c_dim else None).double().numpy()
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
    save_checkpoint(loaded, tmp_path / "new.safetensors")
    again = load_checkpoint(tmp_path / "new.safetensors").generator
    assert again.config == generator.config and torch.equal(again(z, label if c_dim else None), generator(z, label if c_dim else None))


def test_labels_stand_behind_z(tmp_path: Path) -> None:
    generator = load_checkpoint(zoo(tmp_path / "a.pt", attribKeysOrder={"hair": 0}, categoryVectorDim=2)).generator
    z, label = torch.randn(3, 5), torch.eye(2)[[0, 1, 1]]
    assert (generator.c_dim, generator.z_dim, generator.w_dim) == (2, 5, 7)
    assert torch.equal(generator.mapping(z, label, psi=0.5), torch.cat((0.5 * z, label), 1)[:, None])
    exact = copy.deepcopy(generator).double()
    before = exact(z.double(), label.double())
    fold_rotation(exact, torch.eye(5).flip(0).double())
    torch.testing.assert_close(exact(z.flip(1).double(), label.double()), before, atol=0, rtol=1e-10)
    for wrong in (None, torch.zeros(3, 3)):
        with pytest.raises(OptionError, match="class"):
            generator(z, wrong)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"perChannelNormalization": False}, "without perChannelNormalization"),
        ({"lossCriterion": "Hinge"}, "trained with the loss Hinge"),
        ({"lossCriterion": 3}, "made with lossCriterion = 3"),
        ({"leakyReluLeak": "0.2"}, "made with leakyReluLeak"),
        ({"leakyReluLeak": float("nan")}, "slope = nan"),
        ({"alpha": 1.5}, "fade = 1.5"),
        ({"equalizedlR": 1}, "made with equalizedlR = 1"),
        ({"attribKeysOrder": {"a": 0}, "categoryVectorDim": 2**70}, "categoryVectorDim"),
        ({"attribKeysOrder": {"a": 0}, "categoryVectorDim": Z_DIM}, "z_dim = 0"),
        ({"attribKeysOrder": {"a": 0}}, "categoryVectorDim = None"),
    ],
)
def test_settings_that_would_draw_something_else_are_refused(attributes: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedCheckpointError, match=words) as caught:
        load_checkpoint(zoo(tmp_path / "network.pt", **attributes))
    assert str(caught.value).isascii() and "\n" not in str(caught.value)


def test_a_bare_state_dictionary_says_what_is_assumed(tmp_path: Path) -> None:
    path = saved(tmp_path / "network.pt")
    assumed = ("equalised=True", "slope=0.2", "fade=0.0", "output=linear")
    assert load_checkpoint(path).assumptions == describe(read_contents(path)).assumptions == assumed
    chosen = load_checkpoint(path, assume={"equalised": "false", "output": "tanh"})
    assert chosen.generator.config == ProGANConfig(Z_DIM, WIDTHS, 3, equalised=False, output="tanh")
    assert chosen.assumptions == ("slope=0.2", "fade=0.0")
    for choice, words in {
        "fade": "cannot be chosen",
        "slope": "not a number",
        "equalised": "true or false",
        "z_dim": "leaves open",
    }.items():
        with pytest.raises(OptionError, match=words):
            load_checkpoint(path, assume={choice: "0.5" if choice in ("fade", "z_dim") else "maybe"})
