"""orojar: find, install and show disentangled latent directions in a trained GAN."""

from __future__ import annotations

from typing import Any

from orojar_cli.lazily import own

__version__ = "0.1.0"

_PUBLIC = {
    "load": "operations.network",
    "draw_in_float16": "operations.network",
    "sample": "operations.sample",
    "save_samples": "operations.sample",
    "discover": "operations.discover",
    "sefa": "operations.discover",
    "traverse": "operations.traverse",
    "edit": "operations.traverse",
    "save_edits": "operations.editing",
    "interpolate": "operations.interpolate",
    "mix": "operations.mixing",
    "label": "operations.label",
    "propose_labels": "operations.label",
    "resolve": "operations.resolve",
    "load_checkpoint": "checkpoint.checkpoint",
    "save_checkpoint": "checkpoint.writer",
    "save_onnx": "checkpoint.onnx_file",
    "Checkpoint": "checkpoint.checkpoint",
    "load_directions": "directions",
    "save_directions": "directions",
    "DirectionSet": "directions",
    "orojar_penalty": "response.penalties",
    "hessian_penalty": "response.penalties",
    "import_directions": "operations.importing",
    "export_directions": "operations.exporting",
    "read_directions": "directions",
    "compare": "operations.compare",
    "project": "operations.project",
    "find": "operations.find",
    "finetune": "operations.finetune",
    "metrics": "operations.metrics",
    "recomputed": "response.recomputation",
}
__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    """Public names are imported at their first use, so that `import orojar_cli` does not wait for torch."""
    if name in _PUBLIC:
        return own(_PUBLIC[name], name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
