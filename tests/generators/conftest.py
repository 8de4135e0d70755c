"""Where the reference checkpoints and their expected outputs are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from paths import REFERENCES


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
