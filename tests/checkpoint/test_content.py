"""What is in a file does not depend on how it is packed, and the sentences about other files are true."""

from __future__ import annotations

import gc
import json
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pickle_assembler as pa
import pytest
import torch
from hostile_files import _zip
from pickle_assembler import Build, Call, Global, New, Opcodes, assemble, tensor_of
from torch import Tensor

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.errors import CheckpointError, NotACheckpointError, UnsafeCheckpointError, UnsupportedCheckpointError

REFERENCES = Path(__file__).parents[1] / "references"
STYLED = ("sg2_skip_32", "sg2_resnet_gray_16", "sg2_cond_fp16_64", "sg2_from_sg3_repo_16", "sg3_t_32", "sg3_r_32")


def named(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """A state dictionary in opcodes, over the storages of a pickle."""
    return {name: tensor_of(tensor) for name, tensor in tensors.items()}


def image(path: Path, z: Tensor | None = None) -> Tensor:
    generator = load_checkpoint(path).generator
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(5)) if z is None else z
    return generator(z, torch.eye(generator.c_dim)[:2] if generator.c_dim else None)


@pytest.mark.parametrize("stem", [STYLED[0], *(pytest.param(stem, marks=pytest.mark.slow) for stem in STYLED[1:])])
@pytest.mark.parametrize("kind", ["alone.pt", "named.pkl", "old.pth", "plain.pkl", "plain.safetensors"])
def test_state_dictionaries_in_these_names_draw_what_the_network_file_draws(stem: str, kind: str, tmp_path: Path) -> None:
    source = REFERENCES / f"{stem}.pkl"
    tensors = OrderedDict(load_checkpoint(source).generator.state_dict())
    path = tmp_path / kind
    if kind == "plain.pkl":
        path.write_bytes(assemble({"g_ema": named(tensors)}))
    elif kind == "plain.safetensors":
        path.write_bytes(plain_safetensors(tensors))
    else:
        value = {"g_ema": tensors, "g_optim": {}} if kind == "named.pkl" else tensors
        torch.save(value, path, _use_new_zipfile_serialization=kind != "old.pth")
    close = (image(path) - image(source)).abs().max()
    assert close <= 1e-5 * image(source).abs().max()
    assert torch.equal(load_checkpoint(path).generator.mapping.w_avg, tensors["mapping.w_avg"])
    assert any("show in no tensor" in words for words in load_checkpoint(path).substitutes)


def plain_safetensors(tensors: dict[str, Tensor]) -> bytes:
    header: dict[str, Any] = {}
    data = b""
    for name, tensor in tensors.items():
        raw = tensor.numpy().tobytes()
        kind = {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"synthesis.b4.const": torch.zeros(9, 4, 4)}, "const has shape"),
        ({"synthesis.b8.conv1.weight": torch.zeros(1)}, "number of axes"),
        ({"mapping.fc0.weight": torch.zeros(8)}, "number of axes"),
        ({"synthesis.b4.resample_filter": torch.eye(4)}, "separable"),
        ({"evil": torch.zeros(1)}, "evil"),
    ],
)
def test_state_dictionaries_that_contradict_themselves_are_refused(change: dict[str, Tensor], words: str, tmp_path: Path) -> None:
    tensors = pa.random_tensors(pa.GENERATOR.shapes(), pa.SYNTHESIS.resample_filter, 0)
    torch.save(tensors | change, tmp_path / "network.pt")
    with pytest.raises(CheckpointError, match=words) as caught:
        load_checkpoint(tmp_path / "network.pt")
    assert caught.value.exit_code == 1


def whole(value: Any) -> bytes:
    """`value` as torch.save packs it, its numbers in the archive: records of `_load_from_bytes` become persistent ids."""
    blobs: list[bytes] = []

    def packed(item: Any) -> Any:
        if isinstance(item, Call) and isinstance(item.function, Global) and item.function.name == "_load_from_bytes":
            data = item.arguments[0]
            count = struct.unpack("<q", data[data.index(b"a.") + 2 :][:8])[0]
            numbers = data[len(data) - 4 * count :]
            blobs.append(numbers)
            key = pa.text(str(len(blobs) - 1))
            code = b"(" + pa.text("storage") + pa.global_line("torch", "FloatStorage") + key + pa.text("cpu")
            return Opcodes(code + b"J" + struct.pack("<i", count) + b"tQ")
        if isinstance(item, Call):
            item.arguments = packed(item.arguments)
            return item
        if isinstance(item, dict):
            for key, each in item.items():
                item[key] = packed(each)
            return item
        return tuple(packed(each) for each in item) if type(item) is tuple else item

    stream = assemble(packed(value), 2).replace(pa.global_line("builtins", "set"), pa.global_line("__builtin__", "set"))
    import io

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", stream)
        archive.writestr("archive/version", "3\n")
        for index, blob in enumerate(blobs):
            archive.writestr(f"archive/data/{index}", blob)
    return out.getvalue()


