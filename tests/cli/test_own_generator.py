from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from program import document

from orojar_cli import load_directions

CODE = '''
import torch
from torch import nn

print("noise on stdout")

class Gan(nn.Module):
    """Images A z."""
    z_dim = 5

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(64, 5, generator=torch.Generator().manual_seed(0)) / 4)

    def forward(self, z):
        return (z @ self.matrix.T).reshape(-1, 1, 8, 8)

class Styled(Gan):
    def __init__(self):
        super().__init__()
        self.style_weights = [self.matrix]

class Conditional(Gan):
    c_dim = 3

    def forward(self, z, label):
        return super().forward(z) * (1 + label.argmax(1))[:, None, None, None]

def other():
    gan = Gan()
    gan.matrix.data[0, 0] += 1e-3
    return gan

ready = Gan()
number = 7

def fails():
    raise ValueError("no\\nweights")

def fails_later():
    gan = Gan()
    gan.register_forward_hook(lambda *_: 1 / 0)
    return gan
'''


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the user's mygan.py, whose import leaves nothing behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for module in ("mygan", "parts", "parts.deep"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    Path("mygan.py").write_text(CODE)
    return tmp_path


DISCOVER = ("discover", "--space", "z", "--method", "jacobian-pca", "--samples", 8, "--num", 5, "--seeds", 0, "--json")


def test_discover_label_and_traverse(orojar) -> None:
    told = document(orojar(*DISCOVER, "--generator", "mygan:Gan"))
    run = Path(told["run"])
    assert run.name == "00000-discover-jacobian-pca-mygan-Gan"
    manifest = json.loads((run / "run.json").read_text())
    found = load_directions(run / "directions.safetensors")
    assert manifest["checkpoint"] == {"path": "mygan:Gan", "sha256": found.checkpoint, "generator": "mygan:Gan"}
    import mygan

    expected = torch.linalg.svd(mygan.Gan().matrix.double(), full_matrices=False).Vh
    assert torch.allclose((found.directions.double() * expected).sum(1).abs(), torch.ones(5, dtype=torch.float64), atol=1e-5)
    assert orojar("label", run, "--dim", 1, "x position")[0] == 0
    code, out, err = orojar("traverse", run, "--generator", "mygan:Gan", "--dim", "x position", "--frames", 4, "--seeds", 0)
    assert code == 0 and "x position" in out, err
    code, _, err = orojar("traverse", "--generator", "mygan:Gan", "--dim", "all", "--out", "all.png", "--seeds", 0, "--steps", 3)
    assert code == 0 and "newest run" in err
    with Image.open("all.png") as picture:
        assert picture.height > 5 * 64


def test_a_run_never_names_the_code_that_runs(orojar) -> None:
    run = document(orojar(*DISCOVER, "--generator", "mygan:Gan"))["run"]
    # The folder goes to somebody else, where a module of that name would do harm.
    del sys.modules["mygan"]
    Path("mygan.py").write_text("open('harm', 'w').close()")
    for source in ((run,), (), (f"{run}/directions.safetensors",)):
        code, _, err = orojar("traverse", *source)
        assert code == 2 and f"orojar traverse {run} --generator mygan:Gan" in err and "Traceback" not in err
        assert "if you trust that code" in err
    assert not Path("harm").exists() and "mygan" not in sys.modules


@pytest.mark.parametrize("name", ["os:abort; rm -rf ~", "x:\x1b[31m", "$(id):x", 7, None, "a" * 200 + ":b", "ｘ:ｙ"])
def test_a_name_in_a_foreign_run_is_not_made_part_of_a_command(orojar, name: object) -> None:
    run = Path(document(orojar(*DISCOVER, "--generator", "mygan:Gan"))["run"])
    manifest = json.loads((run / "run.json").read_text())
    manifest["checkpoint"]["generator"] = name
    (run / "run.json").write_text(json.dumps(manifest))
    code, _, err = orojar("traverse", run)
    assert code == 2 and err.endswith("--generator package.module:factory\n") and "\x1b" not in err


def test_directions_of_other_weights_are_refused(orojar) -> None:
    run = document(orojar(*DISCOVER, "--generator", "mygan:Gan"))["run"]
    code, _, err = orojar("traverse", run, "--generator", "mygan:other")
    assert code == 1 and "another network" in err
    assert orojar("traverse", run, "--generator", "mygan:ready", "--frames", 4, "--seeds", 0)[0] == 0


def test_sefa_needs_something_to_factorise(orojar) -> None:
    code, out, err = orojar("sefa", "--generator", "mygan:Gan")
    assert code == 2 and out == "" and "nothing to factorise" in err
    assert not list(Path().glob("orojar-runs/*"))
    told = document(orojar("sefa", "--generator", "mygan:Styled", "--no-normalize", "--num", 5, "--seeds", 0, "--json"))
    import mygan

    values = torch.tensor([row["singular_value"] for row in told["dimensions"]])
    assert torch.allclose(values, torch.linalg.svdvals(mygan.Gan().matrix), rtol=1e-5)
    code, out, err = orojar("traverse", told["run"], "--generator", "mygan:Styled", "--directions", "sefa", "--frames", 4, "--seeds", 0)
    assert code == 0 and "sefa in w" in out, err


