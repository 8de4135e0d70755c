"""TensorFlow-era files: the reference, the other architectures, and records that lie."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from pickle_assembler import CRITIC, GENERATOR, assemble, random_tensors
from tensorflow_assembler import network

from orojar_cli import load_checkpoint
from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.errors import CheckpointError, DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.families import empty_network


def theirs(name: str, tensor: torch.Tensor) -> tuple[str, Any] | None:
    """One of our tensors as TensorFlow's networks name and store it."""
    parts, values = name.split("."), tensor.numpy()
    leaf = parts[-1]
    if leaf == "resample_filter":
        return None
    if parts[0] == "mapping":
        if leaf == "w_avg":
            return "dlatent_avg", values
        return f"mapping/Dense{parts[1][2:]}/{leaf}", values.T
    block = parts[1] if parts[0] == "synthesis" else parts[0]
    size = int(block[1:])
    if leaf == "const":
        return "synthesis/4x4/Const/const", values[None]
    layer = parts[-2] if parts[-2] != "affine" else parts[-3]
    if parts[0] == "synthesis":
        label = {"conv0": "Conv0_up", "conv1": "Conv1" if size > 4 else "Conv", "torgb": "ToRGB", "skip": "Skip"}[layer]
        path = f"synthesis/{size}x{size}/{label}"
        if leaf == "noise_const":
            return f"synthesis/noise{max(0, 2 * size.bit_length() - 2 - (5 if layer == 'conv0' else 4))}", values[None, None]
        if parts[-2] == "affine":
            return (f"{path}/mod_weight", values.T) if leaf == "weight" else (f"{path}/mod_bias", values - 1)
        flipped = values[:, :, ::-1, ::-1] if layer in ("conv0", "skip") and leaf == "weight" else values
        return f"{path}/{leaf}", flipped.transpose(2, 3, 1, 0) if leaf == "weight" else flipped
    names = {"fromrgb": "FromRGB", "conv0": "Conv0", "conv1": "Conv1_down", "skip": "Skip", "conv": "Conv", "fc": "Dense0"}
    path = "Output" if layer == "out" else f"{size}x{size}/{names[layer]}"
    return f"{path}/{leaf}", values.transpose(2, 3, 1, 0) if values.ndim == 4 else values.T


OPTIONS = {"resolution": 8, "num_channels": 3, "label_size": 0, "fmap_base": 16, "fmap_max": 6}


class Triple:
    """The networks of a small file, their parts open to changes."""

    def __init__(self, architecture: str = "skip", critic_architecture: str = "resnet") -> None:
        synthesis = dataclasses.replace(GENERATOR.synthesis, architecture=architecture)
        self.config = dataclasses.replace(GENERATOR, synthesis=synthesis)
        self.critic_config = dataclasses.replace(CRITIC, architecture=critic_architecture)
        self.tensors = random_tensors(self.config.shapes(), synthesis.resample_filter, 5)
        self.critic_tensors = random_tensors(self.critic_config.shapes(), synthesis.resample_filter, 6)
        self.variables = dict(filter(None, (theirs(name, tensor) for name, tensor in self.tensors.items())))
        self.critic_variables = dict(filter(None, (theirs(name, tensor) for name, tensor in self.critic_tensors.items())))
        self.options: dict[str, Any] = OPTIONS | {"latent_size": 8, "dlatent_size": 8, "mapping_layers": 2, "architecture": architecture}
        self.critic_options: dict[str, Any] = OPTIONS | {"architecture": critic_architecture}

    def build(self) -> bytes:
        def below(prefix: str) -> dict[str, Any]:
            return {name[len(prefix) :]: value for name, value in self.variables.items() if name.startswith(prefix)}

        top = {name: value for name, value in self.variables.items() if "/" not in name}
        parts = {
            "mapping": network("G_mapping", self.options, below("mapping/")),
            "synthesis": network("G_synthesis_stylegan2", self.options, below("synthesis/")),
        }
        gs = network("G_main", self.options, {"lod": 0.0} | top, **parts)
        critic = network("D_stylegan2", self.critic_options, {"lod": 0.0} | self.critic_variables)
        return assemble((network("G_main", {}, {}), critic, gs))