def test_a_whole_network_in_a_torch_file_is_read_and_changed_in_place(tmp_path: Path) -> None:
    pa.write(tmp_path / "network.pkl", pa.checkpoint())
    path = pa.write(tmp_path / "network.pt", whole(pa.generator().call))
    assert torch.equal(image(path), image(tmp_path / "network.pkl"))
    loaded = load_checkpoint(path)
    loaded.generator.mapping.w_avg += 1
    assert save_checkpoint(loaded, tmp_path / "tuned.pt") == ["mapping.w_avg"]
    assert torch.equal(load_checkpoint(tmp_path / "tuned.pt").generator.mapping.w_avg, loaded.generator.mapping.w_avg)
    assert len((tmp_path / "tuned.pt").read_bytes()) == len(path.read_bytes())


def test_a_payload_in_a_whole_network_of_a_torch_file_is_refused(tmp_path: Path) -> None:
    module = pa.generator()
    module.at("mapping").state["x"] = Call(Global("os", "system"), (f"touch {tmp_path / 'canary'}",))
    with pytest.raises(UnsafeCheckpointError):
        load_checkpoint(pa.write(tmp_path / "network.pt", whole(module.call)))
    assert not (tmp_path / "canary").exists()


def test_a_bare_network_is_one(tmp_path: Path) -> None:
    pa.write(tmp_path / "all.pkl", pa.checkpoint())
    assert torch.equal(image(pa.write(tmp_path / "bare.pkl", pa.generator().call)), image(tmp_path / "all.pkl"))
    with pytest.raises(UnsupportedCheckpointError, match="has no G_ema; found: D"):
        load_checkpoint(pa.write(tmp_path / "critic.pkl", pa.critic().call))


# What other projects' critics are: plain torch modules, some of classes of their own.
FOREIGN = Build(
    New(Global("pg_modules.discriminator", "ProjectedDiscriminator")),
    {"training": False, "_modules": {"head": Build(New(Global("torch.nn.modules.linear", "Linear")), {"in_features": 4})}},
)


@pytest.mark.parametrize("entry", ["D", "augment_pipe", "G"])
@pytest.mark.parametrize("protocol", [3, 4])
def test_members_of_unknown_classes_leave_the_generator_readable(entry: str, protocol: int, tmp_path: Path) -> None:
    want = image(pa.write(tmp_path / "good.pkl", pa.checkpoint()))
    path = pa.write(tmp_path / "network.pkl", pa.checkpoint(**{entry: FOREIGN}), protocol)
    assert torch.equal(image(path), want)
    loaded = load_checkpoint(path)
    assert "pg_modules.discriminator.ProjectedDiscriminator" in loaded.info.contents[entry]
    loaded.generator.mapping.w_avg += 1
    for name in ("tuned.pkl", "tuned.safetensors"):
        save_checkpoint(loaded, tmp_path / name)
        assert torch.equal(load_checkpoint(tmp_path / name).generator.mapping.w_avg, loaded.generator.mapping.w_avg)
    assert entry != "D" or loaded.critic is None


@pytest.mark.parametrize(
    "name", ["pg_modules.os.system", "torch.nn.modules.linear.Linear", "dnnlib.util.open_url", "torch_utils.misc.assert_shape"]
)
def test_a_call_of_such_a_class_is_refused(name: str, tmp_path: Path) -> None:
    module, _, last = name.rpartition(".")
    for arguments in ((), ("x",)):
        path = pa.write(tmp_path / "network.pkl", pa.checkpoint(D=Call(Global(module, last), arguments)))
        with pytest.raises(UnsafeCheckpointError, match=name):
            load_checkpoint(path)


def test_protocol_5_and_its_buffers(tmp_path: Path) -> None:
    want = image(pa.write(tmp_path / "good.pkl", pa.checkpoint()))
    numbers = np.arange(6.0, dtype="<f4").tobytes()
    dtype = Build(Call(Global("numpy", "dtype"), ("f4", False, True)), (3, "<", None, None, None, -1, -1, 0))
    buffer = Opcodes(b"\x96" + struct.pack("<Q", len(numbers)) + numbers + b"\x98")
    array = Call(Global("numpy._core.numeric", "_frombuffer"), (buffer, dtype, (2, 3), "C"))
    path = pa.write(tmp_path / "network.pkl", pa.checkpoint(statistics=array), 5)
    assert torch.equal(image(path), want)
    with pytest.raises(UnsupportedCheckpointError, match="outside the file"):
        load_checkpoint(pa.write(tmp_path / "out.pkl", pa.checkpoint(statistics=Opcodes(b"\x97")), 5))
    for wrong in ((buffer, dtype, (2, 4), "C"), (buffer, dtype, (2, 3), "K"), (buffer, dtype, (2, 3)), ("text", dtype, (6,), "C")):
        call = Call(Global("numpy._core.numeric", "_frombuffer"), wrong)
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(pa.write(tmp_path / "wrong.pkl", pa.checkpoint(statistics=call), 5))


