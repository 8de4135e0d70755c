"""A network keeps every number and every image through .pkl and .safetensors, from whichever container it came."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
import torch
from pickle_assembler import CRITIC, GENERATOR, random_tensors

from orojar_cli import load_checkpoint
from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.checkpoint.emitter import SOURCES, write_pickle
from orojar_cli.checkpoint.info import describe
from orojar_cli.checkpoint.writer import save_checkpoint
from orojar_cli.containers.module_tree import NetworkTree, read_network
from orojar_cli.containers.pickle_writer import PickleWriter
from orojar_cli.errors import OptionError, UnsupportedCheckpointError
from orojar_cli.generators.families import empty_network
from orojar_cli.generators.stylegan3.config import AliasFreeConfig, StyleGAN3Config

REFERENCES = sorted(Path(__file__).parents[1].joinpath("references").glob("*.pkl"))
# Files of families that a .pkl has no form for are in tests/generators/test_papers_networks.py.
REFERENCES = [path for path in REFERENCES if path.name.startswith(("sg", "shapes"))]
PYTORCH = [path for path in REFERENCES if "tensorflow" not in path.name]


def assert_same(first, second) -> None:
    assert (first is None) == (second is None)
    if first is not None:
        assert first.config == second.config
        tensors, others = first.state_dict(), second.state_dict()
        assert tensors.keys() == others.keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, others[name]), name


@torch.no_grad()
def image_of(generator) -> torch.Tensor:
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(0))
    label = torch.eye(generator.c_dim)[:2] if generator.c_dim else None
    return generator(z, label, 0.8)


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_round_trips_are_exact(path: Path, tmp_path: Path) -> None:
    first = load_checkpoint(path)
    write_pickle(first, tmp_path / "new.pkl")
    save_checkpoint(first, tmp_path / "new.safetensors")
    between = load_checkpoint(tmp_path / "new.safetensors")
    assert save_checkpoint(between, tmp_path / "back.pkl") == []
    for name in ("new.pkl", "new.safetensors", "back.pkl"):
        again = load_checkpoint(tmp_path / name)
        assert_same(first.generator, again.generator)
        assert_same(first.critic, again.critic)
        assert torch.equal(image_of(first.generator), image_of(again.generator))


def tree(path: Path, name: str) -> NetworkTree:
    contents = read_contents(path)
    return read_network(contents.entries[name], name, contents.file)


@pytest.mark.parametrize("path", PYTORCH, ids=lambda path: path.stem)
def test_a_new_pickle_records_what_the_original_records(path: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(path)
    write_pickle(loaded, tmp_path / "new.pkl")
    ignored = {"use_fp16", "num_fp16_res", "fused_modconv_default", "embed", "magnitude_ema_beta", "size", "in_size", "out_size"}
    sizes = {"in_channels", "out_channels", "in_features", "out_features", "w_dim"}  # later versions of the modules record more of them
    for name in ("G_ema", "D") if loaded.critic is not None else ("G_ema",):
        original, new = tree(path, name), tree(tmp_path / "new.pkl", name)
        assert original.classes == new.classes and original.tensors.keys() == new.tensors.keys()
        for module, attributes in original.attributes.items():
            for attribute, value in attributes.items():
                found = new.attributes[module].get(attribute, value if attribute in sizes else "nothing")
                assert attribute in ignored or found == value, f"{module}.{attribute}"


def test_the_new_pickle_embeds_no_source_text(references: Path, tmp_path: Path) -> None:
    write_pickle(load_checkpoint(references / "sg2_tensorflow_32.pkl"), tmp_path / "new.pkl")
    contents = read_contents(tmp_path / "new.pkl")
    assert contents.entries["G_ema"].meta["module_src"] in SOURCES.values()
    assert all(text.startswith("# Written by orojar") and text.count("def ") == 0 for text in SOURCES.values())
    assert describe(contents).source_known and set(describe(contents).sources.values()) == {"written by orojar"}


def test_a_changed_generator_is_written_changed(references: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(references / "sg2_tensorflow_32.pkl")
    loaded.generator.mapping.fc0.weight.data.mul_(2)
    assert save_checkpoint(loaded, tmp_path / "new.pkl") == ["mapping.fc0.weight"]
    again = load_checkpoint(tmp_path / "new.pkl").generator
    assert torch.equal(again.mapping.fc0.weight, loaded.generator.mapping.fc0.weight)


_FILTER = (0.25, 0.5, 0.25)
_UNUSUAL = {
    "stylegan2": dataclasses.replace(
        GENERATOR,
        mapping=dataclasses.replace(GENERATOR.mapping, c_dim=3, embed_features=5, layer_features=7, activation="relu", lr_multiplier=0.5),
        synthesis=dataclasses.replace(
            GENERATOR.synthesis, architecture="orig", resample_filter=_FILTER, activation="swish", conv_clamp=3.5, use_noise=False
        ),
    ),
    "stylegan3": StyleGAN3Config(
        dataclasses.replace(GENERATOR.mapping, num_ws=6, num_layers=1, w_avg_beta=0.9),
        AliasFreeConfig(
            *(8, 16, 1, 64, 5, 4, 1, 2.5, 4.5, 1.3, 3, 0.5, 5),
            filter_size=4,
            lrelu_upsampling=4,
            use_radial_filters=True,
            conv_clamp=None,
        ),
    ),
}


@pytest.mark.parametrize("family", _UNUSUAL)
def test_unusual_options_survive(family: str, references: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(references / "sg2_skip_32.pkl")
    config = _UNUSUAL[family]
    loaded.generator = empty_network(config)
    loaded.generator.load_state_dict(random_tensors(config.shapes(), _FILTER, 7), assign=True)
    critic = dataclasses.replace(
        CRITIC,
        c_dim=3,
        resample_filter=_FILTER,
        activation="relu",
        mbstd_group_size=None,
        mbstd_num_channels=2,
        conv_clamp=2.5,
        mapping=dataclasses.replace(GENERATOR.mapping, z_dim=0, c_dim=3, num_ws=None, w_avg_beta=None, num_layers=3),
    )
    loaded.critic = empty_network(critic)
    loaded.critic.load_state_dict(random_tensors(critic.shapes(), _FILTER, 8), assign=True)
    write_pickle(loaded, tmp_path / "new.pkl")
    again = load_checkpoint(tmp_path / "new.pkl")
    assert_same(loaded.generator, again.generator)
    assert_same(loaded.critic, again.critic)


def test_a_network_without_such_a_form_is_refused_and_nothing_is_left(references: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(references / "sg2_skip_32.pkl")
    loaded.generator = torch.nn.Identity()
    loaded.generator.config = GENERATOR
    with pytest.raises(UnsupportedCheckpointError, match=r"no \.pkl form; write \.safetensors"):
        write_pickle(loaded, tmp_path / "new.pkl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["sg2_resnet_gray_16", "sg2_tensorflow_32", "sg3_t_32"])
def test_only_a_state_dictionary_becomes_one(name: str, references: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(references / f"{name}.pkl")
    save_checkpoint(loaded, tmp_path / "between.safetensors")
    for source in (loaded, load_checkpoint(tmp_path / "between.safetensors")):
        with pytest.raises(OptionError, match=r"only what was read from a state dictionary goes back into one"):
            save_checkpoint(source, tmp_path / "new.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["between.safetensors"]


def test_values_are_written_as_they_are() -> None:
    import pickle

    value = {"a": [1, -1, 300, 2**40, -(2**31), 2**31, True, None, 1.5, (), (1, "é"), [], {}], "b": b"x" * 300, "c": "a" * 300}
    stream = io.BytesIO()
    PickleWriter(stream).dump(value)
    assert pickle.loads(stream.getvalue()) == value
    with pytest.raises(TypeError):
        PickleWriter(io.BytesIO()).dump({1j: 0})
