"""StyleGAN3 files: what they record is read, compared with the schedule, and contradictions are refused."""

from __future__ import annotations

import pytest
from reader_process import run_reader

from orojar_cli import load_checkpoint
from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.checkpoint.info import describe
from orojar_cli.containers.module_tree import NetworkTree, read_network
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.stylegan3.pickle_reader import read

LAYER = "synthesis.L2_52_16"


@pytest.fixture
def tree(references) -> NetworkTree:
    contents = read_contents(references / "sg3_t_32.pkl")
    return read_network(contents.entries["G_ema"], "G_ema", contents.file)


def test_facts_of_both_configurations(references) -> None:
    for name, architecture, classes in (("sg3_t_32", "T", 0), ("sg3_r_32", "R", 3)):
        info = describe(read_contents(references / f"{name}.pkl"))
        assert (info.family, info.architecture, info.c_dim, info.num_ws) == ("StyleGAN3", architecture, classes, 8)
        assert [layer.ws for layer in info.layers] == list(range(8))
        assert load_checkpoint(references / f"{name}.pkl").critic is None


def test_reading_needs_no_torch(references) -> None:
    for report in run_reader([references / "sg3_t_32.pkl", references / "sg2_tensorflow_32.pkl"]):
        assert report["error"] is None and report["heavy_modules"] == []


@pytest.mark.parametrize(
    ("path", "attribute", "value"),
    [
        (LAYER, "up_factor", 2),
        (LAYER, "padding", [-6, -9, -6, -8]),
        (LAYER, "out_cutoff", 5.7),
        (LAYER, "is_torgb", 0),
        (LAYER, "tmp_sampling_rate", "64"),
        (LAYER, "conv_clamp", None),
        ("synthesis.input", "bandwidth", 2.1),
    ],
)
def test_a_layer_that_records_something_else_than_the_schedule_is_refused(tree, path, attribute, value) -> None:
    tree.attributes[path][attribute] = value
    with pytest.raises(UnsupportedCheckpointError, match=f"{path}.* records {attribute} = "):
        read(tree, "file: G_ema")


def test_recorded_attributes_count_before_constructor_arguments(tree) -> None:
    tree.init_kwargs["num_layers"] = 9
    tree.init_kwargs["output_scale"] = 1.0
    config = read(tree, "file: G_ema")[0].synthesis
    assert (config.num_layers, config.output_scale) == (6, 0.25)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"learned_filters": True}, UnsupportedCheckpointError, "option learned_filters"),
        ({"mapping_kwargs": {"depth": 3}}, UnsupportedCheckpointError, "option depth"),
        ({"use_radial_filters": True}, DamagedCheckpointError, "down_filter has shape"),
        ({"channel_base": 512}, DamagedCheckpointError, "is missing"),
        ({"img_resolution": 48}, UnsupportedCheckpointError, "img_resolution = 48"),
        ({"filter_size": 10**9}, UnsupportedCheckpointError, "filter_size"),
        ({"first_stopband": float("nan")}, UnsupportedCheckpointError, "first_stopband"),
    ],
)
def test_other_options_are_refused_by_name(tree, change, error, words) -> None:
    tree.init_kwargs |= change
    with pytest.raises(error, match=words):
        read(tree, "file: G_ema")


def test_other_modules_are_refused_by_name(tree) -> None:
    tree.classes[LAYER] = "AttentionLayer"
    with pytest.raises(UnsupportedCheckpointError, match="AttentionLayer"):
        read(tree, "file: G_ema")
