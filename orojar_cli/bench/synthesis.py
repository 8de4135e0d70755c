"""How close synthesis comes to the machine's arithmetic."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from orojar_cli.bench.measurement import Effort, Row, interleaved
from orojar_cli.bench.networks import convolution_gflop, stylegan2, stylegan3
from orojar_cli.checkpoint.onnx_file import save_onnx
from orojar_cli.generators.stylegan3.alias_free import filtered_rectifier

_CHANNELS, _SIDE = 256, 64


@torch.no_grad()
def synthesis(effort: Effort) -> Iterator[Row]:
    """StyleGAN2 against a large matrix product, the fastest convolution and, where it is installed, onnxruntime on our own export;
    StyleGAN3's rectifier against its convolution."""
    resolution, order = effort.pick(64, 256), effort.pick(512, 2048)
    network = stylegan2(resolution)
    rng = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, order, order, generator=rng)
    kernel = torch.randn(_CHANNELS, _CHANNELS, 3, 3, generator=rng).to(memory_format=torch.channels_last)
    features = torch.randn(1, _CHANNELS, _SIDE, _SIDE, generator=rng).to(memory_format=torch.channels_last)
    gflop = convolution_gflop(network)
    for batch in (1, effort.pick(2, 8)):
        ws = torch.randn(batch, network.num_ws, network.w_dim, generator=rng)
        seconds = interleaved(
            {
                "product": lambda: left @ right,
                "convolution": lambda: F.conv2d(features, kernel, padding=1),
                "synthesis": partial(network.synthesis, ws),
            },
            effort.repeats,
        )
        product = 2 * order**3 / 1e9 / seconds["product"]
        convolution = 2 * 9 * (_CHANNELS * _SIDE) ** 2 / 1e9 / seconds["convolution"]
        if batch == 1:
            yield Row("synthesis", f"matrix product {order}x{order}", product, "GFLOP/s")
            yield Row("synthesis", "3x3 convolution, channels last", convolution, "GFLOP/s", convolution / product, "the product's rate")
        rate = gflop * batch / seconds["synthesis"]
        what = f"StyleGAN2 {resolution}x{resolution}, batch {batch}"
        yield Row("synthesis", what, 1000 * seconds["synthesis"] / batch, "ms/image", rate / product, "the product's rate", ">= 0.75")
        yield Row("synthesis", what, rate, "GFLOP/s", rate / convolution, "the convolution's rate", ">= 0.75")
        yield from _onnxruntime(network, ws)
    yield _rectifier(effort)


def _onnxruntime(network: Any, ws: torch.Tensor) -> Iterator[Row]:
    """The images of `ws` against onnxruntime on our export of the same network, on as many threads; alone where that is not installed."""
    what = f"StyleGAN2 {network.image_shape[1]}x{network.image_shape[2]}, batch {len(ws)}"
    try:
        import onnx  # noqa: F401  # the exporter needs it
        import onnxruntime
    except ImportError:
        alone = interleaved({"ours": partial(network.synthesis, ws)}, 1)["ours"]
        yield Row("synthesis", what, 1000 * alone / len(ws), "ms/image", None, "onnxruntime: not compared (pip install 'orojar[onnx]')")
        return
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "synthesis.onnx"
        save_onnx(network, file, part="synthesis")
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    given = {"ws": ws.numpy()}
    seconds = interleaved({"ours": partial(network.synthesis, ws), "theirs": partial(session.run, None, given)}, 5)
    ratio = seconds["theirs"] / seconds["ours"]
    yield Row("synthesis", what, 1000 * seconds["ours"] / len(ws), "ms/image", ratio, "onnxruntime's rate on our export", ">= 1")


def _rectifier(effort: Effort) -> Row:
    network = stylegan3(effort.pick(32, 256))
    layer = next(layer for layer in network.synthesis.layers if not layer.is_torgb and layer.target.rate >= effort.pick(32, 256))
    module = network.synthesis.get_submodule(layer.name)
    outputs, side = layer.target.channels, layer.source.size + layer.kernel - 1
    inputs = torch.randn(1, layer.source.channels, layer.source.size, layer.source.size).to(memory_format=torch.channels_last)
    features = torch.randn(1, outputs, side, side).to(memory_format=torch.channels_last)
    weight = module.weight.contiguous(memory_format=torch.channels_last)
    filters = module.up_filter, module.down_filter

    seconds = interleaved(
        {
            "convolution": lambda: F.conv2d(inputs, weight, padding=layer.kernel - 1),
            "rectifier": lambda: filtered_rectifier(features, *filters, layer.up, layer.down, layer.padding, module.clamp),
        },
        effort.repeats,
    )
    ratio = seconds["rectifier"] / seconds["convolution"]
    what = f"StyleGAN3 filtered leaky ReLU, {outputs} channels at {side}x{side}"
    return Row("synthesis", what, 1000 * seconds["rectifier"], "ms", ratio, "the same layer's convolution")
