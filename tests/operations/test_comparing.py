"""Comparing and projecting called from Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import REFERENCES
from PIL import Image

import orojar_cli
from orojar_cli.errors import OptionError

NETWORK = REFERENCES / "sg2_from_sg3_repo_16.pkl"
SMALL = {"num": 2, "samples": 8, "metrics": ["orthogonality"], "seeds": (0,), "device": "cpu"}


@pytest.fixture(scope="module")
def network():
    return orojar_cli.load_checkpoint(NETWORK)


def test_sets_found_before_are_compared_as_they_are(network, tmp_path: Path) -> None:
    sets = [orojar_cli.discover(network, method, num=2, samples=8) for method in ("random", "sefa")]
    found = orojar_cli.compare(*sets, **SMALL)
    assert found.header() == ["metric", "random", "sefa"] and found.run is None
    assert any(row[0].startswith("orojar_loss") for row in found.rows())
    assert repr(found) == f"<Compared, {len(found.rows())} metrics of random, sefa>"
    assert found._repr_html_().startswith("<table><tr><th>metric</th><th>random</th>")
    found.save(tmp_path / "table.png")
    with Image.open(tmp_path / "table.png") as table:
        assert table.height == found.show().height == 28 + 22 * (1 + len(found.rows()))
    document = found.to_dict()
    assert json.loads(json.dumps(document))["subjects"][1]["method"] == "sefa" and "run" not in document
    found.save(tmp_path / "page.html")
    assert json.loads((tmp_path / "page.json").read_text())["winners"] == document["winners"]
    with pytest.raises(OptionError, match=r"ends in \.html"):
        found.save(tmp_path / "page.pdf")


def test_the_command_prints_what_the_result_says(network, orojar, tmp_path: Path) -> None:
    found = orojar_cli.compare(network, methods=("random", "sefa"), **SMALL)
    words = ["--num", 2, "--samples", 8, "--metrics", "orthogonality", "--seeds", "0", "--device", "cpu", "--outdir", tmp_path]
    code, out, err = orojar("compare", NETWORK, "--methods", "random,sefa", *words, "--json")
    assert code == 0, err
    told, expected = json.loads(out), json.loads(json.dumps(found.to_dict()))
    assert {name: told[name] for name in ("measurements", "differences", "winners", "options")} == {
        name: expected[name] for name in ("measurements", "differences", "winners", "options")
    }


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"methods": ["best"]}, "'best' is none of"),
        ({"metrics": ["beauty"]}, "'beauty' is none of"),
        ({"methods": []}, "two direction sets"),
    ],
)
def test_what_cannot_be_compared_is_refused(network, options, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        orojar_cli.compare(network, **SMALL | options)


def test_a_drawn_picture_is_projected_and_shown(network, tmp_path: Path) -> None:
    drawn = orojar_cli.sample(network, [3]).images[0]
    small = {"steps": 4, "candidates": 16, "starts": 2, "space": "w"}
    found = orojar_cli.project(drawn, network, **small)
    assert found.w.shape == (1, network.generator.num_ws, network.generator.w_dim) and found.w_plus is None
    assert list(found.psnr) == ["mean", "nearest sample", "w"] and found.psnr["w"] >= found.psnr["nearest sample"]
    assert np.array_equal(found.target, drawn) and found.show().width > 300
    found.save(tmp_path / "w.npz")
    directions = orojar_cli.sefa(network, num=2)
    shown = orojar_cli.traverse(network, directions, dims=0, projected=tmp_path / "w.npz", steps=3)
    assert shown.show().height > 32
    from_file = tmp_path / "drawn.png"
    Image.fromarray(drawn).save(from_file)
    again = orojar_cli.project(from_file, network, outdir=tmp_path / "runs", **small)
    assert torch.equal(again.w, found.w) and (again.run.path / "comparison.png").exists()
    assert again.to_dict()["psnr"] == found.to_dict()["psnr"]


def test_pixels_that_are_no_pixels_are_refused(network) -> None:
    with pytest.raises(OptionError, match="pass uint8"):
        orojar_cli.project(np.zeros((8, 8, 3)), network)
    with pytest.raises(OptionError, match="more than there are"):
        orojar_cli.project(np.zeros((8, 8, 3), np.uint8), network, starts=9, candidates=4)


def test_large_networks_are_compared_by_what_they_show_early(shapes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orojar_cli.response.outputs._SMALL", 16)
    monkeypatch.setattr("orojar_cli.operations.compare._QUICK_ARITHMETIC", 1.0)
    told: list[str] = []
    words = {"methods": ("random", "sefa"), "metrics": ["orthogonality", "activeness"], "num": 2, "seeds": (0,), "quick": True}
    found = orojar_cli.compare(shapes, **words, notice=told.append)
    assert found.options["seen"] == "early:16" and found.options["samples"] == 16
    assert any("as they are at 16 pixels, with 16 samples" in line for line in told)
    # The same numbers as on the coarse image of the whole network, and the network itself is as it was.
    subject = found.comparison.subjects[0]
    assert subject.checkpoint.generator.image_shape == (3, 16, 16) and shapes.generator.image_shape == (3, 32, 32)
    assert found.show().width > 100
    whole = orojar_cli.compare(shapes, **words | {"detector": "critic"})
    assert whole.options["seen"] == "image" and whole.to_dict()["measurements"] != found.to_dict()["measurements"]


def test_a_budget_chooses_how_much_is_compared(shapes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orojar_cli.operations.compare.seconds_each", lambda *_: 1e-3)
    words = {"methods": ("random", "sefa"), "metrics": ["activeness"], "num": 2, "seeds": (0,), "quick": True}
    told: list[str] = []
    samples = [orojar_cli.compare(shapes, **words, budget=budget, notice=told.append).options["samples"] for budget in (1, "6.5s", "20s")]
    assert samples[0] == 16 and "which is the least there is" in told[0]
    assert 16 < samples[1] < 32 < samples[2]
    assert "about 20 s" in told[2] and f"with {samples[2]} samples" in told[2]


def test_metrics_of_large_networks_are_of_what_they_show_early(shapes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orojar_cli.response.outputs._SMALL", 16)
    monkeypatch.setattr("orojar_cli.operations.metrics._ARITHMETIC", 1.0)
    told: list[str] = []
    words = {"names": ("orthogonality", "activeness", "path_length"), "num": 2, "notice": told.append}
    found = {name: one for one in orojar_cli.metrics(shapes, **words).measurements for name in (one.metric, one.subject)}
    assert any("as they are at 32 pixels, with 16 samples and 200 images: about" in line for line in told)
    assert found["orojar_loss"].settings["samples"] == 16 and found["activeness"].settings["samples"] == 24
    length = found["path_length_w_end"].settings
    assert length["samples"] == 200 and length["detector"] == "pixels"
    # What somebody asks for is measured, and a critic sees whole images.
    told.clear()
    asked = orojar_cli.metrics(shapes, **words | {"names": ("path_length",)}, images=24, detector="critic").measurements
    assert {one.settings["samples"] for one in asked} == {24} and "pixels" not in told[-1] and "24 images" in told[-1]
    assert shapes.generator.image_shape == (3, 32, 32)


def test_a_budget_chooses_how_much_is_measured(shapes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orojar_cli.operations.metrics.seconds_each", lambda *_: 1e-3)
    told: list[str] = []
    words = {"names": ("activeness",), "num": 2, "notice": told.append}
    samples = [orojar_cli.metrics(shapes, **words, budget=budget).measurements[0].settings["samples"] for budget in (0.01, "0.9s", "3s")]
    assert samples == [24, 150, 500]  # of 300, which take 1.8 s
    assert "which is the least there is" in told[0] and "about 3 s" in told[2]
