"""Run as a program: load a .pkl as the tools do whose container it is, with stand-ins for their modules, and print what is restored.

    python nvlabs_stand_in.py PACKAGE FILE      PACKAGE: ada or three

The stand-ins are ours: empty classes under the names that a container mentions, and a loader that does what the container's description
says (run the embedded text, take the class from it, make an object, set its state).  Only for files that this test has just written.
"""

from __future__ import annotations

import json
import pickle
import sys
import types
from typing import Any

import torch

_SHARED = ("Generator", "MappingNetwork", "SynthesisNetwork", "SynthesisLayer", "FullyConnectedLayer")
_SG2 = (*_SHARED, "SynthesisBlock", "ToRGBLayer", "Conv2dLayer", "Discriminator", "DiscriminatorBlock")
_SG2 = (*_SG2, "DiscriminatorEpilogue", "MinibatchStdLayer")
_PACKAGES = {
    "ada": {"training.networks": _SG2},
    "three": {"training.networks_stylegan2": _SG2, "training.networks_stylegan3": (*_SHARED, "SynthesisInput")},
}


def module(name: str, **members: Any) -> None:
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)


def reconstruct(meta: dict[str, Any]) -> torch.nn.Module:
    assert meta["type"] == "class" and meta["version"] == 6
    text = types.ModuleType("embedded")
    exec(meta["module_src"], text.__dict__)
    made = getattr(text, meta["class_name"])
    network = made.__new__(made)
    network.__setstate__(meta["state"])
    return network


def main(package: str, path: str) -> None:
    module("training")
    module("torch_utils")
    reconstruct.__module__, reconstruct.__qualname__ = "torch_utils.persistence", "_reconstruct_persistent_obj"
    module("torch_utils.persistence", _reconstruct_persistent_obj=reconstruct)
    for name, classes in _PACKAGES[package].items():
        module(name, **{each: type(each, (torch.nn.Module,), {"__module__": name}) for each in classes})
    with open(path, "rb") as file:
        data = pickle.load(file)
    assert all(isinstance(data[name], torch.nn.Module) for name in ("G", "D", "G_ema"))
    torch.save({name: data[name].state_dict() for name in ("G", "D", "G_ema")}, f"{path}.states")
    report = {
        "classes": sorted({f"{type(part).__module__}.{type(part).__name__}" for part in data["G_ema"].modules()}),
        "same": [data["G"] is data["G_ema"], data["D"] is data["G_ema"]],
        "attributes": {
            name or "G_ema": sorted(key for key in vars(part) if not key.startswith("_")) for name, part in data["G_ema"].named_modules()
        },
        "entries": {key: str(type(data[key]).__name__) for key in ("training_set_kwargs", "augment_pipe")},
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
