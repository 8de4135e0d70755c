"""`orojar bench --check`: what a device computes against the processor; here the processor itself, and a pretended GPU."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from paths import REFERENCES
from pretended import available, pretended

from orojar_cli.bench.checking import _compared, _faster, _images, _jacobians, _Task, reference_files
from orojar_cli.bench.measurement import Effort
from orojar_cli.bench.networks import stylegan2
from orojar_cli.checkpoint.checkpoint import load_checkpoint
from orojar_cli.devices import prepare
from orojar_cli.generators.primitives import LAYOUTS

TINY = REFERENCES / "sg2_from_sg3_repo_16.pkl"
FILES = TINY, REFERENCES / "sg2_cond_fp16_64.pkl", REFERENCES / "fb_dcgan_64.pt"


@pytest.fixture
def small(monkeypatch) -> None:
    """The smallest reference in the place of the bundled network."""
    monkeypatch.setattr("orojar_cli.bench.checking.demonstration", lambda: (TINY, None))


@pytest.mark.slow
def test_the_short_form_on_a_processor_finds_nothing_off(orojar, small) -> None:
    code, out, err = orojar("bench", "--check", "--quick", "--device", "cpu", "--json", *FILES[1:])
    assert code == 0, err
    rows = json.loads(out)["rows"]
    assert json.loads(out)["machine"]["device"] == "cpu"
    whats = [row["what"] for row in rows]
    for words in (
        "bundled: images",
        "sg2_cond_fp16_64.pkl: images",
        "fb_dcgan_64.pt: images",
        "exact",
        "central",
        "forward",
        "ganspace in w",
        "joint diagonaliser",
        "in float16",
        "channels first",
    ):
        assert any(words in what for what in whats), words
    assert any("finetune, rotation" in what for what in whats) and any("finetune, mapping" in what for what in whats)
    judged = [row for row in rows if row["goal"]]
    assert len(judged) >= 2 * 14 and all(row["met"] for row in judged)
    assert any(row["unit"] == "GFLOP/s" for row in rows) and any(row["of"] == "an image" for row in rows)


def rows_there(**rules):
    with pretended(**rules):
        prepare("pretend", program=True)
        network = load_checkpoint(TINY).generator
        return [row for task in (_Task("images", 1e-3, _images), *_jacobians()) for row in _compared("tiny", network, task, "pretend")]


@available
@pytest.mark.parametrize("rules", [{"tf32": True}, {"float64": False}])
def test_a_gpu_that_computes_right_meets_every_goal(rules) -> None:
    rows = rows_there(**rules)
    assert len(rows) == 3 * 4 and all(row.met for row in rows if row.goal)


@available
def test_a_gpu_that_computes_in_tf32_is_found_out(monkeypatch) -> None:
    monkeypatch.setattr("orojar_cli.response.jacobian.prepare", lambda device: None)
    monkeypatch.setattr("test_checking.prepare", lambda device, program: None)
    missed = [row.what for row in rows_there(tf32=True) if row.met is False]
    assert "tiny: Gram matrices, central" in missed and not any("twice" in what for what in missed)


@available
@torch.no_grad()
def test_what_might_be_faster_is_measured_and_left_as_it_was(monkeypatch) -> None:
    monkeypatch.setattr("torch.compile", lambda synthesis: synthesis)
    with pretended():
        network = stylegan2(8, 256).to("pretend")
        ws = network.mapping(torch.randn(2, 512, generator=torch.Generator().manual_seed(0)).to("pretend"))
        before = dict(LAYOUTS)
        rows = list(_faster(network, ws, 1.0, "a network", Effort(quick=True)))
        monkeypatch.setattr("torch.compile", lambda synthesis: lambda ws: 1 / 0)
        assert len(list(_faster(network, ws, 1.0, "a network", Effort(quick=True)))) == 4
    assert [row.what.partition(", ")[2] for row in rows[::2]] == ["in float16", "channels last", "compiled"]
    assert all(row.met for row in rows[::2]) and rows[0].value > 0 and LAYOUTS["cpu"] == before["cpu"] == torch.channels_last


def test_a_check_that_misses_ends_with_1(orojar, small, monkeypatch) -> None:
    row = next(iter(_compared("a", load_checkpoint(TINY).generator, _Task("images", -1.0, _images), "cpu")))
    monkeypatch.setattr("orojar_cli.bench.check_device", lambda *_: iter([row]))
    code, out, err = orojar("bench", "--check", "--device", "cpu")
    assert code == 1 and "1 of 1 checks missed" in err and "missed" in out


def test_what_contradicts_itself_is_refused(orojar) -> None:
    assert orojar("bench", "--check", "--only", "sefa")[0] == 2
    assert orojar("bench", TINY)[0] == 2


def test_references_are_found_in_a_clone() -> None:
    assert TINY in reference_files() and all(path.is_file() for path in reference_files())


def test_the_benchmark_is_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "orojar_cli.bench", "--check", "--growth"], capture_output=True, text=True)
    assert done.returncode == 2 and "--check measures what it measures" in done.stderr
