"""Whether a device computes what the processor computes, gives the same twice, and how fast and in how much memory.

The day a new machine is there: images of networks, Jacobians by their three methods, every way to find directions in every space it works
in, both ways to fine-tune; each on the device and on the processor, and twice on the device.  Then speed and peak memory, beside a bare
forward pass and the device's matrix product.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from orojar_cli.bench.measurement import Effort, Row
from orojar_cli.bench.networks import convolution_gflop, stylegan2, stylegan3
from orojar_cli.checkpoint.checkpoint import load_checkpoint
from orojar_cli.demonstration import demonstration
from orojar_cli.devices import on_processor, prepare, synchronise
from orojar_cli.diagonaliser import FactoredGrams, joint_diagonalise
from orojar_cli.directions.registry import METHODS
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import CheckpointError
from orojar_cli.generators.primitives import LAYOUTS
from orojar_cli.generators.protocol import Generator, arrange
from orojar_cli.latents.points import seed_latents
from orojar_cli.progress import Progress
from orojar_cli.response.jacobian import METHODS as JACOBIANS
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.outputs import default_output
from orojar_cli.tuning.mapping import MappingOptions, tune_mapping
from orojar_cli.tuning.mapping import prepare as prepared_mapping
from orojar_cli.tuning.rotation import find_rotation

# Shares of the norm by which the device may differ: rounding in another order, and what differences make of it.
_IMAGES, _EXACT, _DIFFERENCES, _NUMBERS = 1e-3, 1e-3, 0.02, 0.02
# Images in float16.
_HALF = 5e-3
_SUFFIXES = (".pkl", ".pt", ".pth", ".model", ".safetensors")
# Steps of methods that descend.
_STEPS = 4


@dataclass(frozen=True)
class _Task:
    """Something to compute of a generator: the numbers, and how far they may be off, as a share of their norm."""

    what: str
    bound: float
    compute: Callable[[Generator], Tensor]


def check_device(device: str, effort: Effort, files: Sequence[str | Path] = (), progress: Progress | None = None) -> Iterator[Row]:
    """The rows of a check of `device`, each as soon as it is known; `files` are checkpoints whose images are compared, too.

    A difference is a share of the processor's numbers; "the same twice" is 1 where two runs are equal bit for bit.  `progress` counts
    tasks.
    """
    prepare(device, program=True)
    networks = list(_networks(effort))
    bundled = networks[0][1]
    networks += [(Path(file).name, network) for file in files if (network := _loaded(file)) is not None]
    tasks = [(name, network, _Task("images", _IMAGES, _images)) for name, network in networks]
    tasks += [("bundled", bundled, task) for task in (*_jacobians(), *_methods(effort), *_tunings(), _diagonaliser(effort))]
    for number, (name, network, task) in enumerate(tasks):
        yield from _compared(name, network, task, device)
        if progress is not None:
            progress("checking", number + 1, len(tasks))
    yield from _speeds(device, effort)


def reference_files() -> list[Path]:
    """The checkpoints that the tests of a clone of this repository lie beside; none where only the package is."""
    folder = Path(__file__).parents[2] / "tests" / "references"
    return sorted(path for path in folder.glob("*") if path.suffix in _SUFFIXES) if folder.is_dir() else []


def _networks(effort: Effort) -> Iterator[tuple[str, Generator]]:
    yield "bundled", load_checkpoint(demonstration()[0]).generator
    if not effort.quick:
        yield "StyleGAN2 256x256", stylegan2(256)
        yield "StyleGAN3 128x128", stylegan3(128)


def _loaded(file: str | Path) -> Generator | None:
    """The generator of a checkpoint; None of a file that holds none, such as a lone critic."""
    try:
        generator: Generator = load_checkpoint(file).generator
    except CheckpointError:
        return None
    return generator


def _compared(name: str, network: Any, task: _Task, device: str) -> Iterator[Row]:
    """What a task gives here and there, and there again."""
    here, seconds_here = _timed(task.compute, network, "cpu")
    moved = copy.deepcopy(network).to(device)
    first, _ = _timed(task.compute, moved, device)
    again, seconds = _timed(task.compute, moved, device)
    difference = float((first - here).norm() / here.norm().clamp_min(1e-30))
    what = f"{name}: {task.what}"
    yield Row("check", what, difference, "off", goal=f"<= {task.bound:g}")
    yield Row("check", f"{what}, the same twice", float(torch.equal(first, again)), "", goal=">= 1")
    yield Row("check", f"{what}, time", 1000 * seconds, "ms", seconds / max(seconds_here, 1e-9), "the processor's")


def _timed(compute: Callable[[Generator], Tensor], network: Any, device: str) -> tuple[Tensor, float]:
    """(float64 numbers on the processor, seconds)."""
    synchronise(torch.device(device))
    began = time.perf_counter()
    numbers = compute(network)
    synchronise(torch.device(device))
    return on_processor(numbers), time.perf_counter() - began


@torch.no_grad()
def _images(generator: Generator) -> Tensor:
    at = seed_latents(generator, range(2), 0 if generator.c_dim else None)
    images: Tensor = generator.synthesis(generator.mapping(at.z, at.label))
    return images


def _jacobians() -> Iterator[_Task]:
    for method in JACOBIANS:

        def grams(generator: Generator, method: str = method) -> Tensor:
            at = seed_latents(generator, range(4))
            axes = torch.eye(generator.w_dim, device=generator.device)[:12]
            return gram_matrices(Response(generator), at, axes, method=method)

        yield _Task(f"Gram matrices, {method}", _EXACT if method == "exact" else _DIFFERENCES, grams)


def _methods(effort: Effort) -> Iterator[_Task]:
    """Every method in every space: the activeness of what it finds."""
    for name, method in METHODS.items():
        spaces = method.spaces[:1] if effort.quick else method.spaces
        for space in spaces:
            options = {key: value for key, value in (("steps", _STEPS), ("num_samples", 2000)) if key in method.options}
            settings = Settings(space=space, whiten=method.whiten, num=4, samples=8, options=options)

            def found(generator: Generator, name: str = name, settings: Settings = settings) -> Tensor:
                asked = replace(settings, outputs=(default_output(generator),))
                return METHODS[name](generator, asked).activeness

            yield _Task(f"{name} in {space}, activeness", _NUMBERS, found)


def _tunings() -> Iterator[_Task]:
    def rotation(generator: Generator) -> Tensor:
        found = find_rotation(generator, Settings(space="z", samples=16, outputs=(default_output(generator),)))
        return torch.tensor([found.loss_before, found.loss_after, found.share_before, found.share_after], device="cpu")

    def mapping(generator: Generator) -> Tensor:
        settings = Settings(space="z", outputs=(default_output(generator),))
        options = MappingOptions(
            steps=_STEPS, regression_steps=_STEPS, surrogate_steps=20, images=1024, frame_samples=16, batch=4, anchor_batch=64
        )
        anchor, surrogate, *_ = prepared_mapping(generator, settings, options)
        tuned, _ = tune_mapping(generator, anchor, surrogate, settings, options)
        network: Any = tuned
        with torch.no_grad():
            moved: Tensor = network.w(seed_latents(generator, range(16)).z)
        return moved

    yield _Task("finetune, rotation: losses", _NUMBERS, rotation)
    yield _Task("finetune, mapping: w of 16 latents", _NUMBERS, mapping)


def _diagonaliser(effort: Effort) -> _Task:
    """A search that is just worth the way to the device (`diagonaliser.place`), or a quick one: the axes' mean squared changes."""
    count, rank, dim = effort.pick(16, 1024), effort.pick(4, 16), effort.pick(16, 256)

    def changes(generator: Generator) -> Tensor:
        rng = torch.Generator().manual_seed(5)
        spectrum = torch.exp(-4 * torch.arange(dim, dtype=torch.float64) / dim)
        factors = FactoredGrams(torch.randn(count, rank, dim, dtype=torch.float64, generator=rng) * spectrum.sqrt())
        rotation = joint_diagonalise(factors, device=generator.device, max_sweeps=20).rotation
        return factors.along(rotation).factors.square().sum(1).mean(0)

    return _Task(f"joint diagonaliser, d = {dim}, N = {count}", _EXACT, changes)


