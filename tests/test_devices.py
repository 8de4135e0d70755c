"""Devices: memory that lacks, chunks that shrink, float32 that is float32; and the program on a pretended GPU (`pretended.py`)."""

from __future__ import annotations

import ast

import numpy as np
import pytest
import torch
from paths import REFERENCES, ROOT
from pretended import DeviceError, available, pretended
from torch.func import jvp, vmap

import orojar_cli
from orojar_cli.bench.checking import _tunings
from orojar_cli.checkpoint.checkpoint import load_checkpoint
from orojar_cli.devices import Chunks, is_out_of_memory, memory_budget, on_processor, wide
from orojar_cli.errors import OptionError
from orojar_cli.latents.points import seed_latents
from orojar_cli.operations.network import chosen_device
from orojar_cli.pictures.walk import Renderer
from orojar_cli.response.jacobian import METHODS, Response, gram_matrices

TINY = REFERENCES / "sg2_from_sg3_repo_16.pkl"
RULES = {"CUDA": {"tf32": True}, "MPS": {"float64": False}, "both": {"tf32": True, "float64": False}}


@available
@pytest.mark.slow
@pytest.mark.parametrize("task", list(_tunings()), ids=lambda task: task.what)
def test_tuning_gives_the_processors_numbers(task) -> None:
    expected = task.compute(load_checkpoint(TINY).generator)
    with pretended(**RULES["both"]) as traffic:
        generator = load_checkpoint(TINY, "pretend").generator
        traffic.clear()
        found = task.compute(generator).cpu()
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02 * float(expected.abs().max()))
    # Of what a training step waits for: whether its loss is finite, now and then.
    assert sum(count for line, count in traffic.downloads.items() if "training" in line or "surrogate" in line) <= 4


@available
@pytest.mark.parametrize("rules", ["CUDA", "MPS"])
def test_the_response_of_a_gpu_is_the_processors(rules: str) -> None:
    here, tangents = load_checkpoint(TINY), torch.eye(16)[:5]
    expected = {method: grams(here.generator, tangents, method) for method in METHODS}
    with pretended(**RULES[rules]):
        there = load_checkpoint(TINY, "pretend").generator
        for method in METHODS:
            wanted = expected[method]
            torch.testing.assert_close(grams(there, tangents, method), wanted, rtol=0.02, atol=0.02 * float(wanted.max()))


def grams(generator, tangents, method: str) -> torch.Tensor:
    return gram_matrices(Response(generator), seed_latents(generator, range(3)), tangents.to(generator.device), method=method)


@available
def test_differences_in_tf32_would_be_wrong(monkeypatch) -> None:
    here, tangents = load_checkpoint(TINY), torch.eye(16)[:5]
    expected = grams(here.generator, tangents, "central")
    monkeypatch.setattr("orojar_cli.response.jacobian.prepare", lambda device: None)
    with pretended(tf32=True):
        assert torch.backends.cudnn.allow_tf32
        found = grams(load_checkpoint(TINY, "pretend").generator, tangents, "central")
    assert float((found - expected).norm() / expected.norm()) > 0.2


@available
@pytest.mark.parametrize("penalty", [orojar_cli.orojar_penalty, orojar_cli.hessian_penalty])
def test_a_penalty_prepares_the_device(penalty) -> None:
    with pretended(tf32=True):
        z = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)).to("pretend")
        assert float(penalty(lambda z: z.square() @ torch.ones(3, 2, device="pretend"), z)) >= 0
        assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


FAMILIES = [
    "sg2_from_sg3_repo_16.pkl",
    "sg2_resnet_gray_16.pkl",
    "sg3_t_32.pkl",
    "sg3_r_32.pkl",
    "stylegan_xl_16.pkl",
    "biggan_pt_deep_32.pth",
    "fb_dcgan_64.pt",
    "genforce_pggan_32.pth",
    "lucidrains_32.pt",
    "rosinality_sg1_32.model",
]


@available
@pytest.mark.parametrize("name", FAMILIES)
def test_a_forward_pass_sends_nothing_to_the_device_and_waits_for_nothing(name: str) -> None:
    with pretended() as traffic:
        generator = load_checkpoint(REFERENCES / name, "pretend").generator
        at = seed_latents(generator, (0, 1), 0 if generator.c_dim else None)
        ws = generator.mapping(at.z, at.label)
        Response(generator)
        traffic.clear()
        images = generator.synthesis(ws)
        assert not traffic.uploads and not traffic.downloads
        assert images.shape[1:] == generator.image_shape


