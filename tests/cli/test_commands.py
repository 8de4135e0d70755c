from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import REFERENCES
from PIL import Image
from program import document

from orojar_cli import load_checkpoint, load_directions


def test_inspect_tells_everything(orojar, shapes_path: Path) -> None:
    told = document(orojar("inspect", shapes_path, "--json"))
    assert (told["family"], told["img_resolution"], told["z_dim"], told["num_ws"]) == ("StyleGAN2", 32, 64, 8)
    assert len(told["sha256"]) == 64 and set(told["contents"]) >= {"G", "D", "G_ema"}
    assert [layer["ws"] for layer in told["layers"]] == [0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7]
    code, out, _ = orojar("inspect", "--network", shapes_path)
    assert code == 0 and "b32.torgb" in out and told["sha256"] in out


def test_sefa_then_traverse_shows_the_newest_run(orojar, shapes_path: Path, somewhere: Path) -> None:
    told = document(orojar("sefa", shapes_path, "--num", 6, "--seeds", "0-1", "--json"))
    run = Path(told["run"])
    assert run.name == "00000-sefa-shapes32"
    assert {file.name for file in run.iterdir()} == {"run.json", "directions.safetensors", "grid.png", "metrics.jsonl"}
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["checkpoint"]["sha256"] == load_checkpoint(shapes_path).sha256
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 6
    values = [row["singular_value"] for row in told["dimensions"]]
    assert values == sorted(values, reverse=True)
    code, out, err = orojar("traverse", "--dim", 3, "--out", "walk.gif", "--seeds", "0-1", "--frames", 12)
    assert code == 0 and "newest run" in err and "dim 3" in out
    with Image.open("walk.gif") as film:
        assert film.format == "GIF" and film.n_frames > 4


def test_traverse_without_a_run_shows_the_demonstration(orojar) -> None:
    code, out, err = orojar("traverse", "--dim", "all", "--out", "grid.png", "--seeds", 0, "--steps", 3)
    assert code == 0 and "demonstration" in err and "and 6 more" in out
    with Image.open("grid.png") as picture:
        assert picture.width > 150 and picture.height > 640


@pytest.mark.usefixtures("rough")
def test_finetune_writes_a_network_that_draws_its_grid(orojar) -> None:
    path = REFERENCES / "sg2_skip_32.pkl"
    told = document(orojar("finetune", path, "--samples", 8, "--seeds", 3, "--also-g", "--safetensors", "--json"))
    run = Path(told["run"])
    assert told["changed_tensors"] == ["mapping.fc0.weight"]
    tuned, axes = load_checkpoint(run / "tuned.pkl"), load_directions(run / "directions.safetensors")
    axes.check_fits(tuned.generator, tuned.sha256)
    assert torch.equal(axes.directions, torch.eye(32))
    original = load_checkpoint(path)
    load_directions(run / "rotation.safetensors").check_fits(original.generator, original.sha256)
    again = load_checkpoint(run / "tuned.safetensors")
    z = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.generator(z), tuned.generator(z))
    from orojar_cli.latents.points import seed_latents
    from orojar_cli.media import resize
    from orojar_cli.pictures.walk import Renderer, dimension_rows, strengths

    row = next(dimension_rows(Renderer(tuned.generator), seed_latents(tuned.generator, [3]), axes, [0], strengths(2, 7)))
    with Image.open(run / "grid.png") as picture:
        grid = np.asarray(picture)
    cell = resize(row, 64)[0]
    assert any(
        np.array_equal(grid[top : top + 64, left : left + 64], cell)
        for top in range(20, 90)
        for left in range(60, 220)
        if np.array_equal(grid[top, left], cell[0, 0])
    )
    code, _, err = orojar("traverse", run, "--dim", 0, "--out", "a.webp", "--seeds", 1, "--frames", 6)
    assert code == 0, err
    code, _, err = orojar("traverse", run / "rotation.safetensors", "--dim", 0, "--out", "b.gif", "--seeds", 1, "--frames", 6)
    assert code == 0, err


