"""The registry of methods: names without torch, and each method's own options, spaces and demands."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from toys import linear

from orojar_cli.directions import METHOD_OPTIONS, METHODS, Settings
from orojar_cli.errors import OptionError


def test_the_names_are_there_without_torch() -> None:
    code = "import sys; from orojar_cli.directions.registry import METHODS; assert 'sefa' in METHODS and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_method_is_registered_under_its_own_name() -> None:
    assert [method.name for method in METHODS.values()] == list(METHODS)
    assert "eigenfaces" not in METHODS and len(METHODS) == len(list(METHODS))


def test_the_options_by_method() -> None:
    assert METHOD_OPTIONS["orojar"] == ("criterion",) and METHOD_OPTIONS["hessian"] == METHOD_OPTIONS["orojar-sgd"]
    assert "random" not in METHOD_OPTIONS and set(METHOD_OPTIONS) == {"orojar", "orojar-sgd", "hessian", "sefa", "ganspace"}


def test_every_default_is_a_value() -> None:
    for method in METHODS.values():
        method.check_options({name: option.default for name, option in method.options.items()})


@pytest.mark.parametrize(
    ("method", "name", "value", "reason"),
    [
        ("orojar-sgd", "steps", "abc", "a whole number from 1 up"),
        ("orojar-sgd", "steps", 0, "a whole number from 1 up"),
        ("orojar-sgd", "steps", 2.5, "a whole number"),
        ("orojar-sgd", "steps", True, "a whole number"),
        ("hessian", "k", 1, "from 2 up"),
        ("hessian", "lr", 0, "a number above 0"),
        ("hessian", "lr", float("nan"), "a number above 0"),
        ("hessian", "lr", float("inf"), "a number above 0"),
        ("hessian", "epsilon", -0.1, "a number above 0"),
        ("hessian", "reduction", "sum", "one of mean, max"),
        ("hessian", "init", None, "one of normal, identity"),
        ("hessian", "search_start", -1, "from 0 up"),
        ("hessian", "search_size", 0, "from 1 up"),
        ("orojar", "criterion", "loss", "one of orojar, loglik"),
        ("sefa", "normalize", 1, "true or false"),
        ("ganspace", "num_samples", 1, "from 2 up"),
        ("ganspace", "activation", 16, "a word"),
        ("random", "steps", 2, "it has none"),
    ],
)
def test_a_value_an_option_cannot_have_is_refused(method: str, name: str, value: Any, reason: str) -> None:
    settings = Settings(space="w", num=2, options={name: value})
    with pytest.raises(OptionError, match=reason):
        METHODS[method](linear(torch.eye(3)), settings)


def test_what_a_method_demands_is_refused_before_it_begins() -> None:
    generator: Any = SimpleNamespace(differentiable=False)
    for name in ("hessian", "orojar-sgd"):
        with pytest.raises(OptionError, match="takes gradients"):
            METHODS[name].check(generator, Settings())
    METHODS["orojar"].check(generator, Settings())
    with pytest.raises(OptionError, match="live in w or p, not in z"):
        METHODS["ganspace"].check(generator, Settings(space="z"))
