"""State dictionaries in torch.save files: the StyleGAN2 layout and DCGANs come back as they were, tricks are refused."""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from pickle_assembler import CRITIC, GENERATOR, random_tensors
from reader_process import run_reader
from zoo_files import Sequence, Slots, Table, plain_object, save_zoo

from orojar_cli import load_checkpoint
from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.checkpoint.info import describe
from orojar_cli.checkpoint.writer import save_checkpoint
from orojar_cli.errors import (
    CheckpointError,
    DamagedCheckpointError,
    NotACheckpointError,
    OptionError,
    UnsafeCheckpointError,
    UnsupportedCheckpointError,
)
from orojar_cli.generators.families import config_from_dict, config_to_dict, empty_network

CONFIG = dataclasses.replace(
    GENERATOR,
    mapping=dataclasses.replace(GENERATOR.mapping, num_ws=6, z_dim=5, layer_features=7, num_layers=3),
    synthesis=dataclasses.replace(GENERATOR.synthesis, img_resolution=16, channel_base=64, channel_max=6),
)
CRITIC_CONFIG = dataclasses.replace(CRITIC, img_resolution=16, channel_base=64, channel_max=6)
TENSORS = random_tensors(CONFIG.shapes(), CONFIG.synthesis.resample_filter, 3)
CRITIC_TENSORS = random_tensors(CRITIC_CONFIG.shapes(), CRITIC_CONFIG.resample_filter, 4)


