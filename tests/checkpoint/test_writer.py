"""A checkpoint is written back with the changed numbers replaced and every other byte kept; the input is never touched."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pickle_assembler as pa
import pytest
import safetensors.torch
import torch

from orojar_cli import Checkpoint, load_checkpoint, save_checkpoint
from orojar_cli.errors import OptionError, OutputFileError, UnsupportedCheckpointError

NAMES = ("sg2_cond_fp16_64", "sg2_from_sg3_repo_16", "sg2_resnet_gray_16", "sg2_skip_32")
NAME = "mapping.fc0.weight"


@pytest.fixture
def source(tmp_path: Path, references: Path) -> Path:
    path = tmp_path / "in.pkl"
    path.write_bytes((references / "sg2_skip_32.pkl").read_bytes())
    return path


def changed(checkpoint: Checkpoint, name: str = NAME) -> torch.Tensor:
    """Change one tensor of the generator and return its new value."""
    tensor = checkpoint.generator.state_dict()[name]
    tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(5)))
    return tensor


def extent(checkpoint: Checkpoint, network: str, name: str = NAME) -> tuple[int, int]:
    record = checkpoint.contents.network(network).tensors[name]
    start = record.storage.data.offset + record.offset * record.storage.itemsize
    return start, start + record.numel * record.storage.itemsize


def without(data: bytes, *extents: tuple[int, int]) -> bytes:
    out = bytearray(data)
    for start, end in extents:
        out[start:end] = bytes(end - start)
    return bytes(out)


def assert_nothing_left(folder: Path, *expected: str) -> None:
    assert sorted(os.listdir(folder)) == sorted(expected)


@pytest.mark.parametrize("name", NAMES)
def test_an_unchanged_network_gives_the_same_bytes(name: str, references: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(references / f"{name}.pkl")
    assert save_checkpoint(loaded, tmp_path / "out.pkl", format="input") == []
    assert (tmp_path / "out.pkl").read_bytes() == (references / f"{name}.pkl").read_bytes()
    assert_nothing_left(tmp_path, "out.pkl")


@pytest.mark.parametrize("name", NAMES)
def test_only_the_changed_tensor_changes(name: str, references: Path, tmp_path: Path) -> None:
    before = (references / f"{name}.pkl").read_bytes()
    loaded = load_checkpoint(references / f"{name}.pkl")
    new = changed(loaded)
    assert save_checkpoint(loaded, tmp_path / "out.pkl", format="input") == [NAME]
    after = (tmp_path / "out.pkl").read_bytes()
    place = extent(loaded, "G_ema")
    assert without(after, place) == without(before, place)
    assert after[slice(*place)] == new.numpy().tobytes() != before[slice(*place)]
    again = load_checkpoint(tmp_path / "out.pkl")
    assert torch.equal(again.generator.state_dict()[NAME], new)
    assert (references / f"{name}.pkl").read_bytes() == before


SOURCELESS = (*NAMES, "sg2_human_64x32", "sg2_initres_48x80", "sg3_t_32", "sg3_r_32")


@pytest.mark.parametrize("name", SOURCELESS)
def test_a_network_whose_source_text_was_removed_gets_ours(name: str, references: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(references / f"{name}.pkl")
    assert loaded.contents.generator.sourceless
    new = changed(loaded)
    assert save_checkpoint(loaded, tmp_path / "out.pkl") == [NAME]
    again = load_checkpoint(tmp_path / "out.pkl")
    assert {*again.info.sources.values()} == {"written by orojar"} and not again.contents.generator.sourceless
    assert torch.equal(again.generator.state_dict()[NAME], new)
    assert again.generator.config == loaded.generator.config and (again.critic is None) == (loaded.critic is None)
    state, own = again.generator.state_dict(), loaded.generator.state_dict()
    assert all(torch.equal(state[key], own[key]) for key in own)
    kept = loaded.contents.entries.get("G") is not None
    assert not kept or torch.equal(again.build("G", again.contents.network("G")).mapping.fc0.weight, training_weight(loaded))


def training_weight(loaded: Checkpoint) -> torch.Tensor:
    return loaded.build("G", loaded.contents.network("G")).mapping.fc0.weight


def test_a_network_without_such_a_form_is_copied_though_its_text_was_removed(references: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(references / "stylegan_xl_16.pkl")
    assert loaded.contents.generator.sourceless and save_checkpoint(loaded, tmp_path / "out.pkl") == []
    assert (tmp_path / "out.pkl").read_bytes() == (references / "stylegan_xl_16.pkl").read_bytes()


@pytest.mark.parametrize(
    ("text", "sourceless"),
    [
        ("", True),
        ("# module source removed\n", True),
        ("class Generator(torch.nn.Module): ...\n", False),
        ("from training.networks import Generator\n", False),
        ("from training.networks import *\n", False),
    ],
)
def test_a_text_that_cannot_define_the_class_is_none(text: str, sourceless: bool, tmp_path: Path) -> None:
    module = pa.generator()
    module.meta["module_src"] = text
    loaded = load_checkpoint(pa.write(tmp_path / "in.pkl", pa.checkpoint(module)))
    assert loaded.contents.generator.sourceless == sourceless
    save_checkpoint(loaded, tmp_path / "out.pkl")
    same = (tmp_path / "out.pkl").read_bytes() == (tmp_path / "in.pkl").read_bytes()
    assert same != sourceless


def test_the_training_copy_changes_only_on_request(source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    loaded = load_checkpoint(source)
    new = changed(loaded)
    save_checkpoint(loaded, tmp_path / "out.pkl", also_g=True, format="input")
    after = (tmp_path / "out.pkl").read_bytes()
    places = extent(loaded, "G_ema"), extent(loaded, "G")
    assert without(after, *places) == without(before, *places)
    assert all(after[slice(*place)] == new.numpy().tobytes() for place in places)


def test_the_output_is_writable_though_the_input_is_not(source: Path, tmp_path: Path) -> None:
    source.chmod(0o440)
    save_checkpoint(load_checkpoint(source), tmp_path / "out.pkl", format="input")
    assert (tmp_path / "out.pkl").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", NAMES)
def test_a_safetensors_file_holds_the_same_network_and_critic(name: str, references: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(references / f"{name}.pkl")
    changed(loaded)
    assert save_checkpoint(loaded, tmp_path / "out.safetensors") == [NAME]
    again = load_checkpoint(tmp_path / "out.safetensors")
    for first, second in ((loaded.generator, again.generator), (loaded.critic, again.critic)):
        assert first is not None and second is not None and first.config == second.config
        a, b = first.state_dict(), second.state_dict()
        assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
    assert again.info.container == "safetensors"
    plain = safetensors.torch.load_file(tmp_path / "out.safetensors")
    assert plain.keys() == again.contents.all_tensors().keys()
    assert torch.equal(plain[f"G_ema.{NAME}"], loaded.generator.state_dict()[NAME])
    assert save_checkpoint(again, tmp_path / "twice.safetensors") == []
    assert (tmp_path / "twice.safetensors").read_bytes() == (tmp_path / "out.safetensors").read_bytes()
    assert_nothing_left(tmp_path, "out.safetensors", "twice.safetensors")


def test_another_suffix_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"ends in \.pkl or \.safetensors"):
        save_checkpoint(load_checkpoint(source), tmp_path / "out.pt")
    assert_nothing_left(tmp_path, "in.pkl")


# --- tensors stored in other ways ---------------------------------------------------------------------------------------------


def write_with(path: Path, **records: Any) -> Path:
    module = pa.generator()
    for name, record in records.items():
        module.replace(name.replace("__", "."), record)
    return pa.write(path, pa.checkpoint(module))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_a_tensor_is_written_in_its_own_precision(dtype: torch.dtype, tmp_path: Path) -> None:
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(1)).to(dtype)
    path = write_with(tmp_path / "in.pkl", mapping__fc0__weight=pa.parameter_of(pa.tensor_of(weight)))
    loaded = load_checkpoint(path)
    assert torch.equal(loaded.generator.state_dict()[NAME], weight.float())
    new = changed(loaded)
    save_checkpoint(loaded, tmp_path / "out.pkl", also_g=True)
    after = (tmp_path / "out.pkl").read_bytes()
    assert after[slice(*extent(loaded, "G_ema"))] == new.to(dtype).numpy().tobytes()
    # The training copy of this file is float32, and is written as float32.
    assert after[slice(*extent(loaded, "G"))] == new.to(dtype).float().numpy().tobytes()
    assert len(after) == path.stat().st_size
    assert load_checkpoint(tmp_path / "out.pkl").critic is not None


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_weights_of_another_precision_that_did_not_change_keep_their_bytes(dtype: torch.dtype, tmp_path: Path) -> None:
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    path = write_with(tmp_path / "in.pkl", mapping__fc0__weight=pa.parameter_of(pa.tensor_of(weight)))
    assert save_checkpoint(load_checkpoint(path), tmp_path / "out.pkl") == []
    assert (tmp_path / "out.pkl").read_bytes() == path.read_bytes()


def test_a_channels_last_tensor_is_written_in_its_own_order(tmp_path: Path) -> None:
    name = "synthesis.b8.conv1.weight"
    shape = pa.GENERATOR.shapes()[name]
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    path = write_with(tmp_path / "in.pkl", synthesis__b8__conv1__weight=pa.parameter_of(pa.tensor_of(weight)))
    loaded = load_checkpoint(path)
    assert torch.equal(loaded.generator.state_dict()[name], weight)
    assert save_checkpoint(loaded, tmp_path / "same.pkl") == []
    new = changed(loaded, name)
    save_checkpoint(loaded, tmp_path / "out.pkl")
    after = (tmp_path / "out.pkl").read_bytes()
    assert after[slice(*extent(loaded, "G_ema", name))] == new.permute(0, 2, 3, 1).contiguous().numpy().tobytes()
    assert torch.equal(load_checkpoint(tmp_path / "out.pkl").generator.state_dict()[name], new)


def test_a_tensor_inside_a_larger_storage_is_written_in_its_place(tmp_path: Path) -> None:
    storage = pa.storage_of(torch.arange(100, dtype=torch.float32))
    record = pa.tensor_of(torch.zeros(8), storage=storage, offset=7)
    path = write_with(tmp_path / "in.pkl", mapping__w_avg=record)
    loaded = load_checkpoint(path)
    assert torch.equal(loaded.generator.mapping.w_avg, torch.arange(7.0, 15.0))
    loaded.generator.mapping.w_avg.fill_(-1)
    assert save_checkpoint(loaded, tmp_path / "out.pkl") == ["mapping.w_avg"]
    data = load_checkpoint(tmp_path / "out.pkl").contents.generator.tensors["mapping.w_avg"].storage.data.read()
    expected = torch.arange(100, dtype=torch.float32)
    expected[7:15] = -1
    assert data == expected.numpy().tobytes()


def shared_file(path: Path) -> Path:
    storage = pa.storage_of(torch.randn(12, generator=torch.Generator().manual_seed(1)))
    return write_with(
        path,
        mapping__fc0__bias=pa.parameter_of(pa.tensor_of(torch.zeros(8), storage=storage)),
        mapping__fc1__bias=pa.parameter_of(pa.tensor_of(torch.zeros(8), storage=storage, offset=4)),
    )


@pytest.mark.parametrize("name", ["mapping.fc0.bias", "mapping.fc1.bias"])
def test_bytes_that_two_tensors_share_are_not_changed(name: str, tmp_path: Path) -> None:
    path = shared_file(tmp_path / "in.pkl")
    loaded = load_checkpoint(path)
    changed(loaded, name)
    with pytest.raises(UnsupportedCheckpointError, match="in the same bytes"):
        save_checkpoint(loaded, tmp_path / "out.pkl")
    assert_nothing_left(tmp_path, "in.pkl")


def test_shared_bytes_elsewhere_do_not_matter(tmp_path: Path) -> None:
    path = shared_file(tmp_path / "in.pkl")
    loaded = load_checkpoint(path)
    changed(loaded)
    assert save_checkpoint(loaded, tmp_path / "out.pkl") == [NAME]


def test_a_training_copy_that_is_the_averaged_network_itself_is_refused(tmp_path: Path) -> None:
    module = pa.generator()
    path = pa.write(tmp_path / "in.pkl", pa.checkpoint(module, G=module.call))
    loaded = load_checkpoint(path)
    changed(loaded)
    with pytest.raises(UnsupportedCheckpointError, match="in the same bytes"):
        save_checkpoint(loaded, tmp_path / "out.pkl")


def test_a_training_copy_with_other_options_is_refused(tmp_path: Path) -> None:
    other = pa.generator(2)
    other.at("synthesis.b4.conv1").state["conv_clamp"] = 256
    path = pa.write(tmp_path / "in.pkl", pa.checkpoint(G=other.call))
    loaded = load_checkpoint(path)
    changed(loaded)
    with pytest.raises(UnsupportedCheckpointError, match="different options"):
        save_checkpoint(loaded, tmp_path / "out.pkl", also_g=True)
    assert_nothing_left(tmp_path, "in.pkl")


def test_a_missing_training_copy_is_named(tmp_path: Path) -> None:
    loaded = load_checkpoint(pa.write(tmp_path / "in.pkl", pa.checkpoint(G=None)))
    changed(loaded)
    with pytest.raises(UnsupportedCheckpointError, match="has no G;"):
        save_checkpoint(loaded, tmp_path / "out.pkl", also_g=True)


# --- the input is never modified -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["same name", "hard link", "symbolic link", "other spelling"])
def test_writing_onto_the_input_is_refused(how: str, source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    loaded = load_checkpoint(source)
    changed(loaded)
    target = tmp_path / "other.pkl"
    if how == "hard link":
        os.link(source, target)
    elif how == "symbolic link":
        target.symlink_to(source)
    else:
        (tmp_path / "sub").mkdir()
        target = source if how == "same name" else tmp_path / "sub" / ".." / "in.pkl"
    with pytest.raises(OutputFileError, match="it is the input checkpoint"):
        save_checkpoint(loaded, target)
    assert source.read_bytes() == before


def test_a_removed_input_can_still_be_written(source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    loaded = load_checkpoint(source)
    source.unlink()
    (tmp_path / "out.pkl").write_bytes(b"older")
    assert save_checkpoint(loaded, tmp_path / "out.pkl", format="input") == []
    assert (tmp_path / "out.pkl").read_bytes() == before


class FullDisk:
    """A file that takes `room` bytes and then no more."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            self.file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)

    def seek(self, offset: int) -> int:
        return self.file.seek(offset)

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


@pytest.mark.parametrize("existing", [False, True])
def test_a_full_disk_leaves_nothing_half_written(existing: bool, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = source.read_bytes()
    out = tmp_path / "out.pkl"
    if existing:
        out.write_bytes(b"older")
    loaded = load_checkpoint(source)
    changed(loaded)

    def open_on_full_disk(path: Any, mode: str) -> FullDisk:
        return FullDisk(open(path, mode), 1000)

    monkeypatch.setattr("orojar_cli.checkpoint.writer.open", open_on_full_disk, raising=False)
    with pytest.raises(OutputFileError, match="No space left on device; nothing was left"):
        save_checkpoint(loaded, out, format="input")
    assert_nothing_left(tmp_path, "in.pkl", *(["out.pkl"] if existing else []))
    assert not existing or out.read_bytes() == b"older"
    assert source.read_bytes() == before


@pytest.mark.parametrize("suffix", [".pkl", ".safetensors"])
def test_a_missing_folder_is_an_output_error(suffix: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputFileError, match="does not exist"):
        save_checkpoint(load_checkpoint(source), tmp_path / "missing" / f"out{suffix}")
    assert_nothing_left(tmp_path, "in.pkl")
