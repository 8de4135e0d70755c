"""Where the reference checkpoints and their expected outputs are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

REFERENCES = Path(__file__).parents[1] / "references"


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """These networks are tiny: threads would wait for each other most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def expected():
    """The expected outputs of a reference, as tensors."""

    def load(name: str) -> dict[str, torch.Tensor]:
        return {key: torch.from_numpy(value) for key, value in np.load(REFERENCES / f"{name}.npz").items()}

    return load


@pytest.fixture(scope="session")
def reference():
    """A reference checkpoint."""
    from orojar_cli import load_checkpoint

    return lambda name: load_checkpoint(REFERENCES / f"{name}.pkl")