def test_grids_of_large_images_show_fewer_seeds_unless_asked(orojar, shapes_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def seeds(*more: object) -> list[int]:
        told = document(orojar("sefa", shapes_path, "--num", 2, "--device", "cpu", "--json", *more))
        return json.loads((Path(told["run"]) / "run.json").read_text())["options"]["seeds"]

    assert seeds() == [0, 1, 2, 3, 4]
    monkeypatch.setattr("orojar_cli.pictures.axes._GRID_MULTIPLICATIONS", 1.0)
    assert seeds() == [0] and seeds("--seeds", "0-1") == [0, 1]


def test_labels_are_set_shown_and_used(orojar, shapes_path: Path) -> None:
    run = document(orojar("sefa", shapes_path, "--num", 3, "--seeds", 0, "--json"))["run"]
    assert orojar("label", run, "--dim", 1, "x position")[0] == 0
    code, out, _ = orojar("traverse", run, "--dim", "X position", "--out", "w.gif", "--frames", 4, "--seeds", 0)
    assert code == 0 and "dim 1  x position" in out
    code, _, err = orojar("label", run, "--dim", 1, "7")
    assert code == 2 and "number" in err


@pytest.mark.parametrize("method", ["random", "jacobian-pca", "orojar"])
def test_discover_runs_any_method(orojar, shapes_path: Path, method: str) -> None:
    told = document(
        orojar("discover", shapes_path, "--method", method, "--samples", 8, "--num", 4, "--subspace", "auto", "--seeds", 0, "--json")
    )
    assert told["method"] == method and len(told["dimensions"]) == 4
    assert Path(told["run"]).name.startswith(f"00000-discover-{method}")


def test_method_options_are_passed_on(orojar, shapes_path: Path) -> None:
    told = document(
        orojar(
            *("discover", shapes_path, "--method", "orojar-sgd", "--set", "steps=2", "--set", "batch=2", "--space", "z"),
            *("--num", 3, "--seeds", 0, "--json"),
        )
    )
    assert told["options"]["steps"] == 2 and told["space"] == "z"
    assert orojar("discover", shapes_path, "--set", "steps")[0] == 2
    code, _, err = orojar("discover", shapes_path, "--set", "critereon=loglik")
    assert code == 2 and "orojar has no option 'critereon'; it has criterion" in err
    assert "it has none" in orojar("discover", shapes_path, "--method", "random", "--set", "steps=2")[2]


def test_sample_draws_seeds(orojar, shapes_path: Path) -> None:
    assert orojar("sample", shapes_path, "--seeds", "0-5", "--out", "s.png", "--columns", 3)[0] == 0
    with Image.open("s.png") as picture:
        assert picture.size == (96, 2 * (32 + 16))
    told = document(orojar("sample", shapes_path, "--seeds", "4,9", "--out", "folder", "--json"))
    assert [Path(path).name for path in told["out"]] == ["seed0004.png", "seed0009.png"]


def test_conditional_networks_need_a_class(orojar) -> None:
    path = REFERENCES / "sg2_cond_fp16_64.pkl"
    code, _, err = orojar("sample", path, "--seeds", 0)
    assert code == 2 and "--class" in err
    assert orojar("sample", path, "--seeds", 0, "--class", 4)[0] == 0
    code, _, err = orojar("traverse", path, "--out", "c.png", "--seeds", 0, "--steps", 3)
    assert code == 0 and "class 0" in err


def test_convert_keeps_the_network(orojar, shapes_path: Path) -> None:
    assert orojar("convert", shapes_path, "out.safetensors")[0] == 0
    z = torch.zeros(1, 64) + 0.3
    assert torch.equal(load_checkpoint("out.safetensors").generator(z), load_checkpoint(shapes_path).generator(z))
    assert document(orojar("inspect", "out.safetensors", "--json"))["container"] == "safetensors"


def test_the_input_file_is_never_modified(orojar) -> None:
    shutil.copy(REFERENCES / "sg2_from_sg3_repo_16.pkl", "mine.pkl")
    before = Path("mine.pkl").read_bytes()
    assert orojar("finetune", "mine.pkl", "--samples", 8, "--seeds", 0)[0] == 0
    assert Path("mine.pkl").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("sefa", "missing.pkl"), 1, "No such file"),
        (("sefa", "."), 1, "folder"),
        (("sefa", "page.pkl"), 1, "web page"),
        (("sefa", "pointer.pkl"), 1, "git-lfs pointer"),
        (("sefa", "short.pkl"), 1, "ends early"),
        (("sefa", "evil.pkl"), 3, "posix.system"),
        (("sefa",), 2, "name one checkpoint"),
        (("traverse", "CKPT", "--dim", "999"), 2, "no dimension 999"),
        (("traverse", "CKPT", "--out", "walk.avi"), 2, ".gif"),
        (("traverse", "CKPT", "--out", "no/such/folder/walk.gif", "--frames", "4", "--seeds", "0"), 1, "does not exist"),
        (("traverse", "CKPT", "--seeds", "7-3"), 2, "low to high"),
        (("sefa", "CKPT", "--layers", "0-9"), 2, "layers 0-7"),
        (("sefa", "CKPT", "--class", "1"), 2, "not conditional"),
        (("sefa", "CKPT", "--device", "cuda:99"), 2, "CUDA devices"),
        (("sefa", "CKPT", "--device", "gpu"), 2, "none of auto"),
        (("traverse", "nonsense-folder"), 1, "No such file"),
        (("traverse", "CKPT", "--fps", "1000", "--frames", "4", "--seeds", "0"), 2, "frames per second"),
        (("convert", "CKPT", "out.h5"), 2, ".safetensors"),
        (("label", "CKPT", "--dim", "0", "x"), 2, "no direction set"),
    ],
)
def test_errors_are_one_line_with_their_exit_code(orojar, shapes_path: Path, arguments, code: int, message: str) -> None:
    Path("page.pkl").write_text("<!DOCTYPE html><html>not here</html>")
    Path("pointer.pkl").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 381600000\n")
    Path("short.pkl").write_bytes(shapes_path.read_bytes()[:400_000])
    Path("evil.pkl").write_bytes(b"\x80\x04cposix\nsystem\n\x8c\x06touch x\x85R.")
    got, out, err = orojar(*(shapes_path if argument == "CKPT" else argument for argument in arguments))
    assert got == code and message in err
    assert out == "" and "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith(("error:", "Error:"))]) == 1
    assert not Path("x").exists() and not Path("walk.gif").exists()


