"""A generator as an ONNX file: one graph that any runtime draws with, in a browser, in a game engine, without Python."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from orojar_cli.errors import MissingExtraError, OptionError, UnsupportedCheckpointError
from orojar_cli.files import write_bytes, written_file
from orojar_cli.generators.protocol import Generator

PARTS = ("whole", "mapping", "synthesis")
OPSET, LOWEST_OPSET, HIGHEST_OPSET = 17, 13, 20
# A protocol buffer, which the file is, holds no more.
_LARGEST = 2_000_000_000


class _Graph(nn.Module):
    """The arguments that `inputs_of` names -> what `part` gives, with constant noise."""

    def __init__(self, generator: Any, part: str) -> None:
        super().__init__()
        self.mapping, self.synthesis = generator.mapping, generator.synthesis
        self.part, self.names = part, list(inputs_of(generator, part))

    def forward(self, *arguments: Tensor) -> Tensor:
        given = dict(zip(self.names, arguments, strict=True))
        # Where gradients are recorded, no shortcut is taken that holds for one image, or for a batch of one size.
        with torch.enable_grad():
            ws = given["ws"] if self.part == "synthesis" else self._mapped(given)
            if self.part == "mapping":
                return ws
            images: Tensor = self.synthesis(ws, noise_mode="const")
            return images

    def _mapped(self, given: dict[str, Tensor]) -> Tensor:
        w, label = self.mapping.w(given["z"], given.get("c")), given.get("c")
        whole: Tensor = self.mapping.broadcast(w, 1.0, label=label)
        if "psi" not in given:
            return whole
        # ws are linear in psi, which is a number of Python to the mapping and an input here.
        mean: Tensor = self.mapping.broadcast(w, 0.0, label=label)
        return mean + given["psi"] * (whole - mean)


def inputs_of(generator: Generator, part: str = "whole") -> dict[str, list[int | str]]:
    """The graph's inputs and their shapes, all float32; "N" is any number of images.

    `z` [N, z_dim] and, of conditional networks, `c` [N, c_dim] (one-hot, or a mixture of classes); `psi` [] truncates, 1 does not, where
    the network truncates w: the z of a BigGAN is drawn as it likes.  Of the synthesis alone `ws` [N, num_ws, w_dim].
    """
    if part not in PARTS:
        raise OptionError(f"--part {part!r:.40} is none of {', '.join(PARTS)}")
    if part == "synthesis":
        return {"ws": ["N", generator.num_ws, generator.w_dim]}
    label: dict[str, list[int | str]] = {"c": ["N", generator.c_dim]} if generator.c_dim else {}
    truncation: dict[str, list[int | str]] = {} if hasattr(generator, "z_limit") else {"psi": []}
    return {"z": ["N", generator.z_dim], **label, **truncation}


def output_of(generator: Generator, part: str = "whole") -> tuple[str, list[int | str]]:
    """The graph's output and its shape: `image` [N, C, H, W] in about [-1, 1], of the mapping alone `ws` [N, num_ws, w_dim]."""
    if part == "mapping":
        return "ws", ["N", generator.num_ws, generator.w_dim]
    return "image", ["N", *generator.image_shape]


def example(generator: Generator, part: str, count: int, seed: int = 0) -> dict[str, Tensor]:
    """Inputs of `count` images, as the graph takes them."""
    rng = torch.Generator().manual_seed(seed)
    given = {}
    for name, shape in inputs_of(generator, part).items():
        sizes = [count if size == "N" else int(size) for size in shape]
        if name == "c":
            given[name] = torch.eye(sizes[1], device="cpu")[torch.randint(sizes[1], (count,), generator=rng)]
        else:
            given[name] = torch.tensor(0.7, device="cpu") if name == "psi" else torch.randn(sizes, generator=rng)
    if part == "synthesis":
        # As the mapping spreads it, because parts of ws may not be numbers of any size (a class, a place among statistics).
        of_mapping = {name: tensor.to(generator.device) for name, tensor in example(generator, "mapping", count, seed).items()}
        with torch.no_grad():
            given["ws"] = _Graph(generator, "mapping")(*of_mapping.values()).detach().cpu()
    return given


