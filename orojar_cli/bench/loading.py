"""Loading a checkpoint against reading its bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from orojar_cli.bench.measurement import Effort, ProcessCost, Row, medians, program_cost
from orojar_cli.bench.networks import randomised, stylegan2
from orojar_cli.checkpoint.emitter import write_pickle
from orojar_cli.generators.critic.config import CriticConfig

# Both import the same, so that only the loading differs.
_IMPORTS = "import hashlib, torch; from orojar_cli.checkpoint.checkpoint import load_checkpoint; "


def loading(effort: Effort) -> Iterator[Row]:
    """Whole processes, less what the imports alone cost: load_checkpoint, and reading the file into memory with its SHA-256.

    Python's own unpickler is compared in tests/checkpoint/test_large.py: nothing in this package may call it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.pkl"
        save_random(effort.pick(64, 1024), path)
        megabytes = path.stat().st_size / 1e6
        programs = {
            "imports": _IMPORTS,
            "reading": _IMPORTS + f"data = open({str(path)!r}, 'rb').read(); hashlib.sha256(data)",
            "loading": _IMPORTS + f"kept = load_checkpoint({str(path)!r})",
        }
        repeats = 1 if effort.quick else 3
        costs = {name: ProcessCost(*medians(program_cost(text) for _ in range(repeats))) for name, text in programs.items()}
    seconds = {name: cost.seconds - costs["imports"].seconds for name, cost in costs.items()}
    memory = {name: cost.peak_mib - costs["imports"].peak_mib for name, cost in costs.items()}
    what = f"G_ema of a {megabytes:.0f} MB checkpoint"
    # A small file's load is lost in the noise of the imports.
    if not effort.quick:
        yield Row("loading", what, seconds["loading"], "s", seconds["loading"] / seconds["reading"], "reading and hashing the bytes")
        yield Row("loading", what, memory["loading"], "MiB", memory["loading"] / memory["reading"], "the file in memory")
    else:
        yield Row("loading", what, costs["loading"].seconds, "s", costs["loading"].seconds / costs["imports"].seconds, "the imports alone")


def save_random(resolution: int, path: Path) -> None:
    """Write G_ema and D of the published proportions with random weights."""
    generator = stylegan2(resolution, 32768)
    critic = randomised(CriticConfig(c_dim=0, img_resolution=resolution, img_channels=3, channel_base=32768))
    networks: Any = SimpleNamespace(generator=generator, critic=critic)
    write_pickle(networks, path)