@available
def test_gram_matrices_come_home_once_a_chunk() -> None:
    with pretended() as traffic:
        generator = load_checkpoint(TINY, "pretend").generator
        response, at, tangents = Response(generator), seed_latents(generator, range(6)), torch.eye(16, device="pretend")
        traffic.clear()
        found = gram_matrices(response, at, tangents, budget=2 * 16 * 3 * response.bytes_per_point())  # two points at once
        assert sum(traffic.downloads.values()) == 3 and not traffic.uploads
    assert found.device.type == "cpu" and found.dtype == torch.float64


@available
def test_pictures_come_home_in_bytes_and_once_a_batch() -> None:
    with pretended() as traffic:
        generator = load_checkpoint(TINY, "pretend").generator
        ws = generator.mapping(seed_latents(generator, range(5)).z)
        renderer = Renderer(generator, budget=1)
        renderer.batch = 2
        traffic.clear()
        there = renderer.images(ws)
        assert sum(traffic.downloads.values()) == 2 * 3 and not traffic.uploads  # the pixels, and whether all were finite
    here = load_checkpoint(TINY).generator
    expected = Renderer(here).images(here.mapping(seed_latents(here, range(5)).z))
    assert np.abs(there.astype(int) - expected).max() <= 1


@available
def test_random_noise_of_a_seed_is_the_same_everywhere() -> None:
    here = load_checkpoint(TINY).generator
    expected = here(seed_latents(here, (3, 4)).z, noise_mode="random", rng=(3, 4))
    with pretended():
        there = load_checkpoint(TINY, "pretend").generator
        found = there(seed_latents(there, (3, 4)).z, noise_mode="random", rng=(3, 4)).cpu()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


LACKING = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 18.13 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
]
OTHERS = [
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("expected memory format channels_last"),
    ValueError("CUDA out of memory"),
]


def test_only_a_lack_of_memory_is_called_so() -> None:
    assert all(map(is_out_of_memory, LACKING)) and not any(map(is_out_of_memory, OTHERS))


def walked(chunks: Chunks, most: int, error: Exception, insides: int = 1) -> list[tuple[int, int]]:
    """What is done in chunks where only `most` items, or so many insides of one, fit."""
    done = []
    for start, stop in chunks:
        with chunks.fitting():
            if (stop - start) * chunks.inside > most:
                raise error
            done.append((start, stop))
    return done


def test_chunks_that_do_not_fit_are_halved_and_nothing_is_lost() -> None:
    assert walked(Chunks(2, 13, 8), 3, LACKING[1]) == [(2, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 13)]
    assert walked(Chunks(0, 5, 100), 100, LACKING[1]) == [(0, 5)]
    assert walked(Chunks(0, 2, 1, inside=8), 3, LACKING[1]) == [(0, 1), (1, 2)]
    with pytest.raises(torch.OutOfMemoryError):
        walked(Chunks(0, 4, 4), 0, LACKING[1])
    with pytest.raises(RuntimeError, match="illegal"):
        walked(Chunks(0, 4, 4), 1, OTHERS[0])


@available
@pytest.mark.parametrize("method", METHODS)
def test_gram_matrices_in_less_memory_than_was_thought(method: str) -> None:
    expected = grams(load_checkpoint(TINY).generator, torch.eye(16), method)
    with pretended(memory=4 * 32 * 16**2) as traffic:  # 4 images of the widest layer in one tensor
        generator = load_checkpoint(TINY, "pretend").generator
        found = grams(generator, torch.eye(16), method)
        assert sum(traffic.downloads.values()) == 3  # points came one by one
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.max()))


def test_a_processor_has_the_usual_budget_and_float64() -> None:
    device = torch.device("cpu")
    assert memory_budget(device, 123) == 123 and wide(device) == torch.float64
    assert on_processor(torch.ones(2, requires_grad=True)).dtype == torch.float64


@available
def test_processes_take_a_device_each() -> None:
    with pretended():
        assert chosen_device("pretend") == chosen_device("pretend", 0) == "pretend" and chosen_device("pretend:0") == "pretend:0"
        with pytest.raises(OptionError, match="pretend:0: every process of torchrun takes a device of its own; use --device pretend"):
            chosen_device("pretend:0", 1)
        with pytest.raises(OptionError, match="this machine has 1 PRETEND devices, one for each process; use --nproc-per-node 1"):
            chosen_device("pretend", 1)