def save_onnx(generator: Generator, path: str | os.PathLike[str], *, part: str = "whole", opset: int = OPSET, name: str = "") -> None:
    """Write a generator, or its mapping or synthesis alone, as .onnx, whole or not at all; for any number of images.

    Inputs and output are those of `inputs_of` and `output_of`; noise is the network's constant one, so equal inputs give equal images.
    `opset` is the version of ONNX's operators, 13 to 20.
    Raises MissingExtraError without the package onnx, OptionError for another suffix, part or opset, OutputFileError where the file cannot
    be written, UnsupportedCheckpointError for a network that has no such form or is larger than a file of 2 GB.
    """
    if Path(path).suffix.lower() != ".onnx":
        raise OptionError(f"cannot write {Path(path).name}: its name ends in .onnx")
    if isinstance(opset, bool) or not isinstance(opset, int) or not LOWEST_OPSET <= opset <= HIGHEST_OPSET:
        raise OptionError(f"--opset {opset!r:.40} is not a whole number from {LOWEST_OPSET} to {HIGHEST_OPSET}")
    names = inputs_of(generator, part)
    onnx = _onnx()
    written_file(path)
    size = 4 * sum(tensor.numel() for tensor in generator.state_dict().values())
    if size > _LARGEST:
        raise UnsupportedCheckpointError(f"not supported: a network of {size / 1e9:.1f} GB in one ONNX file, which holds 2; --part may fit")
    output, shape = output_of(generator, part)
    # Traced with two images: what holds for one alone must not become part of the graph.
    arguments = tuple(tensor.to(generator.device) for tensor in example(generator, part, 2).values())
    dynamic = {key: {0: "N"} for key in (*names, output) if key != "psi"}
    graph = _Graph(generator, part).eval()
    try:
        # The exporter warns of every branch that depends on a size.
        with TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = Path(folder) / "graph.onnx"
            torch.onnx.export(
                graph,
                arguments,
                str(file),
                dynamo=False,
                opset_version=opset,
                input_names=list(names),
                output_names=[output],
                dynamic_axes=dynamic,
            )
            model = onnx.load(file)
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        reason = str(error).strip().splitlines()[0][:120]
        raise UnsupportedCheckpointError(
            f"not supported: this {generator.config.family} in ONNX with opset {opset} ({reason}); try another --opset"
        ) from error
    for place, known in zip(model.graph.output[0].type.tensor_type.shape.dim, shape, strict=True):
        if known != "N":
            place.dim_value = known
    model.doc_string = _description(generator, part, name)
    onnx.checker.check_model(model)
    write_bytes(path, model.SerializeToString())


def _description(generator: Generator, part: str, name: str) -> str:
    """What the file keeps of itself."""
    shapes = {**inputs_of(generator, part), **dict([output_of(generator, part)])}
    told = ", ".join(f"{key} {shape}".replace("'", "") for key, shape in shapes.items())
    return f"{generator.config.family} {name} ({part}): {told}; images in [-1, 1]; SHA-256 of the network {generator.sha256}"


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError('ONNX files need the onnx extra: pip install "orojar[onnx]"') from error
    return onnx


def onnx_difference(generator: Generator, path: str | os.PathLike[str], part: str = "whole", count: int = 1) -> float | None:
    """The largest difference between what onnxruntime makes of a file and the generator of the same inputs, by the largest number of the
    latter; None where onnxruntime is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    given = example(generator, part, count, seed=1)
    (drawn,) = session.run(None, {key: tensor.numpy() for key, tensor in given.items()})
    with torch.no_grad():
        on_device = {key: tensor.to(generator.device) for key, tensor in given.items()}
        wanted = _reference(generator, part, on_device).float().cpu().numpy()
    return float(np.abs(drawn - wanted).max() / max(1e-12, np.abs(wanted).max()))


def _reference(generator: Any, part: str, given: dict[str, Tensor]) -> Tensor:
    """The generator's own answer, by its own truncation."""
    if part == "synthesis":
        images: Tensor = generator.synthesis(given["ws"], noise_mode="const")
        return images
    ws: Tensor = generator.mapping(given["z"], given.get("c"), float(given["psi"]) if "psi" in given else None)
    return ws if part == "mapping" else generator.synthesis(ws, noise_mode="const")
