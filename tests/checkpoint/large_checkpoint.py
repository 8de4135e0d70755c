"""Run as a program: make a full-size checkpoint, or measure one way of reading it.

    python large_checkpoint.py make FILE       G, D and G_ema of a 1024x1024 StyleGAN2, random weights, about 380 MB
    python large_checkpoint.py orojar FILE     load_checkpoint
    python large_checkpoint.py pickle FILE     Python's own pickle module, with stand-ins for the classes the file names

The measurements print seconds, the process's peak resident size, and that peak above what the imports alone need.  The file
read with `pickle` must be one that `make` has written: that module runs whatever a file names.
"""

from __future__ import annotations

import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import torch


def make(path: Path) -> None:
    import pickle_assembler as pa

    from orojar_cli.generators.critic.config import CriticConfig
    from orojar_cli.generators.mapping_config import MappingConfig
    from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig

    pa.LOCATION = "cpu"  # Python's unpickler wants the device itself
    taps = pa.SYNTHESIS.resample_filter
    synthesis = SynthesisConfig(w_dim=512, img_resolution=1024, img_channels=3, resample_filter=taps)
    generator = StyleGAN2Config(MappingConfig(z_dim=512, c_dim=0, w_dim=512, num_ws=18), synthesis)
    critic = CriticConfig(c_dim=0, img_resolution=1024, img_channels=3, resample_filter=taps)
    sizes = {"c_dim": 0, "img_resolution": 1024, "img_channels": 3}
    networks = {}
    for seed, (name, kind, config, kwargs) in enumerate(
        (
            ("G", "Generator", generator, {"z_dim": 512, "w_dim": 512, **sizes}),
            ("D", "Discriminator", critic, sizes),
            ("G_ema", "Generator", generator, {"z_dim": 512, "w_dim": 512, **sizes}),
        )
    ):
        networks[name] = pa.network(kind, pa.random_tensors(config.shapes(), taps, seed), kwargs).call
    path.write_bytes(pa.assemble(networks | {"training_set_kwargs": {}, "augment_pipe": None}, framed=False))


def peak_mib() -> float:
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def with_orojar(path: str) -> Any:
    from orojar_cli import load_checkpoint

    return load_checkpoint(path)


def with_pickle(path: str) -> Any:
    import pickle

    persistence = types.ModuleType("torch_utils.persistence")
    persistence._reconstruct_persistent_obj = lambda meta: meta  # type: ignore[attr-defined]
    sys.modules["torch_utils"] = types.ModuleType("torch_utils")
    sys.modules["torch_utils.persistence"] = persistence
    with open(path, "rb") as file:
        return pickle.load(file)


def measure(how: str, path: str) -> None:
    # Everything that is imported by a use of either way is imported before the clock starts.
    import pickle  # noqa: F401

    import orojar_cli.checkpoint.checkpoint  # noqa: F401

    torch.zeros(1)
    base = peak_mib()
    began, cpu = time.perf_counter(), time.process_time()
    kept = (with_orojar if how == "orojar" else with_pickle)(path)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert kept
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak_mib(), "above_imports_mib": peak_mib() - base}))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        measure(sys.argv[1], sys.argv[2])
