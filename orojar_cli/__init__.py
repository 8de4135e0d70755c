"""orojar: find, install and show disentangled latent directions in a trained GAN."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "load": "orojar_cli.operations.network",
    "sample": "orojar_cli.operations.sample",
    "discover": "orojar_cli.operations.discover",
    "sefa": "orojar_cli.operations.discover",
    "traverse": "orojar_cli.operations.traverse",
    "edit": "orojar_cli.operations.traverse",
    "label": "orojar_cli.operations.label",
    "resolve": "orojar_cli.operations.resolve",
    "load_checkpoint": "orojar_cli.checkpoint.checkpoint",
    "save_checkpoint": "orojar_cli.checkpoint.writer",
    "Checkpoint": "orojar_cli.checkpoint.checkpoint",
    "load_directions": "orojar_cli.directions",
    "save_directions": "orojar_cli.directions",
    "DirectionSet": "orojar_cli.directions",
    "orojar_penalty": "orojar_cli.response.penalties",
    "hessian_penalty": "orojar_cli.response.penalties",
    "finetune": "orojar_cli.operations.finetune",
    "metrics": "orojar_cli.operations.metrics",
    "recomputed": "orojar_cli.response.recomputation",
}
__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    """Public names are imported at their first use, so that `import orojar_cli` does not wait for torch."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
