from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from program import document

import orojar_cli
from orojar_cli.errors import DirectionSetError, OptionError, OwnCodeError, UnsafeCheckpointError
from orojar_cli.generators.own.network import OwnNetwork
from orojar_cli.pictures.scene import Still, Walk


@pytest.fixture
def tiny_path(references: Path) -> Path:
    return references / "sg2_from_sg3_repo_16.pkl"


@pytest.fixture
def found(tiny, rough: None):
    return orojar_cli.sefa(tiny, num=4, seeds=(0,))


def pixels(picture: Path) -> np.ndarray:
    with Image.open(picture) as image:
        return np.asarray(image.convert("RGB"))


def test_load_takes_a_path_or_demo_and_verifies(tiny_path: Path) -> None:
    loaded = orojar_cli.load(tiny_path, "cpu")
    assert orojar_cli.load(str(tiny_path), "cpu", sha256=loaded.sha256).sha256 == loaded.sha256
    assert orojar_cli.load("demo", "cpu").name == "shapes32.pkl"
    with pytest.raises(UnsafeCheckpointError, match="SHA-256"):
        orojar_cli.load(tiny_path, "cpu", sha256="0" * 64)
    with pytest.raises(OptionError, match="'tpu' is none of auto, cpu, cuda"):
        orojar_cli.load(tiny_path, "tpu")


def test_sample_is_the_command(tiny, tiny_path: Path, orojar) -> None:
    told = document(orojar("sample", tiny_path, "--seeds", "3,5", "--device", "cpu", "--out", "shell.png", "--json"))
    drawn = orojar_cli.sample(tiny, [3, 5])
    assert told == {"out": ["shell.png"]} | drawn.to_dict()
    assert drawn.images.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(np.asarray(drawn.show()), pixels(Path("shell.png")))
    assert drawn.save("each") == [Path("each/seed0003.png"), Path("each/seed0005.png")]
    np.testing.assert_array_equal(pixels(Path("each/seed0005.png")), drawn.images[1])
    assert drawn._repr_html_().startswith('<img src="data:image/')


def test_sample_refuses_what_is_no_network_and_what_it_cannot_draw(tiny) -> None:
    with pytest.raises(OwnCodeError, match="must be a function or class that makes a generator"):
        orojar_cli.sample(7, device="cpu")
    with pytest.raises(OptionError, match="at least one"):
        orojar_cli.sample(tiny, ())
    with pytest.raises(OptionError, match="noise mode 'loud'"):
        orojar_cli.sample(tiny, [0], noise_mode="loud")
    with pytest.raises(OptionError, match="not conditional"):
        orojar_cli.sample(tiny, [0], class_index=1)


def test_traverse_is_the_command(tiny_path: Path, orojar, somewhere: Path) -> None:
    told = document(
        orojar("traverse", tiny_path, "--dim", "0-1", "--dim", "2:+1.5", "--seeds", "0", "--device", "cpu", "--out", "shell.png", "--json")
    )
    walked = orojar_cli.traverse(str(tiny_path), dims=["0-1", "2:+1.5"], seeds=range(1), device="cpu")
    assert told == walked.to_dict(written=walked.save("notebook.png")) | {"out": "shell.png", "pages": ["shell.png"]}
    assert Path("shell.png").read_bytes() == Path("notebook.png").read_bytes()
    np.testing.assert_array_equal(np.asarray(walked.show().convert("RGB")), pixels(Path("shell.png")))


def test_the_suffix_says_film_or_grid(tiny, found, somewhere: Path) -> None:
    walked = orojar_cli.traverse(tiny, found, 1, seeds=(0,), frames=4)
    assert isinstance(walked.scene("walk.gif"), Walk)
    assert isinstance(walked.scene("grid.png"), Still)
    assert walked.save("walk.gif") == [Path("walk.gif")]
    with Image.open("walk.gif") as film:
        assert film.n_frames == 4
    with pytest.raises(OptionError, match="its name must end in one of"):
        walked.save("walk.bmp")
    with pytest.raises(OptionError, match="make a grid"):
        orojar_cli.traverse(tiny, found, 0, by=1).save("walk.gif")


