"""Fine-tuning in a group of processes: they share the drawing, the first alone writes, and the run is that of one process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from paths import REFERENCES
from PIL import Image

import orojar_cli
from orojar_cli.distributed import wait_for_all
from orojar_cli.pictures.walk import Renderer

TINY = REFERENCES / "sg2_from_sg3_repo_16.pkl"


def tuned(outdir: Path) -> tuple[object, int]:
    """(what `finetune` returns, how many pictures this process drew for it)."""
    counts, drawn = [], Renderer._drawn

    def counted(*arguments):
        parts = drawn(*arguments)
        counts.extend(map(len, parts))
        return parts

    Renderer._drawn = counted
    try:
        return orojar_cli.finetune(TINY, samples=8, seeds=(0, 1), outdir=outdir, device="cpu"), sum(counts)
    finally:
        Renderer._drawn = drawn


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    tuning, count = tuned(Path(folder) / "two")
    assert (tuning is None) == (rank > 0)
    # An odd number, fewer than there are processes, and none that memory is asked for in another number.
    network = orojar_cli.load_checkpoint(TINY).generator
    ws = network.mapping(torch.randn(5, 16, generator=torch.Generator().manual_seed(3)))
    shared = Renderer(network, budget=rank + 1, shared=True)
    sizes = [len(shared.images(ws[:size])) for size in (5, 1)]
    same = all(np.array_equal(shared.images(ws[:size]), Renderer(network).images(ws[:size])) for size in (5, 1))
    Path(folder, f"{rank}.json").write_text(json.dumps({"drawn": count, "batch": shared.batch, "sizes": sizes, "same": same}))
    wait_for_all()
    dist.destroy_process_group()


@pytest.mark.slow
def test_processes_share_the_drawing(tmp_path: Path) -> None:
    mp.start_processes(work, (str(tmp_path),), nprocs=2, start_method="spawn")
    alone, count = tuned(tmp_path / "one")
    assert alone is not None
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert all(entry["batch"] == found[0]["batch"] and entry["sizes"] == [5, 1] and entry["same"] for entry in found)
    assert sum(entry["drawn"] for entry in found) == count and abs(found[0]["drawn"] - found[1]["drawn"]) <= 0.1 * count
    one, two = (next((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()} and len(list((tmp_path / "two").iterdir())) == 1
    for name in ("grid.png", "before-after.png"):
        pictures = [np.asarray(Image.open(folder / name).convert("RGB")).astype(int) for folder in (one, two)]
        assert np.abs(pictures[0] - pictures[1]).max() <= 2