@torch.no_grad()
def _speeds(device: str, effort: Effort) -> Iterator[Row]:
    """The bare forward pass against a matrix product, and a Gram matrix's direction against the forward pass, with their peak memory."""
    there = torch.device(device)
    order, resolution = effort.pick(256, 4096), effort.pick(32, 256)
    left = torch.randn(order, order, generator=torch.Generator().manual_seed(0)).to(there)
    product = 2 * order**3 / 1e9 / _least(lambda: left @ left, there, effort)
    yield Row("check", f"matrix product {order}x{order}, float32", product, "GFLOP/s")
    network = copy.deepcopy(stylegan2(resolution, effort.pick(1024, 16384))).to(there)
    response = Response(network)
    count = min(response.at_once(), effort.pick(4, 64))
    ws = network.mapping(seed_latents(network, range(count)).z)
    seconds, memory = _least(lambda: network.synthesis(ws), there, effort), _peak(lambda: network.synthesis(ws), there)
    what = f"StyleGAN2 {resolution}x{resolution}, batch {count}"
    rate = convolution_gflop(network) * count / seconds
    yield Row("check", what, 1000 * seconds / count, "ms/image", rate / product, "the product's rate")
    yield from _faster(network, ws, seconds, what, effort)
    points, axes = max(1, count // 16), torch.eye(network.w_dim, device=there)[:16]
    at = seed_latents(network, range(points))
    for method in JACOBIANS:

        def grams(method: str = method) -> Tensor:
            return gram_matrices(response, at, axes, method=method)

        each = _least(grams, there, effort) / (points * len(axes))
        yield Row("check", f"{what}: a direction, {method}", 1000 * each, "ms", each * count / seconds, "an image")
        if memory:
            most = _peak(grams, there)
            yield Row("check", f"{what}: Gram matrices, {method}, peak", most / 2**20, "MiB", most / memory, "the forward pass")


def _faster(network: Any, ws: Tensor, plain: float, what: str, effort: Effort) -> Iterator[Row]:
    """What might be faster than the plain forward pass, which takes `plain` seconds, and how far its images are off: float16 where networks
    are trained so, the other memory layout, and on devices but a processor compiled (where this PyTorch can)."""
    there, exact = ws.device, network.synthesis(ws)
    usual = LAYOUTS.get(there.type, torch.contiguous_format)
    other = torch.contiguous_format if usual is torch.channels_last else torch.channels_last

    def rows(word: str, bound: float, draw: Callable[[], Tensor]) -> Iterator[Row]:
        off = on_processor(draw() - exact).norm() / on_processor(exact).norm()
        yield Row("check", f"{what}, {word}", float(off), "off", goal=f"<= {bound:g}")
        seconds = _least(draw, there, effort)
        yield Row("check", f"{what}, {word}", 1000 * seconds / len(ws), "ms/image", seconds / plain, "the plain pass")

    yield from rows("in float16", _HALF, lambda: network.synthesis(ws, fp16=True))
    LAYOUTS[there.type] = other
    try:
        arranged = copy.deepcopy(network)
        arrange(arranged)
        yield from rows("channels last" if other is torch.channels_last else "channels first", _IMAGES, lambda: arranged.synthesis(ws))
    finally:
        LAYOUTS[there.type] = usual
    if there.type != "cpu":
        compiled = torch.compile(network.synthesis)
        try:
            compiled(ws)
        except Exception:  # of many kinds: no compiler, no form of an operation for this device
            return
        yield from rows("compiled", _IMAGES, lambda: compiled(ws))


def _least(work: Callable[[], object], device: torch.device, effort: Effort) -> float:
    """The least seconds of a few runs after one to warm up."""
    seconds = []
    for _ in range(1 + effort.repeats):
        synchronise(device)
        began = time.perf_counter()
        work()
        synchronise(device)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def _peak(work: Callable[[], object], device: torch.device) -> int:
    """Bytes that a run needs at most beyond what was held before; 0 where the device does not say."""
    if device.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    synchronise(device)
    return torch.cuda.max_memory_allocated(device) - before