def as_protocol_2(value: Any) -> Any:
    """Bytes spelled as texts, as that protocol does."""
    if type(value) is bytes:
        return Call(Global("_codecs", "encode"), (value.decode("latin-1"), "latin1"))
    if isinstance(value, Call):
        value.function, value.arguments = as_protocol_2(value.function), as_protocol_2(value.arguments)
    elif isinstance(value, Global) and value.module == "builtins":
        value.module = "__builtin__"
    elif isinstance(value, dict):
        for key, item in value.items():
            value[key] = as_protocol_2(item)
    elif type(value) is tuple:
        return tuple(map(as_protocol_2, value))
    return value


def test_protocol_2_spells_bytes_as_texts(tmp_path: Path) -> None:
    want = image(pa.write(tmp_path / "good.pkl", pa.checkpoint()))
    data = assemble(as_protocol_2(pa.checkpoint()), 2).replace(pa.global_line("builtins", "set"), pa.global_line("__builtin__", "set"))
    path = pa.write(tmp_path / "network.pkl", data)
    assert torch.equal(image(path), want)
    for arguments in (("x", "rot13"), ("\u0448", "latin1"), (3, "latin1"), ("x",)):
        call = Call(Global("_codecs", "encode"), arguments)
        with pytest.raises(CheckpointError, match=r"encodes a text|damaged"):
            load_checkpoint(pa.write(tmp_path / "wrong.pkl", assemble({"a": call}, 2)))


def test_one_text_decoded_over_and_over_is_refused(tmp_path: Path) -> None:
    once = pa.text("x" * 100_000) + b"q\x00" + pa.text("latin1") + b"q\x01" + pa.global_line("_codecs", "encode") + b"q\x02"
    code = b"\x80\x02(" + once + b"h\x02h\x00h\x01\x86R" * 5000 + b"t."
    with pytest.raises(UnsafeCheckpointError, match="over and over"):
        load_checkpoint(pa.write(tmp_path / "network.pkl", code))


@pytest.mark.parametrize("protocol", [0, 1])
def test_older_protocols_stay_refused(protocol: int, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedCheckpointError, match=f"protocol {protocol}; checkpoints use 2 to 5"):
        load_checkpoint(pa.write(tmp_path / "network.pkl", bytes([0x80, protocol]) + b"}."))


def test_buffers_that_nothing_reads_may_keep_the_usual_filter(tmp_path: Path) -> None:
    taps = (0.25, 0.5, 0.25)
    row, usual = torch.tensor(taps), torch.tensor(pa.SYNTHESIS.resample_filter)

    def network(unused: Tensor, suffix: str) -> Any:
        module = pa.generator()
        for path in [name for name in pa.GENERATOR.shapes() if name.endswith("resample_filter")]:
            module.replace(path, tensor_of(unused if f".{suffix}." in path else torch.outer(row, row)))
        module.state["_init_kwargs"]["synthesis_kwargs"]["resample_filter"] = [1, 2, 1]
        return module

    real = pa.write(tmp_path / "real.pkl", {"G_ema": network(torch.outer(usual, usual), "conv1").call})
    same = pa.write(tmp_path / "same.pkl", {"G_ema": network(torch.outer(row, row), "conv1").call})
    assert load_checkpoint(real).generator.config.synthesis.resample_filter == taps
    assert torch.equal(image(real), image(same))
    tuned = load_checkpoint(real)
    tuned.generator.mapping.w_avg += 1
    assert save_checkpoint(tuned, tmp_path / "tuned.pkl") == ["mapping.w_avg"]
    with pytest.raises(CheckpointError, match=r"conv0.resample_filter has shape"):
        load_checkpoint(pa.write(tmp_path / "wrong.pkl", {"G_ema": network(torch.outer(usual, usual), "conv0").call}))


def saved(value: Any) -> Any:
    return lambda path: torch.save(value, path)


