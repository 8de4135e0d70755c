"""What CONTRIBUTING.md shows works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import alignment, linear

from orojar_cli.directions import METHODS, Settings
from orojar_cli.latents.points import Latents
from orojar_cli.response.activeness import activeness
from orojar_cli.response.jacobian import Response

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(), re.DOTALL)


def names(block: str) -> dict[str, Any]:
    """What a block defines."""
    module: dict[str, Any] = {"__name__": "contributed"}
    exec(compile(block, "CONTRIBUTING.md", "exec", dont_inherit=True), module)
    return module


@pytest.mark.parametrize("block", BLOCKS, ids=["method", "generator"])
def test_an_example_is_short(block: str) -> None:
    assert len([line for line in block.splitlines() if line]) < 40


def test_the_method_finds_the_direction_that_brightens() -> None:
    matrix = torch.randn(16, 5, generator=torch.Generator().manual_seed(0))
    found = names(BLOCKS[0])["brightness"](linear(matrix), Settings(space="z", samples=4))
    assert len(found) == 1 and found.method == "brightness"
    assert alignment(found.directions, torch.nn.functional.normalize(matrix.mean(0, keepdim=True))) > 1 - 1e-5


def test_the_generator_has_the_shapes_it_says_and_works_with_every_part() -> None:
    module = names(BLOCKS[1])
    config = module["SmoothConfig"](6, (8, 8, 8))
    generator = module["smooth"](config)
    assert {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()} == config.shapes()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng))
    assert generator(torch.zeros(2, 6)).shape == (2, 3, 16, 16)
    at = Latents(torch.randn(4, 6, generator=rng))
    assert bool((activeness(Response(generator, "z"), at, torch.eye(6)) > 0).all())
    for method, space in (("orojar", "z"), ("sefa", "w")):
        assert len(METHODS[method](generator, Settings(space=space, whiten=False, num=3, samples=8, subspace=3))) == 3
