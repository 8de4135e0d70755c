"""What is installed: its requirements, its data, its page on an index, and how strictly its face is typed."""

from __future__ import annotations

import re
import subprocess
import sys
from configparser import ConfigParser
from fnmatch import fnmatch

import pytest
from paths import ROOT

import orojar_cli

SETUP = ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")


def entries(section: str, option: str) -> list[str]:
    return SETUP[section][option].split("\n")[1:]


def test_the_lower_bounds_are_what_ci_installs() -> None:
    (program,) = re.findall(r"^    python3 -c '(.*?)'$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    printed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    bounds = [requirement.split(">=") for requirement in entries("options", "install_requires")]
    assert all(len(bound) == 2 for bound in bounds), "every requirement has a lower bound and nothing else"
    assert printed == [f"{name}=={version}" for name, version in bounds] + entries("options.extras_require", "test")
    assert "torch==2.5.1" in printed, "with 2.4 forward differentiation and recomputation fail"


def test_every_file_of_a_package_that_is_no_module_is_package_data() -> None:
    package = ROOT / "orojar_cli"
    for path in package.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            homes = {
                ".".join(folder.relative_to(ROOT).parts): path.relative_to(folder).as_posix()
                for folder in path.parents
                if folder.is_relative_to(package) and (folder / "__init__.py").is_file()
            }
            patterns = [
                (name, pattern)
                for name, line in SETUP["options.package_data"].items()
                if name in homes
                for pattern in re.split(r",\s*", line)
            ]
            assert any(fnmatch(homes[name], pattern) for name, pattern in patterns), path


def test_the_page_of_an_index_needs_no_file_beside_it() -> None:
    page = (ROOT / SETUP["metadata"]["long_description"].removeprefix("file: ")).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", page)
    assert page.startswith("# orojar\n") and all("://" in target for pair in targets for target in pair if target)


@pytest.mark.parametrize("module", sorted({*orojar_cli._PUBLIC.values()}))
def test_the_public_face_is_typed_strictly(module: str) -> None:
    (block,) = re.findall(r"^module = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert any(fnmatch(f"orojar_cli.{module}", pattern) for pattern in re.findall(r'"([^"]+)"', block))


def test_the_hooks_before_a_commit_fetch_nothing() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"repo: (\S+)", hooks) == ["local"]
    assert re.findall(r"language: (\S+)", hooks) == ["system"] * len(re.findall(r"- id: ", hooks))