def tensors(*names: str) -> dict[str, Tensor]:
    return {name: torch.zeros(4, 4) for name in names}


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (saved({"state": {0: {"step": 1}}, "param_groups": []}), "state of an optimiser"),
        (saved({"eigvec": torch.eye(8), "ckpt": "a.pt"}), "--directions"),
        (saved(tensors("lora_unet_down.lora_down.weight")), "LoRA"),
        (saved({"state_dict": tensors("model.diffusion_model.time_embed.0.weight")}), "diffusion model"),
        (saved({"state_dict": tensors("encoder.body.0.weight"), "opts": {}}), "an encoder"),
        (saved(tensors("convs.0.0.weight", "final_linear.1.weight")), "a critic"),
        (saved(tensors("features.0.weight")), "a classifier of images"),
        (saved({"latents": torch.zeros(2, 18, 512)}), "--projected-w"),
        (saved(torch.zeros(1, 512)), "a single array"),
        (saved({"pytorch-lightning_version": "2", "state_dict": tensors("net.a")}), "Lightning"),
        (saved(tensors("something.weight")), "--generator MODULE:FACTORY"),
        (lambda path: path.write_bytes(plain_safetensors({"bn.num_batches_tracked": torch.tensor(3)})), "--generator MODULE:FACTORY"),
        (
            lambda path: path.write_bytes(_zip(assemble(Build(New(Global("models", "Net")), {"_modules": {}}), 2))),
            "a models.Net object saved whole",
        ),
        (lambda path: path.write_bytes(assemble((New(Global("dnnlib.tflib.tfutil", "Network")),) * 3)), "dnnlib.tflib.tfutil.Network"),
        (
            lambda path: path.write_bytes(assemble({"emb": New(Global("torch.nn.modules.sparse", "Embedding"))})),
            "torch.nn.modules.sparse.Embedding",
        ),
    ],
)
def test_other_files_are_named_for_what_they_are(write: Any, words: str, tmp_path: Path) -> None:
    write(tmp_path / "network.pt")
    with pytest.raises(UnsupportedCheckpointError, match=words) as caught:
        load_checkpoint(tmp_path / "network.pt")
    message = str(caught.value)
    assert "malicious" not in message and "damaged" not in message and "Error" not in message
    assert message.isascii() and message.isprintable() and len(message) <= 300


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("act_comp", "lat_comp", "act_mean"), "act_comp"),
        (("w",), "npz of arrays"),
        (("a", "b"), "npz of arrays"),
    ],
)
def test_archives_of_arrays_are_named(names: tuple[str, ...], words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "network.npz", **{name: np.zeros(3) for name in names})
    with pytest.raises(NotACheckpointError, match=words):
        load_checkpoint(tmp_path / "network.npz")


@pytest.mark.parametrize("stem", ["sg2_skip_32", "sg2_resnet_gray_16", "sg2_cond_fp16_64"])
def test_critics_in_the_names_of_nvidias_modules_are_read(stem: str, tmp_path: Path) -> None:
    first = load_checkpoint(REFERENCES / f"{stem}.pkl")
    assert first.critic is not None
    torch.save({"D": dict(first.critic.state_dict()), "G_ema": dict(first.generator.state_dict())}, tmp_path / "a.pt")
    again = load_checkpoint(tmp_path / "a.pt")
    assert again.critic is not None and again.info.contents["D"].startswith("critic")
    # One image: groups, whose size shows in no tensor, are of other sizes in these files.
    images = torch.randn(1, *first.generator.image_shape, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    label = torch.eye(first.generator.c_dim)[:1]
    assert torch.allclose(again.critic(images, label), first.critic(images, label), atol=1e-5)
    torch.save({"D": {"b4.out.weight": torch.zeros(1, 4), "b4.conv.weight": torch.zeros(4, 5, 3, 3)}}, tmp_path / "b.pt")
    with pytest.raises(UnsupportedCheckpointError):
        load_checkpoint(tmp_path / "b.pt")


def test_a_storage_that_begins_otherwise_than_the_one_before_is_read_from_its_beginning(tmp_path: Path) -> None:
    """Of streams that begin with the same bytes only the first is read whole; others are not taken for granted."""
    data = (REFERENCES / "sg2_from_sg3_repo_16.pkl").read_bytes()
    head = b"little_endianq"
    places = [at for at in range(len(data)) if data.startswith(head, at)]
    assert len(places) > 10
    for number in (0, 5, len(places) - 1):
        flag = places[number] + len(head) + 1
        assert data[flag : flag + 1] == b"\x88"  # true
        path = tmp_path / f"{number}.pkl"
        path.write_bytes(data[:flag] + b"\x89" + data[flag + 1 :])
        with pytest.raises(CheckpointError, match="not little-endian"):
            load_checkpoint(path)


@pytest.mark.parametrize("collecting", [True, False])
def test_reading_leaves_the_collector_as_it_was(collecting: bool, tmp_path: Path) -> None:
    hollow = tmp_path / "hollow.pkl"
    hollow.write_bytes(b"\x80\x04N")
    before = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        load_checkpoint(REFERENCES / "sg2_from_sg3_repo_16.pkl")
        assert gc.isenabled() is collecting
        with pytest.raises(CheckpointError):
            load_checkpoint(hollow)
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if before else gc.disable)()
