"""Every command of every page runs; the command reference is what the program says."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from PIL import Image

from orojar_cli.cli import main, orojar
from orojar_cli.cli.reference import command_reference

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "commands.md")]
# What makes the work of a page's commands small; how they are spelled, what they read and what they leave for the next stays.
SMALL = {
    "discover": ("--samples", "8", "--seeds", "0"),
    "sefa": ("--seeds", "0"),
    "import": ("--seeds", "0"),
    "finetune": ("--samples", "8", "--seeds", "0", "--steps", "6", "--images", "2000", "--max-shift", "100"),
    "compare": ("--quick", "--samples", "8", "--num", "2", "--steps", "2", "--seeds", "0"),
    "metrics": ("--samples", "8", "--images", "64"),
    "project": ("--steps", "4"),
}


# Networks that pages speak of beside ckpt.pkl: our references, one of each kind.
NETWORKS = {
    "biggan.pth": "biggan_pt_128.pth",
    "biggan-deep-config.json": "biggan_hf_32/config.json",
    "biggan-deep-pytorch_model.bin": "biggan_hf_32/pytorch_model.bin",
    "classes.pkl": "sg2_cond_fp16_64.pkl",
    "grey.pkl": "sg2_resnet_gray_16.pkl",
    "stylegan3.pkl": "sg3_t_32.pkl",
    "tensorflow.pkl": "sg2_tensorflow_32.pkl",
}


def commands(page: Path) -> list[str]:
    """What calls orojar in the page's indented blocks, without comments, and at the beginning of its tables' lines."""
    lines = [block or cell for block, cell in re.findall(r"^(?:    (orojar .*)$|\| `(orojar [^`]*)`)", page.read_text(), re.MULTILINE)]
    return [line.partition("   #")[0].strip() for line in lines if "…" not in line and "://" not in line]


def options(command: click.Command) -> set[str]:
    return {name for option in command.params for name in (*option.opts, *option.secondary_opts)}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the bundled network and the networks and pictures that pages speak of."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "checkpoints", tmp_path / "checkpoints")
    shutil.copy(ROOT / "checkpoints" / "shapes32.pkl", tmp_path / "ckpt.pkl")
    for name in ("own_generator.py", "own_attributes.py"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    for name, reference in NETWORKS.items():
        shutil.copy(ROOT / "tests" / "references" / reference, tmp_path / name)
    normalisation = {f"main.1.{part}": torch.ones(6) for part in ("weight", "bias", "running_mean", "running_var")}
    convolutions = {"main.0.weight": torch.ones(4, 6, 4, 4), **normalisation, "main.3.weight": torch.ones(6, 3, 4, 4)}
    torch.save(convolutions, tmp_path / "dcgan.pth")
    np.save(tmp_path / "smile.npy", np.eye(1, 64))
    Image.radial_gradient("L").convert("RGB").resize((60, 40)).save(tmp_path / "photo.png")
    return tmp_path


def newest(folder: Path, word: str) -> str:
    """RUN: the newest run with directions; RUN/FILE: that file of the newest run that has it."""
    file = word.partition("/")[2]
    run = max(path.parent for path in (folder / "orojar-runs").glob(f"0*/{file or 'directions.safetensors'}"))
    return str(run / file)


def run(words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [newest(folder, word) if re.match("RUN(/|$)", word) else word for word in words]
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert not caught.value.code, f"{shlex.join(words)}\n{capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_are_understood(page: Path, workplace: Path) -> None:
    """Every option and its value, without the work."""
    program = orojar.make_context("orojar", ["--"], resilient_parsing=True)
    for command in commands(page):
        name, *arguments = shlex.split(command)[1:]
        if not name.startswith("-"):
            orojar.commands[name].make_context(name, arguments, parent=program)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page: Path, workplace: Path, capsys: pytest.CaptureFixture[str], little_training: None) -> None:
    for command in commands(page):
        words = shlex.split(command)
        if words[1] != "explore":  # stays open
            run([*words[1:], *SMALL.get(words[1], ())], workplace, capsys)


def test_the_list_of_commands_has_a_whole_sentence_for_each() -> None:
    listed = click.Context(orojar, info_name="orojar", terminal_width=80)
    lines = orojar.get_help(listed).partition("Commands:\n")[2].splitlines()
    assert len(lines) == len(orojar.commands) and all(line.endswith(".") and not line.endswith("...") for line in lines)


def test_the_command_reference_is_what_the_program_says() -> None:
    assert (ROOT / "docs" / "commands.md").read_text() == command_reference(orojar)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_named_in_sentences_exist(page: Path) -> None:
    every = set().union(*map(options, orojar.commands.values())) | options(orojar) | {"--debug"}
    sentences = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for code in re.findall(r"`([^`]+)`", sentences):
        words = code.split()
        known = every
        if words[0] == "orojar" and len(words) > 1 and not words[1].startswith("-"):
            assert words[1] in {*orojar.commands, "COMMAND"}, code
            known = options(orojar.commands[words[1]]) if words[1] in orojar.commands else every
        elif not words[0].startswith("--"):
            continue
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in known, code


def test_pages_link_to_files_that_exist() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
