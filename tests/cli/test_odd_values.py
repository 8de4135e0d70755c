"""Odd values of options: refused in a sentence, before the work, never a traceback."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import click
import pytest
from paths import REFERENCES
from PIL import Image
from program import document

from orojar_cli.cli import orojar as group
from orojar_cli.directions import Settings
from orojar_cli.errors import OptionError
from orojar_cli.latents.points import seed_latents
from orojar_cli.measures import MetricSettings
from orojar_cli.operations.mapping_settings import MappingSettings
from orojar_cli.projection.projector import ProjectionSettings
from orojar_cli.response.outputs import Output

NETWORK = REFERENCES / "sg2_from_sg3_repo_16.pkl"
HUGE = "99999999999999999999"
REFUSED = [
    (("finetune", NETWORK, "--output", "image:0"), "unknown output 'image:0'"),
    (("finetune", NETWORK, "--output", "b0"), "unknown output 'b0'"),
    (("finetune", NETWORK, "--max-shift", "nan"), "--max-shift nan is not a number from 0 up"),
    (("finetune", NETWORK, "--seed", HUGE), "not in the range"),
    (("finetune", NETWORK, "--samples", HUGE), "--samples 99999999999999999999 is not a whole number"),
    (("discover", NETWORK, "--seed", "-1"), "not in the range"),
    (("discover", NETWORK, "--seed", HUGE), "not in the range"),
    (("discover", NETWORK, "--samples", HUGE), "--samples 99999999999999999999 is not a whole number"),
    (("discover", NETWORK, "--num", HUGE), "--num 99999999999999999999 is not a whole number"),
    *[
        (("discover", NETWORK, "--method", method, "--set", f"steps={value}"), "a whole number from 1 up")
        for method in ("orojar-sgd", "hessian")
        for value in ("abc", "0", "-5", "nan", "1.5", "true", "")
    ],
    (("metrics", NETWORK, "--seed", "-1"), "not in the range"),
    (("metrics", NETWORK, "--samples", HUGE), "--samples 99999999999999999999 is not a whole number"),
    (("compare", NETWORK, "--seed", "-1"), "not in the range"),
    (("compare", NETWORK, "--metrics", ","), "',' names nothing"),
    (("compare", NETWORK, "--methods", ""), "'' names nothing"),
    (("project", "picture.png", NETWORK, "--seed", HUGE), "not in the range"),
    *[(("sample", NETWORK, "--trunc-cutoff", value), "this network has 6 entries of ws") for value in ("-1", "7", "99")],
    (("traverse", NETWORK, "--trunc-cutoff", "99"), "this network has 6 entries of ws"),
    (("sefa", NETWORK, "--trunc-cutoff", "-1"), "this network has 6 entries of ws"),
    *[(("sample", NETWORK, "--trunc", value), "--trunc") for value in ("nan", "inf", "1e30")],
    *[(("inspect", NETWORK, "--max-download", value), f"--max-download {value}") for value in ("nan", "inf")],
]


@pytest.mark.parametrize(("words", "told"), REFUSED, ids=lambda value: " ".join(map(str, value[2:])) if isinstance(value, tuple) else "")
def test_odd_values_are_refused_before_anything_is_made(words: tuple, told: str, orojar, somewhere: Path) -> None:
    code, _, err = orojar(*words)
    assert code == 2 and told in err and "Traceback" not in err, err
    assert not [path for path in somewhere.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Settings(seed=-1),
        lambda: Settings(seed=2**32),
        lambda: Settings(seed=1.5),
        lambda: Settings(seed=True),
        lambda: Settings(samples=0),
        lambda: Settings(psi=float("nan")),
        lambda: Settings(num=0),
        lambda: MetricSettings(seed=-1),
        lambda: MetricSettings(images="many"),
        lambda: MetricSettings(psi=float("inf")),
        lambda: MappingSettings(max_shift=float("nan")),
        lambda: MappingSettings(steps=0),
        lambda: MappingSettings(penalty="other"),
        lambda: MappingSettings(weight=-1.0),
        lambda: ProjectionSettings(seed=10**20),
        lambda: ProjectionSettings(steps=0),
        lambda: ProjectionSettings(starts=1.5),
        lambda: Output.parse("image:0"),
        lambda: Output.parse("image:٣"),
    ],
)
def test_the_library_refuses_them_too(make) -> None:
    with pytest.raises(OptionError):
        make()


def test_points_of_impossible_truncations_and_seeds_are_refused(tiny) -> None:
    for seeds, options in (([0], {"cutoff": 7}), ([0], {"cutoff": -1}), ([0], {"cutoff": 1.0}), ([0], {"psi": float("nan")}), ([1.5], {})):
        with pytest.raises(OptionError):
            seed_latents(tiny.generator, seeds, **options)
    assert seed_latents(tiny.generator, [0], cutoff=6).cutoff == 6 and seed_latents(tiny.generator, [0], cutoff=0).cutoff == 0
    with pytest.raises(OptionError, match="from 0 up"):
        tiny.generator(seed_latents(tiny.generator, [0]).z, psi=0.5, cutoff=-1)


@pytest.mark.parametrize(
    "choice", ["", "1:", ":1", "1:0.5,1:0.5", "1:nan", "1:inf", "-1:0.5", "1.5:0.5", "1:0.5;2:0.5", [], {}, [(1,)], 1.5, True]
)
def test_what_is_no_mixture_of_classes_is_refused(choice, conditional) -> None:
    with pytest.raises(OptionError, match="neither a class nor a mixture"):
        seed_latents(conditional.generator, [0], choice)


def test_a_mixture_of_classes_is_its_label(conditional, orojar) -> None:
    import torch

    import orojar_cli
    from orojar_cli.media import to_uint8

    generator, path = conditional.generator, REFERENCES / "sg2_cond_fp16_64.pkl"
    at = seed_latents(generator, [3, 4], "1:0.25,0:0.75")
    wanted = torch.zeros(2, generator.c_dim)
    wanted[:, 0], wanted[:, 1] = 0.75, 0.25
    assert torch.equal(at.label, wanted) and torch.equal(seed_latents(generator, [3, 4], {1: 0.25, 0: 0.75}).label, wanted)
    with torch.no_grad():
        pictures = to_uint8(generator(at.z, wanted))
    assert (orojar_cli.sample(conditional, [3, 4], class_index={0: 0.75, 1: 0.25}).images == pictures).all()
    assert orojar("sample", path, "--seeds", "3-4", "--class", "1:0.25,0:0.75", "--out", "mixed")[0] == 0
    with Image.open("mixed/seed0004.png") as picture:
        assert picture.tobytes() == pictures[1].tobytes()
    assert orojar("sample", path, "--class", "1:0.5,99:0.5")[0] == 2
    run = document(orojar("sefa", path, "--class", "1:0.5,0:0.5", "--num", 2, "--seeds", 0, "--json"))["run"]
    words = ("traverse", run, "--class", "1:0.5,0:0.5", "--seeds", 0, "--steps", 3)
    assert orojar(*words, "--out", "a.png")[0] == 0 and orojar(*words[:2], *words[4:], "--class", 1, "--out", "c.png")[0] == 0
    assert orojar("traverse", "--from", "a.png", "--out", "b.png")[0] == 0
    with Image.open("a.png") as first, Image.open("b.png") as again, Image.open("c.png") as other:
        assert first.tobytes() == again.tobytes() != other.tobytes()


ODD = ["-1", "0", "1", HUGE, "1e30", "nan", "inf", "-inf", "", "é☃", ".", "abc", "1:0.5,2:0.5", ",", "0-", "..", "a=b", "steps=nan"]
ODD += ["--", "image:0", "early:0", "b0", "image:99999", "x" * 300, "0:nan", "all", "1.5", "true", "None"]
COMMANDS = {
    "inspect": (NETWORK,),
    "sample": (NETWORK, "--seeds", "0"),
    "sefa": (NETWORK, "--num", "2", "--seeds", "0"),
    "discover": (NETWORK, "--num", "2", "--samples", "8", "--seeds", "0", "--method", "random"),
    "finetune": (NETWORK, "--samples", "8", "--seeds", "0"),
    "traverse": ("RUN", "--dim", "0", "--seeds", "0", "--steps", "3", "--frames", "3", "--out", "w.gif"),
    "interpolate": ("RUN", "--seeds", "0-1", "--seconds", "0.1", "--steps", "2", "--dim", "0:1", "--out", "l.gif"),
    "mix": ("RUN", "--rows", "0", "--cols", "1-2", "--seconds", "0.1", "--dim", "0:1", "--out", "m.gif"),
    "compare": ("RUN", "RUN", "--num", "2", "--samples", "8", "--metrics", "orthogonality", "--seeds", "0"),
    "metrics": ("RUN", "--metric", "orthogonality", "--samples", "8", "--num", "2", "--images", "8"),
    "project": ("picture.png", NETWORK, "--steps", "1", "--candidates", "2", "--starts", "1", "--space", "w"),
    "label": ("RUN", "--dim", "0", "text"),
    "convert": (NETWORK, "c.safetensors"),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no alarm")
@pytest.mark.parametrize("name", COMMANDS)
def test_no_value_of_any_option_is_a_traceback_or_hangs(name: str, orojar, somewhere: Path, rough) -> None:
    Image.new("RGB", (16, 16), (9, 200, 30)).save("picture.png")
    run = document(orojar("sefa", NETWORK, "--num", "2", "--seeds", "0", "--outdir", "kept", "--json"))["run"]
    words = [run if word == "RUN" else word for word in COMMANDS[name]]
    assert orojar(name, *words)[0] == 0

    def too_long(*_: object) -> None:
        raise TimeoutError(f"{option.opts[0]}={value}")

    before = signal.signal(signal.SIGALRM, too_long)
    try:
        for option in group.commands[name].params:
            if not isinstance(option, click.Option) or option.is_flag or option.name in ("metrics", "names"):
                continue
            for value in ODD:
                signal.alarm(60)
                started = time.monotonic()
                code, _, err = orojar(name, *words, f"{option.opts[0]}={value}")
                assert code in (0, 1, 2, 3) and err.count("error:") <= 1, (option.opts[0], value, err, time.monotonic() - started)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
