"""The file that fine-tuning writes: the container of the input, with both copies of the network changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import REFERENCES

import orojar_cli
from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.checkpoint.writer import keeps_layers
from orojar_cli.directions import load_directions, save_directions
from orojar_cli.errors import OptionError, UnsupportedCheckpointError
from orojar_cli.generators.mapping import Mapping

NETWORK = REFERENCES / "sg2_from_sg3_repo_16.pkl"
OPTIONS = {"samples": 8, "seeds": (0,), "device": "cpu"}


def network(path: Path, name: str):
    """G or G_ema of a file."""
    loaded = load_checkpoint(path)
    return loaded.generator if name == "G_ema" else loaded.build(name, loaded.contents.network(name))


def two_copies(path: Path) -> Path:
    """A file whose G has other mapping weights than its G_ema, as training leaves them."""
    loaded = load_checkpoint(NETWORK)
    record = loaded.contents.network("G").tensors["mapping.fc0.weight"]
    numbers = np.frombuffer(record.storage.data.read(), np.float32)
    data = bytearray(NETWORK.read_bytes())
    start = record.storage.data.offset
    data[start : start + numbers.nbytes] = (numbers[::-1] * 1.5).tobytes()
    path.write_bytes(bytes(data))
    return path


def test_a_rotation_is_exact_for_both_copies_of_the_network(tmp_path: Path) -> None:
    source = two_copies(tmp_path / "in.pkl")
    tuned = orojar_cli.finetune(source, outdir=tmp_path, **OPTIONS)
    path, rotation = tuned.run.path / "tuned.pkl", tuned.rotation.directions
    z = torch.randn(3, rotation.shape[1], generator=torch.Generator().manual_seed(1))
    differ = []
    for name in ("G_ema", "G"):
        before, after = network(source, name), network(path, name)
        images = before(z @ rotation)
        assert (after(z) - images).abs().max() <= 1e-4 * images.abs().max()
        differ.append(images)
    assert (differ[0] - differ[1]).abs().max() > 0.01  # the copies are two networks


@pytest.mark.slow
def test_ema_only_leaves_the_training_copy_as_it_was(tmp_path: Path) -> None:
    tuned = orojar_cli.finetune(NETWORK, outdir=tmp_path, ema_only=True, **OPTIONS)
    before, after = (network(path, "G").state_dict() for path in (NETWORK, tuned.run.path / "tuned.pkl"))
    assert all(torch.equal(before[key], after[key]) for key in before)
    with pytest.raises(OptionError, match="contradict"):
        orojar_cli.finetune(NETWORK, ema_only=True, also_g=True, **OPTIONS)


def with_two_copies(name: str, folder: Path) -> Path:
    """A state dictionary of the layout of a reference that holds a copy which training has moved on from its average."""
    if name == "rosinality":
        save_checkpoint(load_checkpoint(REFERENCES / "sg2_tensorflow_32.pkl"), folder / "in.pt", format="rosinality")
        value = torch.load(folder / "in.pt", weights_only=True)
        moved = {key: 1.2 * tensor if "weight" in key else tensor.clone() for key, tensor in value["g_ema"].items()}
        torch.save({"g": {f"module.{key}": tensor for key, tensor in moved.items()}, **value}, folder / "in.pt")
        return folder / "in.pt"
    if name == "named":
        averaged = load_checkpoint(NETWORK).generator.state_dict()
        moved = {key: 1.2 * item if key.endswith("weight") else item.clone() for key, item in averaged.items()}
        torch.save({"generator": moved, "g_ema": dict(averaged)}, folder / "in.pth")
        return folder / "in.pth"
    if name == "lucidrains":
        value = torch.load(REFERENCES / "lucidrains_32.pt", weights_only=True)
        table = value["GAN"]
        table |= {f"{key[0]}{key[2:]}": 1.2 * item for key, item in table.items() if key.startswith(("SE.", "GE.")) and "weight" in key}
        torch.save(value, folder / "model_1.pt")
        return folder / "model_1.pt"
    return REFERENCES / name


@pytest.mark.parametrize("name", ["rosinality", "named", "lucidrains", "genforce_stylegan2_32.pth"])
def test_the_mapping_that_is_trained_becomes_that_of_both_copies(name: str, tmp_path: Path) -> None:
    source = with_two_copies(name, tmp_path)
    loaded = load_checkpoint(source)
    assert loaded.info.contents["G"].startswith("generator")
    with torch.no_grad():
        for tensor in loaded.generator.mapping.parameters():
            tensor.mul_(1.1)
        if loaded.substitutes == ():
            loaded.generator.mapping.w_avg.add_(1)
    old = network(source, "G").mapping.fc0.weight
    new = loaded.generator.mapping.fc0.weight
    assert not torch.allclose(new, old)
    for also_g in (True, False):
        path = tmp_path / f"mapped{source.suffix}"
        save_checkpoint(loaded, path, also_g=also_g, format="input")
        assert torch.allclose(network(path, "G_ema").mapping.fc0.weight, new, rtol=1e-5)
        assert torch.allclose(network(path, "G").mapping.fc0.weight, new if also_g else old, rtol=1e-5)
        path.unlink()


def resized(source: Path):
    """A checkpoint whose mapping became another: five layers of 24 numbers."""
    loaded = load_checkpoint(source)
    generator = loaded.generator
    config = replace(generator.mapping.config, num_layers=5, layer_features=24)
    mapping, rng = Mapping(config), torch.Generator().manual_seed(8)
    with torch.no_grad():
        for tensor in mapping.parameters():
            tensor.copy_(100 * torch.randn(tensor.shape, generator=rng))
        mapping.w_avg.zero_()
    generator.replace_mapping(mapping)
    return loaded, mapping


@pytest.mark.parametrize(("suffix", "format"), [(".pkl", None), (".pkl", "nvlabs"), (".safetensors", None)])
@pytest.mark.parametrize("also_g", [True, False])
def test_a_mapping_of_another_size_is_written_where_there_is_a_place_for_it(
    suffix: str, format: str | None, also_g: bool, tmp_path: Path
) -> None:
    source = two_copies(tmp_path / "in.pkl")
    loaded, mapping = resized(source)
    z = torch.randn(4, mapping.config.z_dim, generator=torch.Generator().manual_seed(9))
    path = tmp_path / f"out{suffix}"
    changed = save_checkpoint(loaded, path, also_g=also_g, format=format)
    assert "mapping.fc0.weight" in changed and not any(name.startswith("synthesis") for name in changed)
    again = network(path, "G_ema")
    assert again.config == loaded.generator.config and torch.equal(again.mapping.w(z), mapping.w(z))
    assert torch.equal(again(z), loaded.generator(z))
    if suffix == ".pkl":
        copy, old = network(path, "G"), network(source, "G")
        assert torch.equal(copy.mapping.w(z), (mapping if also_g else old.mapping).w(z))
        assert torch.equal(copy.synthesis.b4.const, old.synthesis.b4.const)


@pytest.mark.parametrize("name", ["rosinality", "lucidrains", "genforce_stylegan2_32.pth"])
def test_a_mapping_of_another_size_is_refused_where_there_is_none(name: str, tmp_path: Path) -> None:
    source = with_two_copies(name, tmp_path)
    loaded, _ = resized(source)
    assert keeps_layers(loaded, None) and not keeps_layers(loaded, "safetensors")
    with pytest.raises(UnsupportedCheckpointError, match="no place for layers of another size"):
        save_checkpoint(loaded, tmp_path / f"out{source.suffix}", format="input")
    assert not (tmp_path / f"out{source.suffix}").exists()
    save_checkpoint(loaded, tmp_path / "out.safetensors")
    assert load_checkpoint(tmp_path / "out.safetensors").generator.config == loaded.generator.config


def test_stylegan3_has_no_pickle_of_a_mapping_of_another_width(tmp_path: Path) -> None:
    """Its classes take the number of layers, and no width."""
    loaded, _ = resized(REFERENCES / "sg3_t_32.pkl")
    assert keeps_layers(loaded, None) and keeps_layers(loaded, "nvlabs") and not keeps_layers(loaded, "safetensors")
    with pytest.raises(UnsupportedCheckpointError, match="as wide as w"):
        save_checkpoint(loaded, tmp_path / "out.pkl")
    save_checkpoint(loaded, tmp_path / "out.safetensors")
    again = load_checkpoint(tmp_path / "out.safetensors")
    assert again.generator.config == loaded.generator.config and not keeps_layers(again, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rosinality", "lucidrains"])
def test_both_copies_in_a_state_dictionary_are_tuned(name: str, tmp_path: Path) -> None:
    source = with_two_copies(name, tmp_path)
    told: list[str] = []
    tuned = orojar_cli.finetune(source, outdir=tmp_path, notice=told.append, **OPTIONS)
    assert not any("another container" in line or "stays as it was" in line for line in told), told
    path, rotation = tuned.run.path / tuned.run.manifest["artefacts"]["checkpoint"], tuned.rotation.directions
    z = torch.randn(3, rotation.shape[1], generator=torch.Generator().manual_seed(1))
    differ = []
    for copy in ("G_ema", "G"):
        before, after = network(source, copy), network(path, copy)
        images = before(z @ rotation)
        assert (after(z) - images).abs().max() <= 1e-4 * images.abs().max()
        differ.append(images)
    assert (differ[0] - differ[1]).abs().max() > 0.01


def test_a_file_without_a_training_copy_is_tuned_all_the_same_unless_it_is_insisted_on(tmp_path: Path) -> None:
    source = load_checkpoint(NETWORK)
    save_checkpoint(source, tmp_path / "own.safetensors")
    tuned = orojar_cli.finetune(tmp_path / "own.safetensors", outdir=tmp_path, **OPTIONS)
    assert [path.name for path in tuned.run.path.glob("tuned.*")] == ["tuned.safetensors"]
    with pytest.raises(UnsupportedCheckpointError, match="has no G"):
        orojar_cli.finetune(tmp_path / "own.safetensors", also_g=True, **OPTIONS)


@pytest.mark.slow
def test_the_output_follows_the_input(tmp_path: Path) -> None:
    sources = {"tf.pkl": REFERENCES / "sg2_tensorflow_32.pkl", "ros.pt": tmp_path / "ros.pt", "named.pth": tmp_path / "named.pth"}
    first = load_checkpoint(NETWORK)
    square = load_checkpoint(sources["tf.pkl"])
    save_checkpoint(square, sources["ros.pt"], format="rosinality")
    torch.save({"g_ema": dict(first.generator.state_dict()), "step": 3}, sources["named.pth"])
    for name, source in sources.items():
        tuned = orojar_cli.finetune(source, outdir=tmp_path / "runs" / name, **OPTIONS)
        written = tuned.run.path / f"tuned{source.suffix}"
        assert load_checkpoint(written).info.container == load_checkpoint(source).info.container
        before, after = source.read_bytes(), written.read_bytes()
        assert len(before) == len(after) and before != after
        if source.suffix != ".pkl":
            theirs, ours = (torch.load(path, weights_only=True) for path in (source, written))
            assert theirs.keys() == ours.keys() and theirs["g_ema"].keys() == ours["g_ema"].keys()
            changed = [key for key, tensor in theirs["g_ema"].items() if not torch.equal(tensor, ours["g_ema"][key])]
            assert changed == ["style.1.weight" if name == "ros.pt" else "mapping.fc0.weight"]
        assert tuned.changed == ("mapping.fc0.weight",)


@pytest.mark.slow
def test_another_container_on_request(tmp_path: Path) -> None:
    source = REFERENCES / "sg2_tensorflow_32.pkl"
    for format, name in (("rosinality", "tuned.pt"), ("nvlabs", "tuned.pkl"), ("safetensors", "tuned.safetensors")):
        tuned = orojar_cli.finetune(source, outdir=tmp_path / format, format=format, **OPTIONS)
        assert [path.name for path in tuned.run.path.glob("tuned.*")] == [name]
        z = torch.ones(1, tuned.checkpoint.generator.z_dim)
        want = orojar_cli.finetune(source, **OPTIONS).checkpoint.generator(z)
        assert (tuned.checkpoint.generator(z) - want).abs().max() <= 1e-4 * want.abs().max()
    with pytest.raises(UnsupportedCheckpointError, match="no form in that"):
        orojar_cli.finetune(NETWORK.with_name("sg3_t_32.pkl"), outdir=tmp_path, format="rosinality", **OPTIONS)


def test_what_was_computed_is_written_though_the_input_has_no_place_for_it(tmp_path: Path) -> None:
    tensors = dict(load_checkpoint(NETWORK).generator.state_dict())
    torch.save({"g_ema": tensors, "other": {"x": tensors["mapping.fc0.weight"]}}, tmp_path / "shared.pt")
    told: list[str] = []
    tuned = orojar_cli.finetune(tmp_path / "shared.pt", outdir=tmp_path, notice=told.append, **OPTIONS)
    assert [path.name for path in tuned.run.path.glob("tuned.*")] == ["tuned.pkl"]
    assert any("another container" in line and "in the same bytes" in line for line in told)


@pytest.mark.parametrize("stem", ["sg2_tensorflow_32", "sg2_skip_32"])
def test_rosinality_files_keep_every_number(stem: str, tmp_path: Path) -> None:
    first = load_checkpoint(REFERENCES / f"{stem}.pkl")
    save_checkpoint(first, tmp_path / "new.pt", format="rosinality")
    again, own = load_checkpoint(tmp_path / "new.pt").generator.state_dict(), first.generator.state_dict()
    assert again.keys() == own.keys()
    assert all((again[key] - own[key]).abs().max() <= 1e-6 for key in own)
    assert load_checkpoint(tmp_path / "new.pt").substitutes == ()
    stored = torch.load(tmp_path / "new.pt", weights_only=True)
    assert stored.keys() == {"g_ema", "latent_avg"} and "convs.0.conv.blur.kernel" in stored["g_ema"]


def test_equal_direction_sets_are_equal_files(tmp_path: Path) -> None:
    found = [orojar_cli.sefa(load_checkpoint(NETWORK), num=3).directions for _ in range(2)]
    files = [tmp_path / f"{index}.safetensors" for index in range(8)]
    for index, file in enumerate(files):
        save_directions(found[index % 2], file)
    assert len({file.read_bytes() for file in files}) == 1
    assert load_directions(files[0]).labels == found[0].labels