@torch.no_grad()
def test_outputs_are_those_of_the_original(references) -> None:
    loaded = load_checkpoint(references / "sg2_tensorflow_32.pkl")
    wanted = {key: torch.from_numpy(value) for key, value in np.load(references / "sg2_tensorflow_32.npz").items()}
    ws, truncated = loaded.generator.mapping(wanted["z"]), loaded.generator.mapping(wanted["z"], None, 0.6)
    found = {
        "w": ws,
        "w_trunc": truncated,
        "img_const": loaded.generator.synthesis(ws),
        "img_none": loaded.generator.synthesis(ws, "none"),
        "img_trunc": loaded.generator.synthesis(truncated),
        "logits": loaded.critic(wanted["img_const"]),
    }
    for key, value in found.items():
        assert float((value - wanted[key]).abs().max()) <= 1e-5 * float(wanted[key].abs().max()), key


@pytest.mark.parametrize(("architecture", "critic_architecture"), [("skip", "resnet"), ("resnet", "skip"), ("orig", "orig")])
def test_every_architecture_comes_back_as_it_was(architecture, critic_architecture, tmp_path) -> None:
    triple = Triple(architecture, critic_architecture)
    if architecture == "orig":  # grown networks name these by level of detail and do not record an architecture
        for variables, prefix, name in ((triple.variables, "synthesis/", "ToRGB"), (triple.critic_variables, "", "FromRGB")):
            for key in [key for key in variables if f"8x8/{name}/" in key]:
                variables[f"{prefix}{name}_lod0/{key.rpartition('/')[2]}"] = variables.pop(key)
            variables[f"{prefix}{name}_lod1/bias"] = np.zeros(3)
        del triple.options["architecture"], triple.critic_options["architecture"]
    path = tmp_path / "network.pkl"
    path.write_bytes(triple.build())
    loaded = load_checkpoint(path)
    assert loaded.generator.config == triple.config and loaded.critic.config == triple.critic_config
    for network_, tensors in ((loaded.generator, triple.tensors), (loaded.critic, triple.critic_tensors)):
        for name, tensor in network_.state_dict().items():
            torch.testing.assert_close(tensor, tensors[name], rtol=0, atol=0 if "affine.bias" not in name else 1e-6)
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    wanted = empty_network(triple.config)
    wanted.load_state_dict(triple.tensors, assign=True)
    with torch.no_grad():
        torch.testing.assert_close(loaded.generator(z), wanted(z))


def test_a_network_without_noise_ignores_the_stored_noise(tmp_path) -> None:
    triple = Triple()
    triple.variables = {name: value for name, value in triple.variables.items() if "noise_strength" not in name}
    triple.options["use_noise"] = False
    path = tmp_path / "network.pkl"
    path.write_bytes(triple.build())
    assert not any("noise" in name for name in load_checkpoint(path).generator.state_dict())


def test_a_scalar_may_be_stored_as_a_number(tmp_path) -> None:
    triple = Triple()
    triple.variables["synthesis/4x4/Conv/noise_strength"] = 0.25
    path = tmp_path / "network.pkl"
    path.write_bytes(triple.build())
    assert float(load_checkpoint(path).generator.synthesis.b4.conv1.noise_strength) == 0.25


def _edit(**changes: Any) -> Any:
    def edit(triple: Triple) -> None:
        triple.options |= changes

    return edit


def _drop(name: str) -> Any:
    def edit(triple: Triple) -> None:
        del triple.variables[name]

    return edit