def test_a_direction_set_for_another_network_is_refused(orojar, shapes_path: Path) -> None:
    run = document(orojar("sefa", shapes_path, "--num", 3, "--seeds", 0, "--json"))["run"]
    code, _, err = orojar("traverse", run, "--network", REFERENCES / "sg2_skip_32.pkl")
    assert code == 1 and "another network" in err


def test_debug_shows_the_traceback(orojar) -> None:
    code, _, err = orojar("sefa", "missing.pkl", "--debug")
    assert code == 1 and "Traceback" in err


def test_an_unwritable_outdir_is_named(orojar, shapes_path: Path) -> None:
    Path("file").write_text("")
    code, _, err = orojar("sefa", shapes_path, "--outdir", "file", "--seeds", 0, "--num", 2)
    assert code == 1 and "--outdir" in err


def test_an_unfinished_run_is_never_picked_up(orojar, shapes_path: Path) -> None:
    document(orojar("sefa", shapes_path, "--num", 3, "--seeds", 0, "--json"))
    Path("orojar-runs/00001-sefa-shapes32").mkdir()
    _, _, err = orojar("traverse", "--dim", 0, "--frames", 4, "--seeds", 0)
    assert "00000-sefa-shapes32" in err
    assert document(orojar("sefa", shapes_path, "--num", 3, "--seeds", 0, "--json"))["run"].endswith("00002-sefa-shapes32")


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONWARNINGS": "ignore"}
    )


@pytest.mark.parametrize("arguments", [["--help"], ["inspect", "CKPT"], ["traverse", "-h"]])
def test_help_and_inspect_do_not_wait_for_torch(shapes_path: Path, arguments: list[str]) -> None:
    words = [str(shapes_path) if word == "CKPT" else word for word in arguments]
    code = (
        "import sys\nfrom orojar_cli.cli import main\n"
        f"try: main({words!r})\nexcept SystemExit as e: assert not e.code\n"
        "assert not {'torch', 'scipy', 'numpy', 'PIL'} & set(sys.modules), set(sys.modules) & {'torch', 'scipy', 'numpy', 'PIL'}"
    )
    finished = run_python(code)
    assert finished.returncode == 0, finished.stderr


def test_the_version_is_printed(orojar) -> None:
    assert orojar("--version")[1].startswith("orojar, version")


def test_every_command_and_option_is_documented(orojar) -> None:
    import click

    from orojar_cli.cli import orojar as group

    for name, command in group.commands.items():
        code, out, _ = orojar(name, "-h")
        assert code == 0 and command.help and command.help.split()[0] in out
        undocumented = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
        assert not undocumented, name


def test_every_command_says_once_what_is_not_the_files(orojar, shapes_path: Path) -> None:
    from orojar_cli.checkpoint.writer import save_checkpoint

    loaded = load_checkpoint(shapes_path)
    object.__setattr__(loaded.generator.config, "substitutes", ("the mean w (estimated from 4,096 latents)",))
    save_checkpoint(loaded, "bare.safetensors")
    for words in (
        ("inspect", "bare.safetensors"),
        ("sample", "bare.safetensors", "--seeds", 0),
        ("sefa", "bare.safetensors", "--num", 2, "--seeds", 0),
        ("traverse", "bare.safetensors", "--dim", 0, "--out", "a.png", "--seeds", 0),
        ("traverse", "--dim", 0, "--out", "b.png", "--seeds", 0),
        ("convert", "bare.safetensors", "again.safetensors"),
    ):
        code, out, err = orojar(*words)
        assert code == 0 and (out + err).count("orojar supplies: the mean w (estimated from 4,096 latents)") == 1, (words, err)


def test_the_options_of_compare_stand_in_groups_and_all_are_there(orojar) -> None:
    from orojar_cli.cli.compare import compare

    code, out, _ = orojar("compare", "--help")
    assert code == 0
    headings = [line.strip(":") for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == [*compare.groups, "Options"]
    names = [name for group in compare.groups.values() for name in group]
    known = {parameter.name for parameter in compare.params}
    assert len(names) == len(set(names)) and set(names) == known - {"sources"}
    for parameter in compare.params:
        assert parameter.name == "sources" or parameter.opts[0] in out
