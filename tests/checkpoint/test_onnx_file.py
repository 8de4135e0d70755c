"""ONNX files draw what the networks draw, whatever the number of images; without the packages what an exporter needs is checked."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paths import REFERENCES

from orojar_cli import load_checkpoint
from orojar_cli.checkpoint.onnx_file import _Graph, example, inputs_of, onnx_difference, output_of, save_onnx
from orojar_cli.errors import MissingExtraError, OptionError, OutputFileError, UnsupportedCheckpointError

INSTALLED = all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxruntime"))
needs_onnx = pytest.mark.skipif(not INSTALLED, reason="onnx and onnxruntime are not installed")
FAMILIES = (
    "sg2_from_sg3_repo_16.pkl",
    "sg2_cond_fp16_64.pkl",
    "sg3_r_32.pkl",
    "stylegan_xl_16.pkl",
    "lucidrains_32.pt",
    "tf_stylegan1_32.pkl",
    "genforce_pggan_32.pth",
    "biggan_pt_deep_32.pth",
    "biggan_hf_32/pytorch_model.bin",
)


def generator_of(name: str) -> Any:
    return load_checkpoint(REFERENCES / name).generator


def drawn(path: Path, given: dict[str, torch.Tensor]) -> np.ndarray:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (numbers,) = session.run(None, {name: tensor.numpy() for name, tensor in given.items()})
    return numbers


@needs_onnx
@pytest.mark.parametrize("name", [FAMILIES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES[1:])])
def test_a_file_draws_what_the_network_draws(name: str, tmp_path: Path) -> None:
    """Also large images, of which the network itself draws one after another."""
    generator, path = generator_of(name), tmp_path / "a.onnx"
    save_onnx(generator, path)
    for count, psi in ((1, 1.0), (3, 0.5)):
        given = example(generator, "whole", count, seed=5)
        if "psi" in given:
            given["psi"] = torch.tensor(psi)
        with torch.no_grad():
            wanted = generator(given["z"], given.get("c"), psi if "psi" in given else None).numpy()
        images = drawn(path, given)
        assert images.shape == wanted.shape and np.abs(images - wanted).max() < 1e-5 * max(1, np.abs(wanted).max())


@needs_onnx
def test_the_parts_are_the_whole(tiny, tmp_path: Path) -> None:
    generator = tiny.generator
    for part in ("whole", "mapping", "synthesis"):
        save_onnx(generator, tmp_path / f"{part}.onnx", part=part)
        assert onnx_difference(generator, tmp_path / f"{part}.onnx", part, 2) < 1e-5
    given = example(generator, "whole", 2)
    ws = drawn(tmp_path / "mapping.onnx", given)
    images = drawn(tmp_path / "synthesis.onnx", {"ws": torch.from_numpy(ws)})
    assert np.abs(images - drawn(tmp_path / "whole.onnx", given)).max() < 1e-5
    assert np.array_equal(images, drawn(tmp_path / "synthesis.onnx", {"ws": torch.from_numpy(ws)}))


@needs_onnx
def test_the_file_says_what_it_is(tiny, conditional, tmp_path: Path) -> None:
    import onnx

    for network, names in ((tiny, ["z", "psi"]), (conditional, ["z", "c", "psi"])):
        save_onnx(network.generator, tmp_path / "a.onnx", opset=13, name="tiny.pkl")
        model = onnx.load(tmp_path / "a.onnx")
        assert [entry.name for entry in model.graph.input] == names and model.opset_import[0].version == 13
        (output,) = model.graph.output
        sizes = [place.dim_param or place.dim_value for place in output.type.tensor_type.shape.dim]
        assert (output.name, sizes) == output_of(network.generator)
        assert "tiny.pkl" in model.doc_string and network.sha256 in model.doc_string
    before = (tmp_path / "a.onnx").read_bytes()
    save_onnx(conditional.generator, tmp_path / "a.onnx", opset=13, name="tiny.pkl")
    assert (tmp_path / "a.onnx").read_bytes() == before


@needs_onnx
def test_the_command_says_inputs_and_output(run, orojar) -> None:
    network = REFERENCES / FAMILIES[0]
    told = run("convert", network, "a.onnx")
    assert told["inputs"] == {"z": ["N", 16], "psi": []} and told["output"] == {"image": ["N", 3, 16, 16]}
    assert told["opset"] == 17 and told["difference"] < 1e-5
    code, out, err = orojar("convert", network, "b.onnx", "--part", "synthesis", "--opset", 15)
    assert code == 0 and out.startswith("wrote b.onnx (opset 15): ws [N, 6, 16] -> image [N, 3, 16, 16]\n"), err


@pytest.mark.parametrize("name", [FAMILIES[0], "lucidrains_32.pt", "biggan_hf_32/pytorch_model.bin", "sg3_t_32.pkl"])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_a_trace_holds_for_any_number_of_images_and_knows_its_kernels(name: str) -> None:
    """What exporters need, without their packages: no number of images is in the graph, and no size of a kernel is left open."""
    generator = generator_of(name)
    graph = _Graph(generator, "whole").eval()
    traced = torch.jit.trace(graph, tuple(example(generator, "whole", 2).values()), check_trace=False)
    for count in (1, 3):
        given = tuple(example(generator, "whole", count, seed=3).values())
        assert torch.allclose(traced(*given), graph(*given), atol=1e-4)
    asked = [node.inputsAt(1).toIValue() for node in traced.inlined_graph.nodes() if node.kind() == "aten::size"]
    assert 1 not in asked  # the number of channels, of which a filter's kernel has as many


def test_what_a_graph_takes_and_gives(tiny, conditional) -> None:
    assert inputs_of(tiny.generator) == {"z": ["N", 16], "psi": []} and output_of(tiny.generator, "mapping") == ("ws", ["N", 6, 16])
    assert list(inputs_of(conditional.generator)) == ["z", "c", "psi"]
    assert inputs_of(tiny.generator, "synthesis") == {"ws": ["N", 6, 16]}
    biggan = generator_of("biggan_hf_32/pytorch_model.bin")
    assert list(inputs_of(biggan)) == ["z", "c"] and example(biggan, "synthesis", 2)["ws"].shape == (2, biggan.num_ws, biggan.w_dim)


def test_what_cannot_be_written(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orojar_cli.checkpoint.onnx_file._onnx", lambda: None)
    for options, words in (({"opset": 12}, "from 13 to 20"), ({"opset": True}, "--opset"), ({"part": "critic"}, "none of whole")):
        with pytest.raises(OptionError, match=words):
            save_onnx(tiny.generator, tmp_path / "a.onnx", **options)
    with pytest.raises(OptionError, match=r"ends in \.onnx"):
        save_onnx(tiny.generator, tmp_path / "a.pkl")
    with pytest.raises(OutputFileError):
        save_onnx(tiny.generator, tmp_path / "none" / "a.onnx")
    monkeypatch.setattr("orojar_cli.checkpoint.onnx_file._LARGEST", 1000)
    with pytest.raises(UnsupportedCheckpointError, match="GB in one ONNX file"):
        save_onnx(tiny.generator, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_package_the_extra_is_named(tiny, orojar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"orojar\[onnx\]"):
        save_onnx(tiny.generator, "a.onnx")
    code, _, err = orojar("convert", REFERENCES / FAMILIES[0], "a.onnx")
    assert code == 1 and "orojar[onnx]" in err and not Path("a.onnx").exists()
    assert orojar("convert", REFERENCES / FAMILIES[0], "a.safetensors", "--opset", 13)[0] == 2
    assert orojar("convert", REFERENCES / FAMILIES[0], "a.onnx", "--format", "nvlabs")[0] == 2