def layout(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our generator's tensors under the names and in the shapes of the widespread layout."""
    result: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        parts = name.split(".")
        if parts[0] == "mapping":
            if parts[1] != "w_avg":
                result[f"style.{int(parts[1][2:]) + 1}.{parts[2]}"] = tensor
            continue
        if parts[2] == "const":
            result["input.input"] = tensor[None]
            continue
        level = {4: -1, 8: 0, 16: 1}[int(parts[1][1:])]
        layer = parts[2]
        if layer == "torgb":
            owner = f"to_rgbs.{level}" if level >= 0 else "to_rgb1"
        else:
            owner = f"convs.{2 * level + (layer == 'conv1')}" if level >= 0 else "conv1"
        leaf = parts[-1]
        if leaf == "resample_filter":
            if layer == "conv0":
                result[f"{owner}.conv.blur.kernel"] = tensor * 4
                result[f"to_rgbs.{level}.upsample.kernel"] = tensor * 4
        elif parts[-2] == "affine":
            result[f"{owner}.conv.modulation.{leaf}"] = tensor
        elif leaf == "weight":
            result[f"{owner}.conv.weight"] = tensor[None]
        elif leaf == "bias":
            result[f"{owner}.bias" if layer == "torgb" else f"{owner}.activate.bias"] = (
                tensor[None, :, None, None] if layer == "torgb" else tensor
            )
        elif leaf == "noise_strength":
            result[f"{owner}.noise.weight"] = tensor[None]
        else:
            result[f"noises.noise_{2 * level + (layer == 'conv1') + 1 if level >= 0 else 0}"] = tensor[None, None]
    return result


def critic_layout(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    fixed = {"b16.fromrgb": "convs.0.0", "b4.conv": "final_conv.0", "b4.fc": "final_linear.0", "b4.out": "final_linear.1"}
    biases = {"b16.fromrgb": "convs.0.1", "b4.conv": "final_conv.1"}
    result = {}
    for name, tensor in tensors.items():
        owner, _, leaf = name.rpartition(".")
        level = {"b16": 1, "b8": 2}.get(name.partition(".")[0], 0)
        layer = owner.rpartition(".")[2]
        if leaf == "resample_filter":
            if layer in ("conv1", "skip"):
                result[f"convs.{level}.{'conv2' if layer == 'conv1' else 'skip'}.0.kernel"] = tensor
        elif owner in fixed:
            result[f"{biases.get(owner, fixed[owner]) if leaf == 'bias' else fixed[owner]}.{leaf}"] = tensor
        else:
            path = {"conv0": ("conv1.0", "conv1.1"), "conv1": ("conv2.1", "conv2.2"), "skip": ("skip.1", "")}[layer]
            result[f"convs.{level}.{path[leaf == 'bias']}.{leaf}"] = tensor
    return result


def training_file() -> dict[str, Any]:
    """What a training script of that layout saves."""
    weight = torch.nn.Linear(2, 2)
    optimiser = torch.optim.Adam(weight.parameters())
    weight(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    generator = layout(TENSORS)
    return {
        "g": {name: tensor + 1 for name, tensor in generator.items()},
        "d": critic_layout(CRITIC_TENSORS),
        "g_ema": generator,
        "latent_avg": TENSORS["mapping.w_avg"],
        "g_optim": optimiser.state_dict(),
        "args": argparse.Namespace(size=16, path="images", lr=0.002),
        "ada_aug_p": 0.0,
    }


def save(path: Path, value: Any, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_networks_of_a_training_file_come_back_as_they_were(zipped: bool, tmp_path: Path) -> None:
    path = save(tmp_path / "000100.pt", training_file(), zipped)
    loaded = load_checkpoint(path)
    assert loaded.generator.config == CONFIG and loaded.critic.config == CRITIC_CONFIG
    for network, tensors in ((loaded.generator, TENSORS), (loaded.critic, CRITIC_TENSORS)):
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(tensor, tensors[name], rtol=0, atol=1e-7)
    wanted = empty_network(CONFIG)
    wanted.load_state_dict(TENSORS, assign=True)
    z = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(loaded.generator(z, psi=0.7), wanted(z, psi=0.7))
    info = describe(read_contents(path))
    assert (info.container, info.family, info.img_resolution) == ("PyTorch state dictionary", "StyleGAN2", 16)
    assert info.contents["D"].startswith("critic") and info.contents["args"] == "settings of the training script (not read)"
    # Training's copy is another network, whose kernels were changed with all its numbers.
    assert "is not the usual resample filter" in info.contents["G"] and "g" not in info.contents


def test_what_a_file_leaves_out_is_made(tmp_path: Path) -> None:
    tensors = {f"module.{name}": tensor for name, tensor in layout(TENSORS).items() if "noises" not in name}
    path = save(tmp_path / "bare.pth", tensors)
    first, second = load_checkpoint(path).generator, load_checkpoint(path).generator
    noise = first.synthesis.b16.conv1.noise_const
    assert torch.equal(noise, second.synthesis.b16.conv1.noise_const) and 0.8 < float(noise.std()) < 1.2
    z = torch.randn(8192, 5, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        ws = first.mapping.w(z)
    assert float((first.mapping.w_avg - ws.mean(0)).abs().max()) < 0.1 * float(ws.std())


def test_numbers_that_are_not_the_files_are_said(tmp_path: Path) -> None:
    whole = layout(TENSORS)
    bare = {name: tensor for name, tensor in whole.items() if "noises" not in name}
    noise, mean = "the noise maps of 5 layers (drawn from a fixed seed)", "the mean w (estimated from 4,096 latents)"
    for value, wanted in (
        (training_file(), ()),
        ({"g_ema": bare, "latent_avg": TENSORS["mapping.w_avg"]}, (noise,)),
        (whole, (mean,)),
        (bare, (noise, mean)),
    ):
        path = save(tmp_path / "a.pt", value)
        loaded = load_checkpoint(path)
        assert loaded.substitutes == describe(read_contents(path)).substitutes == wanted
        save_checkpoint(loaded, tmp_path / "a.safetensors")
        assert load_checkpoint(tmp_path / "a.safetensors").substitutes == wanted
    from orojar_cli.operations.network import load

    told: list[str] = []
    load(path, "cpu", notice=told.append)
    assert told == [f"a.pt does not hold, and orojar supplies: {noise}, {mean}"]
    options = config_to_dict(loaded.generator.config)
    for hostile in ("text", [1], ["x" * 201], ["a"] * 9, ["\x1b[2J"], 3):
        with pytest.raises(UnsupportedCheckpointError):
            config_from_dict(options | {"substitutes": hostile})


def test_it_can_be_written_as_pkl_and_safetensors(tmp_path: Path) -> None:
    loaded = load_checkpoint(save(tmp_path / "a.pt", training_file()))
    for name in ("a.pkl", "a.safetensors"):
        assert save_checkpoint(loaded, tmp_path / name) == []
        again = load_checkpoint(tmp_path / name)
        for network in ("generator", "critic"):
            first, second = getattr(loaded, network).state_dict(), getattr(again, network).state_dict()
            assert all(torch.equal(first[key], second[key]) for key in first)


def changed_file(path: Path, name: str = "mapping.fc0.weight") -> tuple[Path, torch.Tensor]:
    """The state dictionary at `path` with one tensor of its generator changed and written beside it, and that tensor."""
    loaded = load_checkpoint(path)
    tensor = loaded.generator.state_dict()[name]
    tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(5)))
    target = path.with_stem("changed")
    assert save_checkpoint(loaded, target) == [name]
    return target, tensor


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
@pytest.mark.parametrize(
    ("ours", "theirs", "form"),
    [
        ("mapping.fc0.weight", "style.1.weight", lambda tensor: tensor),
        ("synthesis.b16.conv0.weight", "convs.2.conv.weight", lambda tensor: tensor[None]),
        ("synthesis.b8.torgb.bias", "to_rgbs.0.bias", lambda tensor: tensor[None, :, None, None]),
        ("synthesis.b4.conv1.noise_const", "noises.noise_0", lambda tensor: tensor[None, None]),
    ],
)
def test_a_changed_tensor_is_written_back_into_its_place(zipped: bool, ours: str, theirs: str, form: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "000100.pt", training_file(), zipped)
    target, tensor = changed_file(path, ours)
    with torch.serialization.safe_globals([argparse.Namespace]):
        before, after = (torch.load(name, weights_only=True) for name in (path, target))
    assert torch.equal(after["g_ema"].pop(theirs), form(tensor)) and not torch.equal(before["g_ema"].pop(theirs), form(tensor))
    for network in ("g", "d", "g_ema"):
        assert all(torch.equal(tensor, after[network][name]) for name, tensor in before[network].items())
    assert (after["args"], after["ada_aug_p"]) == (before["args"], before["ada_aug_p"])
    old, new = path.read_bytes(), target.read_bytes()
    assert len(old) == len(new) and sum(a != b for a, b in zip(old, new, strict=True)) <= 4 * tensor.numel() + 12
    if zipped:
        assert zipfile.ZipFile(target).testzip() is None
    assert torch.equal(load_checkpoint(target).generator.state_dict()[ours], tensor)


def test_an_unchanged_state_dictionary_is_copied(tmp_path: Path) -> None:
    for zipped in (True, False):
        path = save(tmp_path / "a.pth", training_file(), zipped)
        assert save_checkpoint(load_checkpoint(path), tmp_path / "b.pth") == []
        assert (tmp_path / "b.pth").read_bytes() == path.read_bytes()


def test_half_precision_and_other_strides_keep_their_form(tmp_path: Path) -> None:
    tensors = {name: tensor.half() for name, tensor in layout(TENSORS).items()}
    tensors["style.1.weight"] = tensors["style.1.weight"].T.contiguous().T
    target, tensor = changed_file(save(tmp_path / "a.pt", tensors))
    written = torch.load(target, weights_only=True)["style.1.weight"]
    assert written.dtype == torch.float16 and not written.is_contiguous() and torch.equal(written, tensor.half())


def test_what_has_no_place_of_its_own_is_not_written(tmp_path: Path) -> None:
    value = {name: tensor for name, tensor in layout(TENSORS).items() if "noises" not in name}
    path = save(tmp_path / "a.pt", value)
    for name in ("synthesis.b4.conv1.noise_const", "mapping.w_avg"):
        with pytest.raises(UnsupportedCheckpointError, match=rf"{name} changed, and a\.pt keeps no such tensor; write \.safetensors"):
            changed_file(path, name)
    shared = layout(TENSORS)
    path = save(tmp_path / "b.pt", {"g": dict(shared), "g_ema": shared})
    with pytest.raises(UnsupportedCheckpointError, match=r"in the same bytes; write \.safetensors"):
        changed_file(path)
    with pytest.raises(UnsupportedCheckpointError, match="has no G"):
        save_checkpoint(load_checkpoint(tmp_path / "a.pt"), tmp_path / "c.pt", also_g=True)
    with pytest.raises(OptionError, match=r"ends in \.pkl or \.safetensors, and only what was read from a state dictionary"):
        save_checkpoint(load_checkpoint(path), tmp_path / "c.onnx")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.pt", "b.pt"]


def test_reading_opens_one_file_imports_nothing_and_needs_no_torch(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{zipped}.pt", training_file(), zipped) for zipped in (True, False)]
    for path, report in zip(paths, run_reader(paths, "--audit"), strict=True):
        assert report["error"] is None and report["events"] == [f"open {path}"] and report["heavy_modules"] == []


def _without(name: str) -> Any:
    return {key: tensor for key, tensor in layout(TENSORS).items() if key != name}


def _with(**tensors: Any) -> Any:
    return layout(TENSORS) | {name.replace("__", "."): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("tensors", "error", "words"),
    [
        (_without("conv1.activate.bias"), DamagedCheckpointError, "conv1.activate.bias is missing"),
        (_without("to_rgb1.conv.weight"), DamagedCheckpointError, "to_rgb1.conv.weight is missing"),
        (_with(input__input=torch.zeros(2, 6, 4, 4)), DamagedCheckpointError, "input.input has shape"),
        (_with(conv1__activate__bias=torch.full((6,), torch.nan)), DamagedCheckpointError, "not finite"),
        (_with(conv1__activate__bias=torch.zeros(6, dtype=torch.int64)), DamagedCheckpointError, "int64"),
        (_with(attention__weight=torch.zeros(3)), UnsupportedCheckpointError, "attention.weight"),
        (_with(convs__0__conv__blur__kernel=torch.ones(4, 4)), UnsupportedCheckpointError, "resample filter"),
        (_with(convs__0__conv__weight=torch.zeros(1, 5, 6, 3, 3)), UnsupportedCheckpointError, "do not halve"),
        ({"conv.weight": torch.zeros(3, 3, 3, 3)}, UnsupportedCheckpointError, r"does not know \(1 tensors: conv\.weight"),
        ([1, 2], UnsupportedCheckpointError, "a list of 2 things"),
        ({"a\x1b[2J": 1}, UnsupportedCheckpointError, r"x1b"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tensors: Any, error: type, words: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=words) as caught:
        load_checkpoint(save(tmp_path / "network.pt", tensors))
    assert str(caught.value).isascii() and str(caught.value).isprintable()


class Payload:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
@pytest.mark.parametrize("place", ["top", "value", "key"])
def test_a_payload_is_refused_and_not_run(zipped: bool, place: str, tmp_path: Path) -> None:
    payload = Payload(tmp_path / "canary")
    value = {"top": payload, "value": training_file() | {"extra": payload}, "key": {"a": {payload: 1}}}[place]
    with pytest.raises(UnsafeCheckpointError, match=r"posix\.system"):
        read_contents(save(tmp_path / "network.pt", value, zipped))
    assert not (tmp_path / "canary").exists()


def test_objects_that_are_no_data_are_refused(tmp_path: Path) -> None:
    for value in (torch.nn.Linear(2, 2), {"a": slice(1)}, {"a": {1, 2}}, {"a": complex(1, 2)}, {(1, 2): 3}):
        with pytest.raises(CheckpointError):
            read_contents(save(tmp_path / "network.pt", value))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
@pytest.mark.parametrize(
    "config",
    [
        plain_object(),
        plain_object("__main__", "Config", size=16, nested={"sizes": [4, 8], "loss": None, "rate": 1e-3}),
        plain_object("train.settings", "Settings", lossCriterion="DCGAN"),
        Table(size=16, path="images"),
        Slots(),
        Sequence([1, 2]),
    ],
    ids=lambda config: type(config).__name__,
)
def test_objects_of_the_trainer_are_read_past(config: Any, zipped: bool, tmp_path: Path) -> None:
    path = save_zoo(tmp_path / "network.pt", config, zipped, g_ema=layout(TENSORS))
    info = describe(read_contents(path))
    kind = f"{type(config).__module__}.{type(config).__qualname__}"
    assert info.contents["config"] == f"a {kind} object, as plain attributes" and info.family == "StyleGAN2"
    (report,) = run_reader([path], "--audit")
    assert report["error"] is None and report["events"] == [f"open {path}"] and report["heavy_modules"] == []


def rezipped(path: Path, change: Any, method: int = zipfile.ZIP_STORED) -> Path:
    """The file with its entries put through `change` and packed again."""
    with zipfile.ZipFile(path) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in change(entries):
            archive.writestr(name, data)
    return path


def _grown(name: str, extra: int) -> Any:
    return lambda entries: [(key, data + bytes(extra) if key.endswith(name) else data) for key, data in entries]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda entries: [*entries, ("network/code/__torch__.py", b"")], UnsafeCheckpointError, "TorchScript"),
        (lambda entries: [*entries, ("network/../evil", b"")], UnsafeCheckpointError, "name"),
        (lambda entries: [*entries, ("network//etc/passwd", b"")], UnsafeCheckpointError, "name"),
        (lambda entries: [*entries, ("network/data.pkl", b"\x80\x02}.")], UnsafeCheckpointError, "two entries"),
        (lambda entries: [*entries, ("other/data/999", b"")], NotACheckpointError, "zip archive"),
        (lambda entries: [entry for entry in entries if "data.pkl" not in entry[0]], NotACheckpointError, "zip archive"),
        (lambda entries: [entry for entry in entries if not entry[0].endswith("data/3")], DamagedCheckpointError, "storage 3 .* missing"),
        (_grown("/data/3", 4), DamagedCheckpointError, "storage 3 of"),
        (_grown("/byteorder", 1), DamagedCheckpointError, "little-endian"),
        (_grown("/data.pkl", 1), DamagedCheckpointError, "behind the end"),
    ],
)
def test_zip_tricks_are_refused(change: Any, error: type, words: str, tmp_path: Path) -> None:
    path = rezipped(save(tmp_path / "network.pt", training_file()), change)
    with pytest.raises(error, match=words):
        read_contents(path)


def test_nothing_is_decompressed(tmp_path: Path) -> None:
    path = rezipped(save(tmp_path / "network.pt", training_file()), lambda entries: entries, zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsupportedCheckpointError, match="compressed"):
        read_contents(path)


@pytest.mark.parametrize("cut", [1, 30, 2000, 30_000])
def test_a_file_that_ends_early_is_damaged(cut: int, tmp_path: Path) -> None:
    for zipped in (True, False):
        data = save(tmp_path / "network.pt", training_file(), zipped).read_bytes()
        (tmp_path / "cut.pt").write_bytes(data[:-cut])
        with pytest.raises(DamagedCheckpointError):
            read_contents(tmp_path / "cut.pt")


def test_two_headers_that_disagree_and_entries_that_overlap_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "network.pt", training_file())
    data = bytearray(path.read_bytes())
    name = b"network/data/0"
    data[data.index(name) : data.index(name) + len(name)] = b"network/data/X"
    (tmp_path / "named.pt").write_bytes(data)
    with pytest.raises(UnsafeCheckpointError, match="two things"):
        read_contents(tmp_path / "named.pt")
    # The directory's entry of data/1 is pointed at the header of data/0, which is given its name.
    data = bytearray(path.read_bytes())
    first = data.rindex(b"PK\x01\x02", 0, data.rindex(b"network/data/0"))
    second = data.rindex(b"PK\x01\x02", 0, data.rindex(b"network/data/1"))
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    (tmp_path / "overlap.pt").write_bytes(data)
    with pytest.raises(UnsafeCheckpointError):
        read_contents(tmp_path / "overlap.pt")
    size = struct.unpack_from("<L", data, second + 24)[0]
    for offset in (20, 24):
        struct.pack_into("<L", data, second + offset, size + (1 << 30))
    (tmp_path / "long.pt").write_bytes(data)
    with pytest.raises(CheckpointError):
        read_contents(tmp_path / "long.pt")


def test_a_stream_whose_storages_lie_is_damaged(tmp_path: Path) -> None:
    data = save(tmp_path / "network.pt", {"g_ema": layout(TENSORS)}, zipped=False).read_bytes()
    for change in (
        lambda: data + b"\0",
        lambda: data.replace(b"little_endian", b"little_endiaN"),
        lambda: data.replace(b"M\xe9\x03", b"M\xe8\x03"),
    ):
        (tmp_path / "lies.pt").write_bytes(change())
        with pytest.raises(DamagedCheckpointError):
            read_contents(tmp_path / "lies.pt")
    # One storage described with twice its elements.
    short = {"g_ema": {"weight": torch.zeros(70_000)}}
    stream = io.BytesIO()
    torch.save(short, stream, _use_new_zipfile_serialization=False)
    lies = stream.getvalue().replace(struct.pack("<i", 70_000), struct.pack("<i", 140_000), 1)
    (tmp_path / "lies.pt").write_bytes(lies)
    with pytest.raises(DamagedCheckpointError, match="elements"):
        read_contents(tmp_path / "lies.pt")
