"""The time taken is that of the command, or of the operation's call, whenever the run's folder is made."""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path

import pytest
from paths import REFERENCES

import orojar_cli
from orojar_cli import operations
from orojar_cli.cli import main
from orojar_cli.runs.clock import began, timed, work
from orojar_cli.runs.run import RunWriter


def test_time_counts_from_the_call_and_inside_other_work_from_that() -> None:
    seen: list[float] = []

    @timed
    def operation() -> None:
        time.sleep(0.02)
        seen.append(began())

    before = time.time()
    operation()
    assert before <= seen[0] <= time.time() - 0.02
    with work(1000.0):
        operation()
    assert seen[1] == 1000.0
    assert began() >= before


def test_a_run_takes_as_long_as_its_work(tmp_path: Path) -> None:
    with work(time.time() - 50):
        run = RunWriter(tmp_path, "sefa", "a.pkl").finish(options={}, checkpoint={"path": "a", "sha256": ""}, device="cpu", artefacts={})
    assert 50 <= run.manifest["seconds"] < 60


def test_every_operation_that_writes_a_run_is_timed() -> None:
    """Whoever makes a RunWriter is a timed function, or is called by one of its module."""
    found = []
    for path in Path(operations.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.Name) and node.id == "RunWriter" and isinstance(node.ctx, ast.Load) for node in ast.walk(tree)):
            functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
            makers = {path.stem for node in functions for name in node.decorator_list if isinstance(name, ast.Name) and name.id == "timed"}
            assert makers, f"{path.name} writes runs and nothing in it is timed"
            found.append(path.stem)
    assert {"compare", "discover", "finetune", "importing", "metrics", "project"} <= set(found)


def test_a_command_counts_from_the_start_of_its_process(somewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert orojar_cli.finetune.__name__ == "finetune"
    with pytest.raises(SystemExit) as ended:
        main(["sefa", str(REFERENCES / "sg2_from_sg3_repo_16.pkl"), "--num", "1", "--seeds", "0", "--json"], began=time.time() - 500)
    assert ended.value.code == 0
    run = Path(json.loads(capsys.readouterr().out)["run"])
    assert 500 <= json.loads((run / "run.json").read_text())["seconds"] < 600
