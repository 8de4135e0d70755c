from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given
from hypothesis import strategies as st
from toys import linear, rotated_product

from orojar_cli.directions import METHODS, Settings, load_directions
from orojar_cli.distributed import as_first, gathered, is_shared, share, wait_for_all
from orojar_cli.errors import NumericalError, ProcessError
from orojar_cli.latents.points import Latents
from orojar_cli.response.activeness import activeness
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.outputs import Output


@given(st.integers(0, 200), st.integers(1, 20))
def test_shares_cover_all_items_in_order_and_are_even(count: int, world: int) -> None:
    shares = [share(count, rank, world) for rank in range(world)]
    assert [item for part in shares for item in part] == list(range(count))
    sizes = [len(part) for part in shares]
    assert max(sizes) - min(sizes) <= 1 and sizes == sorted(sizes, reverse=True)


def test_a_process_of_its_own_has_everything() -> None:
    assert not is_shared() and share(5) == range(5)
    part = torch.arange(5)
    assert gathered(part, 5) is part


def measured() -> dict[str, torch.Tensor]:
    """Gram matrices and activeness of toys: an odd number of points, one output and two."""
    generator, _ = rotated_product(5)
    at = Latents(torch.randn(7, 5, generator=torch.Generator().manual_seed(1)))
    two = Response(linear(torch.randn(16, 5, generator=torch.Generator().manual_seed(2))), outputs=(Output(), Output("image", 2)))
    tangents = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(3))
    seen: list[int] = []
    result = {
        "one": gram_matrices(Response(generator), at, tangents, budget=1, callback=seen.append),
        "two": gram_matrices(two, at, torch.eye(5)),
        "few": gram_matrices(two, at[:1], torch.eye(5)),
        "activeness": activeness(Response(generator), at, torch.eye(5), callback=seen.append),
    }
    assert seen[-1] == 5 and 7 in seen
    try:
        gram_matrices(Response(linear(torch.zeros(4, 3))), Latents(torch.zeros(3, 3)), torch.eye(3))
    except NumericalError:
        result["refused"] = torch.tensor(True)
    return result


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save(measured(), f"{folder}/{rank}.pt")
    dist.barrier()  # one that leaves while the other still receives from it takes both down
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_get_what_one_gets(tmp_path: Path) -> None:
    mp.start_processes(work, (str(tmp_path),), nprocs=2, start_method="spawn")
    expected = measured()
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert set(first) == set(expected) and "refused" in expected
    for name, value in expected.items():
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], value, rtol=1e-6, atol=0)


@pytest.mark.slow
def test_the_command_under_torchrun_writes_and_prints_once(shapes, shapes_path: Path, tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--"]
    options = ["--num", "4", "--samples", "8", "--subspace", "4", "--output", "image:8", "--seeds", "0", "--device", "cpu", "--json"]
    command = [*launcher, "orojar_cli", "discover", str(shapes_path), *options, "--outdir", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("wrote ") == 1
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads(done.stdout)["run"] == str(folder)
    found = load_directions(folder / "directions.safetensors")
    alone = METHODS["orojar"](shapes.generator, Settings(num=4, samples=8, subspace=4, outputs=(Output("image", 8),)))
    assert torch.allclose(found.directions, alone.directions, atol=1e-3)
    assert torch.allclose(found.activeness, alone.activeness, rtol=1e-3)


def left_alone(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    assert int(as_first(torch.tensor(7 + rank))) == 7
    if rank == 1:
        os._exit(0)  # as a process that is killed: nothing is said, nothing is closed
    for exchange in (lambda: gathered(torch.ones(2, 3), 4), lambda: as_first(torch.ones(1)), wait_for_all):
        with pytest.raises(ProcessError, match=r"another process .* its own last line says why"):
            exchange()
    Path(folder, "told").touch()
    os._exit(0)


@pytest.mark.slow
def test_a_process_that_dies_ends_the_others_with_one_line(tmp_path: Path) -> None:
    mp.start_processes(left_alone, (str(tmp_path),), nprocs=2, start_method="spawn")
    assert (tmp_path / "told").exists()
