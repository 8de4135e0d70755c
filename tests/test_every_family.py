"""Every command on networks of several families and containers, with as little work as each command takes."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from paths import REFERENCES
from PIL import Image

from orojar_cli import load_checkpoint
from orojar_cli.cli.sources import load_source
from orojar_cli.explore.server import ExplorerServer
from orojar_cli.operations.explore import explorer_of

NETWORKS = (
    "sg2_from_sg3_repo_16.pkl",
    "tf_stylegan1_32.pkl",
    "genforce_pggan_32.pth",
    "tf_pggan_32.pkl",
    "fb_dcgan_64.pt",
    "biggan_pt_deep_32.pth",
)


@pytest.mark.slow
@pytest.mark.usefixtures("little_training")
@pytest.mark.parametrize("name", NETWORKS)
def test_every_command(name: str, orojar: Any, run: Any, tmp_path: Path) -> None:
    network = tmp_path / name
    shutil.copy(REFERENCES / name, network)
    config = load_checkpoint(network).generator.config
    mapped = config.mapping.num_layers > 0
    chosen = ["--class", 0] if config.c_dim else []
    document = run("inspect", network)
    assert document["family"] == config.family and tuple(document["image_shape"]) == config.image_shape
    assert orojar("sample", network, *chosen, "--seeds", "0-1", "--out", "sample.png")[0] == 0
    with Image.open("sample.png") as picture:
        assert picture.height in (config.image_shape[1], 2 * config.image_shape[1])
    few = ["--num", 2, "--seeds", 0]
    run("sefa", network, *few, *chosen)
    found = run("discover", network, *few, *chosen, "--samples", 8, "--output", "image:8", "--outdir", "runs")
    assert len(found["dimensions"]) == 2
    tuned = run("finetune", network, "--samples", 8, "--seeds", 0, "--output", "image:8", *chosen, "--outdir", "runs")
    again = run("inspect", Path(tuned["checkpoint"]))
    assert again["num_ws"] == document["num_ws"] and again["image_shape"] == document["image_shape"]
    if mapped:
        budget = ["--steps", 2, "--images", 2000, "--watch-every", 2, "--max-shift", 1e9, "--seeds", 0, "--outdir", "runs"]
        trained = run("finetune", network, "--mode", "mapping", *budget)
        assert run("inspect", Path(trained["checkpoint"]))["family"] == config.family
    assert orojar("traverse", found["run"], "--dim", 0, *chosen, "--seeds", 0, "--out", "walk.png")[0] == 0
    assert Path("walk.png").stat().st_size > 0
    explored(Path(found["run"]), 0 if config.c_dim else None)
    assert orojar("convert", network, "other.safetensors")[0] == 0
    assert run("inspect", "other.safetensors")["num_ws"] == document["num_ws"]
    quick = ["--methods", "random,sefa", "--metrics", "orthogonality", "--quick", "--samples", 8, "--num", 2, "--seeds", 0]
    assert orojar("compare", network, *quick, *chosen, "--outdir", "runs")[0] == 0


def explored(found: Path, class_index: int | None) -> None:
    """Serve the page of a run, ask it for one picture, and stop."""
    explorer = explorer_of(load_source(str(found), device="cpu"))
    server = ExplorerServer(explorer)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        view = {"method": "own", "seeds": [0], "class": class_index, "psi": 1.0, "layers": None, "edits": [], "client": "tab", "number": 1}
        headers = {"X-Orojar-Token": server.token, "Content-Type": "application/json"}
        connection.request("POST", "/api/picture", json.dumps(view), headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()[:300]
        connection.close()
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive() and explorer.close(timeout=10)