def test_directions_are_a_set_a_result_or_a_name(tiny, tiny_path: Path, found, somewhere: Path) -> None:
    found.save("kept.safetensors")
    shown = orojar_cli.traverse(tiny, found, 1, seeds=(0,)).show().tobytes()
    for directions in (found.directions, "kept.safetensors", Path("kept.safetensors")):
        assert orojar_cli.traverse(tiny, directions, 1, seeds=(0,)).show().tobytes() == shown
    by_names = orojar_cli.traverse(tiny_path, "kept.safetensors", 1, seeds=(0,), device="cpu")
    assert by_names.show().tobytes() == shown
    assert by_names.source.path == Path("kept.safetensors")
    with pytest.raises(OptionError, match="int holds no directions"):
        orojar_cli.traverse(tiny, 5)
    with pytest.raises(OptionError, match="has no directions"):
        orojar_cli.traverse(tiny, tiny_path)
    with pytest.raises(DirectionSetError, match="another network"):
        orojar_cli.traverse("demo", found, device="cpu")


@pytest.mark.parametrize(
    ("dims", "words", "told"),
    [
        (99, {}, "no dimension 99"),
        ("smile", {}, "no dimension has the label 'smile'"),
        (1.5, {}, "dims 1.5 is neither"),
        (True, {}, "dims True is neither"),
        (0, {"seds": (1,)}, "a scene has no 'seds'"),
    ],
)
def test_traverse_refuses(tiny, found, dims: object, words: dict, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        orojar_cli.traverse(tiny, found, dims, **words)


def test_edit_keeps_strengths_as_they_are_given(tiny, found) -> None:
    named = found.directions.labelled(2, "smile")
    edited = orojar_cli.edit(tiny, named, {0: 1 / 3, "smile": -1}, seeds=range(2))
    assert edited.to_dict()["edits"] == [[0, 1 / 3], [2, -1.0]]
    plain = orojar_cli.edit(tiny, named, {0: 1e-9}, seeds=range(2))
    assert edited.show().size == plain.show().size
    assert edited.show().tobytes() != plain.show().tobytes()
    for strengths, told in (({}, "no dimension to move along"), ({0: "far"}, "'far' is not a number"), ({9: 1}, "no dimension 9")):
        with pytest.raises(OptionError, match=told):
            orojar_cli.edit(tiny, named, strengths)


def test_an_edited_walk_is_edit_alone_where_nothing_is_walked(tiny, found, somewhere: Path) -> None:
    by_words = orojar_cli.traverse(tiny, found, "0:+2", seeds=(0,))
    by_numbers = orojar_cli.edit(tiny, found, {0: 2}, seeds=(0,))
    assert by_words.to_dict() == by_numbers.to_dict()
    assert by_words.show().tobytes() == by_numbers.show().tobytes()


def test_a_label_is_written_into_the_set(tiny, found, somewhere: Path) -> None:
    found.save("kept.safetensors")
    path, index, named = orojar_cli.label("kept.safetensors", 1, "size")
    assert (path, index, named.labels[1]) == (Path("kept.safetensors"), 1, "size")
    assert orojar_cli.load_directions("kept.safetensors").labels[1] == "size"
    assert orojar_cli.traverse(tiny, "kept.safetensors", "size").values["dimensions"] == (1,)
    with pytest.raises(OptionError, match="belong to the program"):
        orojar_cli.label("demo", 0, "mine")


def test_an_object_of_ones_own_is_a_network_and_stays_as_it_is() -> None:
    import torch

    class Gan(torch.nn.Module):
        z_dim = 4

        def __init__(self) -> None:
            super().__init__()
            self.matrix = torch.nn.Parameter(torch.eye(64, 4))

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return (z @ self.matrix.T).reshape(-1, 1, 8, 8)

    mine = Gan().train()
    found = orojar_cli.discover(mine, "random", num=2, samples=8, seeds=(0,), space="z", device="cpu")
    assert isinstance(found.checkpoint, OwnNetwork)
    assert found.directions.checkpoint == found.checkpoint.sha256
    assert orojar_cli.traverse(found.checkpoint, found, seeds=(0,)).to_dict()["checkpoint"] == "Gan"
    assert mine.training
    assert mine.matrix.requires_grad


def test_results_show_themselves_in_a_notebook(tiny) -> None:
    found = orojar_cli.sefa(tiny, num=2, seeds=[0])
    drawn = orojar_cli.sample(tiny, [0, 1])
    for result in (found, drawn, orojar_cli.traverse(tiny, found, dims=0, seeds=[0], steps=3)):
        assert result._repr_html_().startswith('<img src="data:image/')
    assert "<table>" in found._repr_html_()
    assert repr(found) == "<Discovery, 2 directions of sg2_from_sg3_repo_16.pkl by sefa in w>"
    assert repr(drawn) == "<Samples, 2 images of 16x16 pixels>"
    shown = repr(orojar_cli.traverse(tiny, found, dims=("0-1", "1:+2")))
    assert shown == "<Traversal of sg2_from_sg3_repo_16.pkl: dim 0, dim 1, dim 1 +2 (sefa in w)>"
    assert tiny.sha256[:12] in repr(tiny) and "StyleGAN2" in tiny._repr_html_() and "<StyleGAN2" not in tiny._repr_html_()


def test_what_a_file_leaves_open_is_told_and_can_be_chosen(tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    weights = {"0.weight": torch.randn(4, 8, 4, 4, generator=rng), "2.weight": torch.randn(8, 3, 4, 4, generator=rng)}
    torch.save(weights, tmp_path / "dcgan.pt")
    told: list[str] = []
    opened = orojar_cli.load(tmp_path / "dcgan.pt", "cpu", notice=told.append)
    assert "activation=relu" in opened.assumptions and len(told) == 1 and "assumed: " in told[0]
    chosen = orojar_cli.load(tmp_path / "dcgan.pt", "cpu", assume={"activation": "lrelu"})
    assert not any(assumption.startswith("activation") for assumption in chosen.assumptions)
    z = torch.randn(1, 4, generator=rng)
    assert not torch.equal(chosen.generator(z), opened.generator(z))


def test_films_of_large_networks_show_fewer_images_unless_asked(shapes, shapes_path: Path, orojar, monkeypatch: pytest.MonkeyPatch) -> None:
    each = sum(cost.multiplications for cost in shapes.generator.config.costs())
    for images, seeds in ((1000, None), (80, (0, 1, 2)), (1, (0,))):
        monkeypatch.setattr("orojar_cli.pictures.axes._FILM_MULTIPLICATIONS", images * each)
        told: list[str] = []
        shown = orojar_cli.traverse(shapes, shapes_directions(shapes), dims=0, notice=told.append)
        assert shown.values.get("seeds") == seeds and bool(told) == (seeds is not None)
    assert "showing 1 of the seeds 0 to 3" in told[0]
    assert orojar_cli.traverse(shapes, shapes_directions(shapes), dims=0, seeds=(0, 1)).values["seeds"] == (0, 1)
    code, _, err = orojar("traverse", shapes_path, "--out", "walk.gif", "--frames", 3)
    assert code == 0 and "showing 1 of the seeds 0 to 3" in err
    code, _, err = orojar("traverse", shapes_path, "--out", "two.gif", "--frames", 3, "--seeds", "0-1")
    assert code == 0 and "of the seeds" not in err
    with Image.open("walk.gif") as one, Image.open("two.gif") as two:
        assert two.width > one.width


def shapes_directions(shapes):
    return orojar_cli.discover(shapes, "random", num=2, samples=8, seeds=(0,)).directions
