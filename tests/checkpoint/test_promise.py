"""The promise: reading a checkpoint imports, calls and opens nothing that the file names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_files import CASES, Case, first_of_each_kind
from reader_process import run_reader

import orojar_cli

ROOT = Path(orojar_cli.__file__).parent
REFERENCES = sorted(Path(__file__).parents[1].joinpath("references").glob("*.pkl"))
SOURCES = sorted(ROOT.rglob("*.py"))
FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "marshal", "dill", "joblib", "shelve", "cloudpickle", "imp", "runpy", "code"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
LOADERS = {("torch", "load"), ("numpy", "load"), ("np", "load"), ("jit", "load"), ("hub", "load"), ("package", "PackageImporter")}


LIGHT = [case for case in CASES if case.memory == 64]


@pytest.mark.parametrize(
    ("cases", "least"),
    [(first_of_each_kind(LIGHT), 20), pytest.param(LIGHT, 300, marks=pytest.mark.slow)],
    ids=("three of each kind", "all"),
)
def test_nothing_but_the_file_itself_is_opened_and_nothing_is_imported_or_run(cases: list[Case], least: int, tmp_path: Path) -> None:
    paths = list(REFERENCES)
    for index, case in enumerate(cases):
        path = tmp_path / f"{index}.pkl"
        path.write_bytes(case.build(str(tmp_path / "canary")))
        paths.append(path)
    reports = run_reader(paths, "--audit")
    assert len(reports) == len(paths) > least
    for path, report in zip(paths, reports, strict=True):
        assert report["events"] == [f"open {path}"], report
    assert not (tmp_path / "canary").exists()


def test_the_audit_would_notice(tmp_path: Path) -> None:
    program = "import reader_process as r, sys; sys.addaudithook(r.record); r.recording = True\n"
    program += "import colorsys, subprocess; subprocess.run(['true']); eval('1'); open('/dev/null').close()\nprint(*r.events, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent, check=True, timeout=60
    )
    for event in ("import colorsys", "subprocess.Popen", "compile", "exec", "open /dev/null"):
        assert event in done.stdout


@pytest.mark.parametrize(
    "path", [path for path in REFERENCES if path.name.startswith("sg2_") and "tensorflow" not in path.name], ids=lambda p: p.stem
)
def test_reading_and_describing_needs_no_torch_and_less_than_a_second(path: Path) -> None:
    (report,) = run_reader([path])
    assert report["error"] is None, report
    assert report["heavy_modules"] == []
    assert report["seconds"] < 1


def imported_names(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def imports_by_name(tree: ast.AST) -> bool:
    """Whether a module named by a value could be imported (reading a distribution's version cannot)."""
    modules = ("importlib", "importlib.util", "importlib.machinery", "pkgutil")
    return any(
        (isinstance(node, ast.Import) and any(alias.name in modules for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module in modules and any(alias.name != "metadata" for alias in node.names))
        or (isinstance(node, ast.Attribute) and node.attr == "import_module")
        for node in ast.walk(tree)
    )


def forbidden_calls(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in FORBIDDEN_CALLS:
            found.append(node.id)
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
            if ((owner, node.attr) in LOADERS and ast.unparse(node) != "safetensors.torch.load") or node.attr == "weights_only":
                found.append(f"{owner}.{node.attr}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_can_unpickle_or_run_text(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not imported_names(tree) & FORBIDDEN_MODULES
    # A detector is a TorchScript file that the user names on the command line, never a part of a checkpoint.
    users_own = ["jit.load"] if path == ROOT / "detectors" / "torchscript.py" else []
    assert forbidden_calls(tree) == users_own
    # Two names come from elsewhere than files: the package's own, which are constants, and --generator on the user's command line.
    assert path in (ROOT / "lazily.py", ROOT / "cli" / "own_generator.py") or not imports_by_name(tree)
    if path.relative_to(ROOT).parts[0] in ("checkpoint", "containers", "generators") and path.parent != ROOT / "generators" / "own":
        assert not imported_names(tree) & {"importlib", "ctypes", "subprocess", "socket", "zipfile", "gzip", "zlib", "tarfile"}


def test_the_check_of_the_sources_would_notice() -> None:
    tree = ast.parse(
        "import pickle\nfrom dill import loads\nimport torch\ntorch.load('x')\neval('1')\ntorch.jit.load('x')\nsafetensors.torch.load(b'')"
    )
    assert {"pickle", "dill"} <= imported_names(tree)
    assert set(forbidden_calls(tree)) == {"torch.load", "jit.load", "eval"}
    assert imports_by_name(ast.parse("import importlib")) and not imports_by_name(ast.parse("from importlib.metadata import version"))