def _put(name: str, value: Any) -> Any:
    def edit(triple: Triple) -> None:
        triple.variables[name] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "error", "words"),
    [
        (_edit(attention=True), UnsupportedCheckpointError, "option attention"),
        (_edit(label_size=10), DamagedCheckpointError, "mapping/LabelEmbed/weight is missing"),
        (_edit(label_size=-1), UnsupportedCheckpointError, "c_dim = -1"),
        (_edit(normalize_latents="no"), UnsupportedCheckpointError, "normalize_z"),
        (_edit(min_h=3), DamagedCheckpointError, "begins with 4x4 pixels"),
        (_edit(res_log2=2**40), UnsupportedCheckpointError, "res_log2"),
        (_edit(fmap_const=[3]), UnsupportedCheckpointError, "fmap_const"),
        (_put("synthesis/4x4/Const/const", np.zeros((1, 6, 4))), DamagedCheckpointError, "no usable learned constant"),
        (_put("synthesis/4x4/Const/const", np.zeros((1, 6, 4, 5))), DamagedCheckpointError, "begins with 4x5 pixels"),
        (_edit(fmap_decay=2.0), UnsupportedCheckpointError, "fmap_decay"),
        (_edit(resolution=2**40), UnsupportedCheckpointError, "img_resolution"),
        (_edit(resolution=[8]), UnsupportedCheckpointError, "img_resolution"),
        (_edit(fmap_base="16"), UnsupportedCheckpointError, "channel_base"),
        (_edit(resample_kernel=[0, 0]), UnsupportedCheckpointError, "resample_filter"),
        (_edit(resample_kernel="1331"), UnsupportedCheckpointError, "resample_kernel"),
        (_edit(nonlinearity="sine"), UnsupportedCheckpointError, "activation"),
        (_edit(mapping_layers=3), DamagedCheckpointError, "mapping/Dense2/weight is missing"),
        (_edit(latent_size=9), DamagedCheckpointError, "mapping/Dense0/weight has shape"),
        (_drop("synthesis/noise1"), DamagedCheckpointError, "synthesis/noise1 is missing"),
        (_drop("dlatent_avg"), DamagedCheckpointError, "dlatent_avg is missing"),
        (_put("synthesis/4x4/Conv/bias", np.zeros(7)), DamagedCheckpointError, r"Conv/bias has shape \(7,\)"),
        (_put("synthesis/4x4/Conv/bias", 1.0), DamagedCheckpointError, "not a tensor"),
        (_put("synthesis/4x4/Conv/bias", "weights"), DamagedCheckpointError, "not an array"),
        (_put("synthesis/4x4/Conv/noise_strength", float("inf")), DamagedCheckpointError, "finite"),
        (_put("synthesis/4x4/Conv/noise_strength", np.float32("nan")), DamagedCheckpointError, "not finite"),
        (_put("synthesis/16x16/Conv1/bias", np.zeros(3)), UnsupportedCheckpointError, "16x16/Conv1/bias"),
        (_put("synthesis/gain", 2.0), UnsupportedCheckpointError, "synthesis/gain"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(edit, error, words, tmp_path) -> None:
    triple = Triple()
    edit(triple)
    path = tmp_path / "network.pkl"
    path.write_bytes(triple.build())
    with pytest.raises(error, match=words) as caught:
        load_checkpoint(path)
    assert str(caught.value).isascii() and str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("version", 3, UnsupportedCheckpointError),
        ("version", True, UnsupportedCheckpointError),
        ("build_func_name", "G_style", UnsupportedCheckpointError),
        ("build_func_name", 5, DamagedCheckpointError),
        ("static_kwargs", [], DamagedCheckpointError),
        ("variables", {}, DamagedCheckpointError),
        ("variables", [("lod",)], DamagedCheckpointError),
        ("variables", [("lod", 0.0), ("lod", 1.0)], DamagedCheckpointError),
        ("components", {"a/b": 1}, DamagedCheckpointError),
        ("components", {"mapping": 1}, DamagedCheckpointError),
    ],
)
def test_malformed_records_are_refused(key, value, error, tmp_path) -> None:
    triple = Triple()
    gs = network("G_main", triple.options, {})
    gs.state[key] = value
    path = tmp_path / "network.pkl"
    path.write_bytes(assemble((network("G_main", {}, {}), network("D_stylegan2", {}, {}), gs)))
    with pytest.raises(error):
        read_contents(path).generator  # noqa: B018


def test_a_component_of_itself_and_endless_nesting_are_refused(tmp_path) -> None:
    cyclic = network("G_main", {}, {})
    cyclic.state["components"]["mapping"] = cyclic.target
    deep: Any = network("G_main", {}, {})
    for _ in range(30):
        deep = network("G_main", {}, {}, mapping=deep)
    for top in (cyclic, deep):
        path = tmp_path / "network.pkl"
        path.write_bytes(assemble((network("G_main", {}, {}), network("D_stylegan2", {}, {}), top)))
        with pytest.raises(CheckpointError):
            read_contents(path).generator  # noqa: B018
