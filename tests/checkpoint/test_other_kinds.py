"""Networks of which an image is not a function of z or w alone are refused by name, with what to do instead."""

from __future__ import annotations

import pytest
from paths import REFERENCES

from orojar_cli.checkpoint.contents import _refuse_class, read_contents
from orojar_cli.containers.module_tree import read_network
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.families import matches


@pytest.mark.parametrize(
    ("root", "child", "words"),
    [
        ("TriPlaneGenerator", "", r"is a 3-D network \(EG3D\), .* with a fixed camera: --generator"),
        ("Generator", "VolumeRenderer", "is a 3-D network, .* with a fixed camera"),
        ("Generator", "TextEncoder", r"is a text-conditioned network \(StyleGAN-T and the like\), .* with a fixed text"),
        ("Generator", "", "of an unknown family"),
        ("Something", "", "the architecture 'Something'"),
    ],
)
def test_they_are_named(root: str, child: str, words: str) -> None:
    contents = read_contents(REFERENCES / "sg2_skip_32.pkl")
    tree = read_network(contents.entries["G_ema"], "G_ema", contents.file)
    tree.class_name = root
    tree.classes = {"": root, "inside": child}
    assert matches(tree) == []
    with pytest.raises(UnsupportedCheckpointError, match=words):
        _refuse_class(tree, "generator", "it")
