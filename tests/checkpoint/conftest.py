"""Where the reference checkpoints are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def references() -> Path:
    """Small checkpoints in the real containers, each with the outputs the original code gives (`.npz`)."""
    return Path(__file__).parents[1] / "references"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small networks are slower on many threads, and far slower where test processes share the cores."""
    torch.set_num_threads(1)