def test_the_advice_names_options_that_the_command_has(orojar, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("orojar_cli.response.jacobian.jacobian_columns", fail)
    code, _, err = orojar("discover", TINY, "--samples", "8", "--num", "2", "--space", "z")
    assert code == 1
    assert err.splitlines()[-1] == (
        "error: the computation does not fit in memory; use a smaller --output or --num or --samples, or --device cpu"
    )
    for option in ("--output", "--num", "--samples", "--device"):
        assert option in main_options("discover")


def main_options(command: str) -> set[str]:
    from orojar_cli.cli import orojar

    return {option for parameter in orojar.commands[command].params for option in parameter.opts}


@available
def test_the_pretended_device_refuses_what_a_gpu_refuses() -> None:
    with pretended():
        there, here = torch.ones(3, 3).to("pretend"), torch.ones(3, 3)
        assert there.device.type == "pretend" and float((there @ there).sum()) == 27
        assert float((there * torch.tensor(2.0)).sum()) == 18 and float(there[torch.tensor([0])].sum()) == 3
        for wrong in (lambda: there @ here, lambda: torch.cat([there, here]), lambda: here[there > 0]):
            with pytest.raises(DeviceError):
                wrong()
        with pytest.raises(TypeError, match="to numpy"):
            np.asarray(there)
        with pytest.raises(DeviceError, match="generator"):
            torch.randn(2, generator=torch.Generator(), device="pretend")
        x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)).to("pretend")
        columns = vmap(lambda v: jvp(lambda x: (x @ there).sin(), (x,), (v,))[1])(torch.stack([x, x]))
        torch.testing.assert_close(columns[0].cpu(), (x @ there).cos().cpu() * (x @ there).cpu())
    with pretended(float64=False):
        assert torch.ones(2, dtype=torch.float64).to("pretend", torch.float32).cpu().double().sum() == 2
        for wrong in (lambda: torch.ones(2).to("pretend").double(), lambda: torch.ones(2, dtype=torch.float64).to("pretend")):
            with pytest.raises(DeviceError, match="float64"):
                wrong()
    with pretended(tf32=True):
        fine = torch.tensor([[1 + 2**-12]]).to("pretend")
        assert float(fine @ fine) != 1
        torch.backends.cuda.matmul.allow_tf32 = True
        assert float(fine @ fine) == 1
    assert not torch.backends.cuda.matmul.allow_tf32


FACTORIES = (
    "as_tensor",
    "zeros",
    "ones",
    "empty",
    "full",
    "arange",
    "linspace",
    "logspace",
    "eye",
    "rand",
    "randn",
    "randint",
    "randperm",
    "tensor",
)


def unplaced(source: str) -> list[int]:
    """Lines of a module that make a tensor without saying where, or widen one before it is brought home.

    What is drawn by a generator of the processor, or is float64, is of the processor by the house's rules; what `.to(...)` brings somewhere
    at once says where; a module's own tensors are moved with it.  What is read from files is put on the processor, and says so.
    """
    tree = ast.parse(source)
    placed, wrong = set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            placed |= set(map(id, ast.walk(node)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, receiver = node.func.attr, node.func.value
            if name in ("to", "cpu"):
                placed |= set(map(id, ast.walk(receiver)))
            if name == "cpu" and any(isinstance(part, ast.Attribute) and part.attr in ("double", "float64") for part in ast.walk(receiver)):
                wrong.append(node.lineno)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FACTORIES):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "torch"):
            continue
        words = {word.arg: ast.unparse(word.value) for word in node.keywords}
        said = {"device", "generator"} & words.keys() or words.get("dtype") == "torch.float64"
        if not said and id(node) not in placed:
            wrong.append(node.lineno)
    return wrong


def test_tensors_say_where_they_are() -> None:
    paths = sorted(path for folder in ("orojar_cli", "examples") for path in (ROOT / folder).rglob("*.py"))
    assert not [f"{path.relative_to(ROOT)}:{line}" for path in paths for line in unplaced(path.read_text())]


def test_the_check_sees_what_it_should() -> None:
    assert unplaced("a = torch.zeros(3)\nb = torch.zeros(3, device=x)\nc = torch.eye(3).to(y)\nd = z.double().cpu()\n") == [4, 1]
    assert not unplaced("a = torch.randn(3, generator=rng)\nb = torch.eye(2, dtype=torch.float64)\nc = z.cpu().double()\n")
