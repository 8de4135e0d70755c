"""Every command on networks of several families and containers, with as little work as each command takes."""

from __future__ import annotations

import functools
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
from orojar_cli.tuning.watch import Watch

# Files whose own name says nothing go under another, which says what the tensors do not.
NAMED = {"rosinality_sg1_32.model": "train_step-3.model"}
# The heaviest of them: its mapping is that of the other StyleGAN3.
ROTATED_ONLY = ("sg3_r_32.pkl",)
NETWORKS = (
    "sg2_from_sg3_repo_16.pkl",
    "sg2_human_64x32.pkl",
    "sg2_rect_64x32.pt",
    "sg2_initres_48x80.pkl",
    "sg3_t_32.pkl",
    "sg3_r_32.pkl",
    "stylegan_xl_16.pkl",
    "rosinality_full_32.pt",
    "psp_decoder_32.pt",
    "lucidrains_32.pt",
    "tf_stylegan1_32.pkl",
    "rosinality_sg1_32.model",
    "genforce_pggan_32.pth",
    "tf_pggan_32.pkl",
    "tf_orojar_progan_32.pkl",
    "fb_pgan_32.pt",
    "fb_dcgan_64.pt",
    "orojar_simplegan_64.pth",
    "biggan_pt_deep_32.pth",
    "biggan_pt_noshared_32.pth",
    "biggan_hf_32/pytorch_model.bin",
)


@pytest.fixture
def least_work(monkeypatch: pytest.MonkeyPatch, little_training: None) -> None:
    """What measures as much as its arithmetic allows measures as little as it would in the largest network."""
    for module in ("tuning.drift", "tuning.mapping", "tuning.rotation", "response.activeness"):
        monkeypatch.setattr(f"orojar_cli.{module}.affordable", lambda each, most, least, multiplications=0.0: int(min(most, least)))
    for name, value in {"mapping._COMPARED_RANGE": (4000, 64), "mapping._IMAGE_RANGE": (256, 256), "surrogate._HELD_OUT": 64}.items():
        monkeypatch.setattr(f"orojar_cli.tuning.{name}", value)
    monkeypatch.setattr("orojar_cli.tuning.watch._CLOUD", 64)
    monkeypatch.setattr(Watch, "__init__", functools.partialmethod(Watch.__init__, images=32))


def placed(name: str, folder: Path) -> Path:
    """A reference in a folder of its own, with what belongs beside it."""
    reference = REFERENCES / name
    if reference.parent != REFERENCES:
        return Path(shutil.copytree(reference.parent, folder)) / reference.name
    folder.mkdir()
    return Path(shutil.copy(reference, folder / NAMED.get(name, name)))


@pytest.mark.slow
@pytest.mark.usefixtures("least_work")
@pytest.mark.parametrize("name", NETWORKS)
def test_every_command(name: str, orojar: Any, run: Any, tmp_path: Path) -> None:
    network = placed(name, tmp_path / "given")
    config = load_checkpoint(network).generator.config
    mapped = config.mapping.num_layers > 0 and name not in ROTATED_ONLY
    chosen = ["--class", 0] if config.c_dim else []
    height = config.image_shape[1]
    coarse = f"image:{8 if height % 8 == 0 and height // 8 in (1, 2, 4, 8) else height // 4}"
    document = run("inspect", network)
    assert document["family"] == config.family and tuple(document["image_shape"]) == config.image_shape
    assert orojar("sample", network, *chosen, "--seeds", "0-1", "--out", "sample.png")[0] == 0
    with Image.open("sample.png") as picture:
        assert picture.height in (height + 16, 2 * (height + 16))
    few = ["--num", 2, "--seeds", 0]
    run("sefa", network, *few, *chosen)
    found = run("discover", network, *few, *chosen, "--samples", 8, "--output", coarse, "--outdir", "runs")
    assert len(found["dimensions"]) == 2
    tuned = run("finetune", network, "--samples", 8, "--seeds", 0, "--output", coarse, *chosen, "--outdir", "runs")
    again = run("inspect", Path(tuned["checkpoint"]))
    assert again["num_ws"] == document["num_ws"] and again["image_shape"] == document["image_shape"]
    if mapped:
        budget = ["--steps", 2, "--watch-every", 2, "--max-shift", 1e9, "--seeds", 0, "--outdir", "runs"]
        trained = run("finetune", network, "--mode", "mapping", *budget)
        assert run("inspect", Path(trained["checkpoint"]))["family"] == config.family
    assert orojar("traverse", found["run"], "--dim", 0, *chosen, "--seeds", 0, "--out", "walk.png")[0] == 0
    assert Path("walk.png").stat().st_size > 0
    kept = ["--dim", 0, "--keep", 1, "--range", 0.25, "--steps", 2]
    assert orojar("traverse", found["run"], *kept, *chosen, "--seeds", 0, "--out", "kept.png")[0] == 0
    between(network, found["run"], chosen, document["num_ws"], orojar)
    explored(Path(found["run"]), 0 if config.c_dim else None)
    assert orojar("convert", network, "other.safetensors")[0] == 0
    assert run("inspect", "other.safetensors")["num_ws"] == document["num_ws"]
    quick = ["--methods", "random,sefa", "--metrics", "orthogonality", "--quick", "--samples", 8, "--num", 2, "--seeds", 0]
    assert orojar("compare", network, *quick, *chosen, "--outdir", "runs")[0] == 0


def between(network: Path, found: str, chosen: list[Any], layers: int, orojar: Any) -> None:
    """A film between two images along its usual way, with an edit; a table of style mixing, which needs a latent for each layer."""
    words = [*chosen, "--seconds", 0.1, "--fps", 20]
    assert orojar("interpolate", found, "--seeds", "0-1", "--dim", "0:+1", *words, "--out", "loop.gif")[0] == 0
    with Image.open("loop.gif") as film:
        assert film.n_frames == 4
    code, _, err = orojar("mix", network, "--rows", 0, "--cols", "1-2", "--layers", 0, *words, "--out", "mix.png")
    assert code == (0 if layers > 1 else 2) and (layers > 1 or "draws from one latent as a whole" in err)


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
