from __future__ import annotations

import pytest

from orojar_cli.directions.labels import checked_label
from orojar_cli.errors import OptionError


@pytest.mark.parametrize(
    "text", ["3", " 12 ", "0-3", "0-3,6", "-1", "dim 2", "Dim 2", "dim2", "dimension 2", "axis 3", "#4", "all", "ALL", "dim: 7"]
)
def test_what_means_a_number_is_no_label(text: str) -> None:
    with pytest.raises(OptionError, match="use words that say what changes"):
        checked_label(text)


@pytest.mark.parametrize("text", ["x position", "dim light", "two 2", "2 eyes", "dimmer", "z axis 3", "ширина", "Łódź", "笑顔", "😀", ""])
def test_words_are_labels(text: str) -> None:
    assert checked_label(f" {text} ") == text