def test_finetune_gives_the_rotation_as_directions(orojar) -> None:
    told = document(orojar("finetune", "--generator", "mygan:Gan", "--samples", 16, "--seeds", 0, "--json"))
    run = Path(told["run"])
    assert {file.name for file in run.iterdir()} == {"run.json", "directions.safetensors", "grid.png", "metrics.jsonl"}
    rows = load_directions(run / "directions.safetensors").directions.double()
    assert torch.allclose(rows @ rows.T, torch.eye(5, dtype=torch.float64), atol=1e-5)
    import mygan

    # Of a linear generator the rotation diagonalises A^T A: rows of Q, as generator(z @ Q) draws them, change the image orthogonally.
    matrix = mygan.Gan().matrix.detach().double()
    gram = rows @ matrix.T @ matrix @ rows.T
    assert float((gram - gram.diagonal().diag()).abs().max()) < 1e-4 * float(gram.diagonal().max())
    assert told["loss_after"] < 1e-6 < told["loss_before"]
    code, out, _ = orojar("finetune", "--generator", "mygan:Gan", "--samples", 16, "--seeds", 0)
    assert code == 0 and "generator(z @ directions)" in out and "--generator mygan:Gan --dim 0" in out
    assert orojar("traverse", run, "--generator", "mygan:Gan", "--frames", 4, "--seeds", 0)[0] == 0
    for refused in (("--mode", "mapping"), ("--also-g",), ("--safetensors",)):
        code, _, err = orojar("finetune", "--generator", "mygan:Gan", *refused)
        assert code == 2 and "weights are not written" in err


def test_conditional_code_needs_a_class(orojar) -> None:
    code, _, err = orojar("sample", "--generator", "mygan:Conditional", "--seeds", 0)
    assert code == 2 and "--class" in err
    assert document(orojar("sample", "--generator", "mygan:Conditional", "--seeds", "0-3", "--class", 2, "--json"))["seeds"] == [0, 1, 2, 3]
    with Image.open("samples.png") as picture:
        assert picture.size == (16, 2 * (8 + 16))  # with the seeds under them
    orojar("sample", "--generator", "mygan:Conditional", "--seeds", "0-3", "--class", 2, "--no-caption")
    with Image.open("samples.png") as picture:
        assert picture.size == (16, 16)


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("mygan", 2, "is not package.module:factory"),
        ("mygan:", 2, "is not package.module:factory"),
        ("./mygan.py:Gan", 2, "is not package.module:factory"),
        ("nosuchmodule:Gan", 1, "there is no module nosuchmodule in this folder"),
        ("parts.nosuch:Gan", 1, "there is no module parts.nosuch"),
        ("parts.deep:Gan", 1, "failed in importing parts.deep: ModuleNotFoundError: No module named 'nosuchthing' (deep.py, line 2)"),
        ("mygan:Nothing", 1, "mygan has no Nothing"),
        ("mygan:number", 1, "number is a int"),
        ("mygan:fails", 1, "mygan:fails failed in fails(): ValueError: no weights (mygan.py, line 38)"),
        ("mygan:fails_later", 1, "failed in forward: ZeroDivisionError: division by zero (mygan.py, line 42)"),
        ("broken:Gan", 1, "SyntaxError"),
        ("quits:Gan", 1, "SystemExit: 3 (quits.py, line 1)"),
    ],
)
def test_mistakes_are_one_line(orojar, name: str, code: int, message: str) -> None:
    Path("parts").mkdir()
    Path("parts/__init__.py").write_text("")
    Path("parts/deep.py").write_text("\nimport nosuchthing\n")
    Path("broken.py").write_text("def f(:\n")
    Path("quits.py").write_text("raise SystemExit(3)")
    got, out, err = orojar("sample", "--generator", name, "--out", "s.png")
    assert got == code and out == "" and message in err and "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith(("error:", "Error:"))]) == 1
    assert not Path("s.png").exists()


def test_debug_shows_the_users_own_traceback(orojar) -> None:
    code, _, err = orojar("sample", "--generator", "mygan:fails", "--debug")
    assert code == 1 and "Traceback" in err and 'raise ValueError("no\\nweights")' in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("discover", "ckpt.pkl", "--generator", "mygan:Gan"), "name one checkpoint"),
        (("discover",), "name one checkpoint"),
        (("discover", "--generator", "mygan:Gan", "--sha256", "0" * 64), "has none"),
        (("traverse", "--generator", "mygan:Gan", "--directions", "d.safetensors", "--sha256", "0" * 64), "there is none"),
        (("traverse", "--generator", "mygan:Gan"), "no run yet"),
        (("traverse", "--generator", "mygan:Gan", "--network", "ckpt.pkl"), "two networks"),
        (("traverse", "ckpt.pkl", "--generator", "mygan:Gan", "--directions", "d.safetensors"), "leave one out"),
        (("discover", "--generator", "mygan:Gan", "--space", "p"), "no space p"),
        (
            ("discover", "--generator", "mygan:Gan", "--space", "z", "--output", "b4", "--samples", "8"),
            "what is inside mygan:Gan is not known",
        ),
        (("sample", "--generator", "mygan:Gan", "--class", "1"), "not conditional"),
    ],
)
def test_usage_errors(orojar, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = orojar(*arguments)
    assert code == 2 and message in err


def test_code_without_gradients_cannot_be_optimised(orojar) -> None:
    Path("mygan.py").write_text(CODE + "\ndef quiet():\n    gan = Gan()\n    gan.forward = torch.no_grad()(gan.forward)\n    return gan\n")
    code, _, err = orojar("discover", "--generator", "mygan:quiet", "--method", "hessian", "--space", "z")
    assert code == 2 and "takes gradients" in err
    assert (
        orojar("discover", "--generator", "mygan:quiet", "--space", "z", "--samples", 8, "--subspace", 3, "--num", 3, "--seeds", 0)[0] == 0
    )


def test_a_package_in_this_folder_is_found(orojar) -> None:
    Path("parts").mkdir()
    Path("parts/deep.py").write_text("from mygan import Gan\nclass Makers:\n    @staticmethod\n    def make():\n        return Gan()\n")
    assert orojar("sample", "--generator", "parts.deep:Makers.make", "--seeds", 0)[0] == 0
