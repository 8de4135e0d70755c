"""Settings that survive, lists of what is liked, other sources: the server's side."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from explorer_client import ExplorerClient, explorer_in
from paths import ROOT
from PIL import Image
from test_explore_app import levels

from orojar_cli import load_directions
from orojar_cli.cli import main
from orojar_cli.directions.region import region_text
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.explore.choices import Choices
from orojar_cli.explore.settings import checked_state, read_saved
from orojar_cli.media import read_metadata
from orojar_cli.operations.explore import Library
from orojar_cli.pictures.recipe import direction_identity

STATE = {
    "view": "own",
    "seeds": [5, 7],
    "class": None,
    "psi": 0.8,
    "layers": [0, 1],
    "noise": "none",
    "mix": {"seed": 11, "layers": [2, 3]},
    "unit": "latent",
    "edits": {"own": [[1, 2.0]], "sefa": []},
    "keep": {"own": [4]},
    "walked": {"own": 3},
}


def test_a_state_is_checked_number_by_number() -> None:
    assert checked_state(STATE) == STATE
    assert checked_state({**STATE, "more": 1, "unit": None})["unit"] == "sigma"


WRONG = [
    {"seeds": ["<b>"]},
    {"seeds": list(range(10))},
    {"psi": "1"},
    {"view": ["own"]},
    {"noise": "loud"},
    {"mix": {"seed": -1, "layers": [0]}},
    {"mix": {"seed": 1}},
    {"mix": [1]},
    {"unit": "mile"},
    {"edits": {"own": [[0, 1e9]]}},
    {"edits": [[0, 1]]},
    {"edits": {str(number): [] for number in range(100)}},
    {"keep": {"own": ["a"]}},
    {"walked": {"own": -1}},
    {"walked": {"x" * 100: 1}},
]


@pytest.mark.parametrize("changes", WRONG, ids=lambda changes: json.dumps(changes)[:30])
def test_states_from_elsewhere_are_refused(page: ExplorerClient, changes: dict) -> None:
    with pytest.raises(OptionError):
        checked_state({**STATE, **changes})
    settings = {"format": "orojar-explore-1", **page.get("/api/session").json()["identity"], "state": {**STATE, **changes}}
    assert "cannot be used" in page.post("recall", settings=settings).refusal(400)


def test_a_picture_keeps_the_state_and_what_it_takes_to_make_it_again(page: ExplorerClient, tmp_path: Path) -> None:
    state = checked_state({**STATE, "mix": None})
    saved = page.post("still", seeds=[5, 7], psi=0.8, layers=[0, 1], noise="none", edits=[[1, 2.0]], state=state, size=96)
    path = tmp_path / "saved.png"
    path.write_bytes(saved.content)
    assert np.asarray(Image.open(path)).shape == (96, 2 * 96 + 2, 3)
    assert read_metadata(path)["format"] == "orojar-picture-1" and read_saved(path).state == state
    assert page.post("recall", settings=read_metadata(path)).json() == {"state": state, "told": []}


def test_a_mixed_picture_keeps_the_state_alone(page: ExplorerClient, tmp_path: Path) -> None:
    view = {"seeds": [5], "mix": {"seed": 11, "layers": [2, 3]}}
    (tmp_path / "mixed.png").write_bytes(page.post("still", view, state=STATE).content)
    assert read_metadata(tmp_path / "mixed.png")["format"] == "orojar-explore-1"
    assert read_saved(tmp_path / "mixed.png").state == STATE
    assert "mixed" in page.post("command", view, dimension=0, extent=1.0, frames=8).json()["told"]


def test_mixing_takes_layers_of_the_other_seed(page: ExplorerClient) -> None:
    every = list(range(8))
    assert (page.pixels(seeds=[3], mix={"seed": 8, "layers": every}) == page.pixels(seeds=[8])).all()
    some = page.pixels(seeds=[3], mix={"seed": 8, "layers": [0, 1]}).astype(int)
    assert np.abs(some - page.pixels(seeds=[3])).max() > 20 and np.abs(some - page.pixels(seeds=[8])).max() > 20
    assert (page.pixels(seeds=[8], mix={"seed": 3, "layers": every[2:]}) == some).all()
    moved = page.pixels(seeds=[3], edits=[[0, 2.0]], mix={"seed": 8, "layers": every})
    assert (moved == page.pixels(seeds=[8], edits=[[0, 2.0]])).all(), "directions come on top"
    assert "no layer 9" in page.post("picture", mix={"seed": 1, "layers": [9]}).refusal(400)


def test_noise_is_left_out(page: ExplorerClient) -> None:
    assert (page.pixels() == page.pixels(noise="const")).all() and (page.pixels(noise="none") != page.pixels()).any()


def test_between_two_views(page: ExplorerClient, shapes) -> None:
    view, to = {"seeds": [3], "edits": [[0, 1.0]]}, {"method": "own", "seeds": [8, 9], "psi": 0.5, "class": None, "edits": []}
    ends = [page.pixels("between", **view, to=to, share=share) for share in (0.0, 1.0)]
    assert (ends[0][:32] == page.pixels(**view)).all() and (ends[0][32:] == ends[0][:32]).all()
    assert (ends[1] == page.pixels(seeds=[8, 9], psi=0.5)).all()
    half = page.pixels("between", **view, to=to, share=0.5)
    assert all((half != end).any() for end in ends)
    film = page.post("film", view, to=to, dimension=0, extent=1.0, frames=4, size=32)
    assert Image.open(io.BytesIO(film.content)).n_frames == 4


def test_films_in_all_formats(page: ExplorerClient) -> None:
    kinds = {"gif": "GIF", "webp": "WEBP", "apng": "PNG"}
    for kind, name in kinds.items():
        saved = page.post(
            "film", dimension=1, extent=1.0, frames=4, size=64, fps=10, kind=kind, center=True, mix={"seed": 2, "layers": [0]}
        )
        film = Image.open(io.BytesIO(saved.content))
        assert (film.format, film.n_frames) == (name, 4) and saved.headers["content-type"].startswith("image/")
    for kind, name in {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}.items():
        assert Image.open(io.BytesIO(page.post("still", kind=kind).content)).format == name
    films = page.get("/api/session").json()["can"]["films"]
    assert films[:3] == ["gif", "webp", "apng"]
    if "mp4" in films:
        assert page.post("film", dimension=1, extent=1.0, frames=4, kind="mp4").content[4:8] == b"ftyp"
    large = page.post("still", seeds=list(range(9)), size=4096, mix={"seed": 2, "layers": [0]})
    assert "too many together" in large.refusal(400)
    for wrong in ({"kind": "exe"}, {"kind": "mp3"}, {"size": 8}, {"size": 5000}, {"fps": 0}, {"fps": 51}, {"to": 3}):
        page.post("film", {"dimension": 0, "extent": 1.0, "frames": 4, **wrong}).refusal(400)


def test_a_picture_of_traverse_is_shown_on_the_page(page: ExplorerClient, tmp_path: Path, monkeypatch, shapes_path: Path, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(
            ["traverse", "demo", "--dim", "2", "--dim", "4:-12", "--unit", "latent", "--seeds", "0-10", "--trunc", "0.6", "--out", "a.png"]
        )
    answer = page.post("recall", settings=read_metadata("a.png")).json()
    sigma = float(load_directions(shapes_path.parent / "shapes32-directions.safetensors").sigma[4])
    assert answer["state"]["edits"]["own"] == [[4, pytest.approx(-12 / sigma, abs=1e-3)]]
    assert answer["state"]["walked"] == {"own": 2} and answer["state"]["psi"] == 0.6 and answer["state"]["unit"] == "latent"
    assert answer["state"]["seeds"] == list(range(9)) and answer["told"] == ["the first 9 of 11 seeds"]
    other = read_metadata("a.png")
    other["scene"] |= {"keep": [3], "keep_picture": region_text(np.eye(32), (3, 32, 32)), "cutoff": 2, "seeds": [0]}
    answer = page.post("recall", settings=other).json()
    assert answer["state"]["keep"] == {"own": [3]} and len(answer["told"]) == 2, answer["told"]
    other = read_metadata("a.png")
    other["checkpoint"]["sha256"] = "0" * 64
    assert "another network" in page.post("recall", settings=other).refusal(400)
    other = read_metadata("a.png")
    other["directions"]["sha256"] = "0" * 64
    assert "other directions" in page.post("recall", settings=other).refusal(400)


def test_explore_from_a_file_begins_with_its_state(tmp_path: Path, shapes_path: Path, serve) -> None:
    with serve(explorer_in(tmp_path, shapes_path)) as page:
        assert page.get("/api/session").json()["start"] is None
        identity = page.get("/api/session").json()["identity"]
    (tmp_path / "kept.json").write_text(json.dumps({"format": "orojar-explore-1", **identity, "state": STATE}))
    with serve(explorer_in(tmp_path, shapes_path, saved=read_saved(tmp_path / "kept.json"))) as page:
        assert page.get("/api/session").json()["start"] == STATE
    for text in ("", "[]", "{}", '{"format": "orojar-explore-1"}', "x" * (1 << 17)):
        (tmp_path / "odd.json").write_text(text)
        with pytest.raises(InputFileError, match=r"odd\.json"):
            read_saved(tmp_path / "odd.json")


def test_liked_images_are_written_beside_the_directions(own_page: ExplorerClient, tmp_path: Path, shapes) -> None:
    lists = own_page.post("choose", seeds=[3, 4], list="liked").json()
    assert [entry["seeds"] for entry in lists["liked"]] == [[3], [4]] and lists["file"] == "choices.json"
    own_page.post("choose", seeds=[5], edits=[[2, 1.5]], layers=[0], list="others")
    kept = json.loads((tmp_path / "choices.json").read_text())
    assert kept["format"] == "orojar-choices-1" and kept["checkpoint"] == shapes.sha256
    z = np.random.RandomState(3).randn(1, 64)
    w = shapes.generator.mapping(shapes.generator.mapping.w_avg.new_tensor(z))[0, :1]
    assert np.allclose(kept["liked"][0]["w"], w, rtol=1e-4, atol=1e-5) and kept["liked"][0]["directions"] is None
    directions = load_directions(tmp_path / "directions.safetensors")
    edited = kept["others"][0]
    assert len(edited["w"]) == 2 and edited["directions"] == direction_identity(directions)
    ws = np.array(edited["w"])[edited["entries"]]
    assert ws.shape == (8, 64) and np.allclose(ws[0] - ws[1], directions.displacement(2, 1.5), atol=1e-4)
    own_page.post("directions", method="sefa")
    own_page.post("choose", seeds=[3], method="sefa", layers=[1], keep=[2], list="others")
    own_page.post("choose", seeds=[4], list=None)
    lists = own_page.get("/api/session").json()["choices"]
    assert lists["liked"] == [] and [entry["seeds"] for entry in lists["others"]] == [[5], [3]]
    assert own_page.post("chosen").json() == json.loads((tmp_path / "choices.json").read_text())
    for wrong in ("best", 3, ["liked"]):
        own_page.post("choose", list=wrong).refusal(400)


ODD = ["", "[]", "{}", '{"format": "orojar-choices-1", "checkpoint": "x", "liked": [{"seed": "<b>"}], "others": []}']


@pytest.mark.parametrize("text", [*ODD, '{"format": "orojar-choices-1", "checkpoint": "x", "liked": [], "others": []}'])
def test_a_file_that_is_no_list_is_left_alone(own_page: ExplorerClient, tmp_path: Path, text: str) -> None:
    path = tmp_path / "choices.json"
    path.write_text(text)
    assert "choices.json" in own_page.get("/api/session").json()["choices"]["error"]
    assert "choices.json" in own_page.post("choose", list="liked").refusal(500)
    assert path.read_text() == text and own_page.post("picture").status == 200


def test_lists_without_a_file_stay_in_memory(tmp_path: Path) -> None:
    choices = Choices("0" * 64)
    assert choices.listed() == {"liked": [], "others": [], "file": None} and not list(tmp_path.iterdir())


def test_only_what_is_on_this_machine_is_opened(tmp_path: Path, shapes_path: Path, serve) -> None:
    with serve(explorer_in(tmp_path, shapes_path, library=True)) as page:
        for name in ("https://example.org/net.pkl", " http://127.0.0.1:1/x.pkl", "ftp://x", "\n", "nothing.pkl", "a\0b", "../nothing"):
            answer = page.post("open", {"name": name})
            assert answer.status in (400, 500) and "Traceback" not in answer.text and "\n" not in answer.text, (name, answer.text)
        page.post("open", {"name": "x" * 2000}).refusal(400)
        page.post("open", {"name": 3}).refusal(400)
        assert page.request("POST", "/api/open", b'{"name": "demo"}', X_Orojar_Token="wrong").status == 401
        assert page.request("POST", "/api/open", b'{"name": "demo"}', Origin="https://evil.example").status == 403
        told = page.post("open", {"name": "demo"}).json()
        assert told["source"] == "demo" and told["choices"]["file"] is None
        assert (page.pixels(source="demo") == page.pixels()).all()
        assert "no longer open" in page.post("picture", source="nothing").refusal(400)
        assert [entry["name"] for entry in page.get("/api/sources").json()] == ["demo"]
    with serve(explorer_in(tmp_path, shapes_path)) as page:
        assert "one network alone" in page.post("open", {"name": "demo"}).refusal(400)
        assert page.get("/api/sources").json() == []


def test_settings_of_an_offered_run_say_what_to_open(tmp_path: Path, shapes_path: Path, serve, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["discover", str(shapes_path), "--method", "random", "--num", "2", "--samples", "8"])
    (run,) = Path("orojar-runs").iterdir()
    library = Library("cpu", outdir=Path("orojar-runs"))
    assert [entry["name"] for entry in library.offered()] == [str(run), "demo"]
    found = load_directions(run / "directions.safetensors")
    assert library.belonging(found.checkpoint, direction_identity(found)) == str(run)
    assert library.belonging(found.checkpoint, "0" * 64) is None
    with serve(explorer_in(tmp_path, shapes_path, library=True)) as page:
        identity = page.post("open", {"name": str(run)}).json()["identity"]
        settings = {"format": "orojar-explore-1", **identity, "state": STATE}
        assert page.post("recall", settings=settings).json() == {"open": str(tmp_path / run)}
        assert page.post("recall", source=str(run), settings=settings).json()["state"] == STATE
        page.post("choose", source=str(run), list="liked")
    assert json.loads((run / "choices.json").read_text())["liked"][0]["seed"] == 0
    manifest = json.loads((run / "run.json").read_text())
    manifest["checkpoint"]["path"] = "https://example.org/net.pkl"
    (run / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(InputFileError, match="check the path"):
        library.opened(str(run))


def test_a_locked_dimension_is_kept(page: ExplorerClient, shapes) -> None:
    """The step is that of the library's path; the slider goes back and forth on it."""
    from orojar_cli.directions.kept import kept_path
    from orojar_cli.latents.points import seed_latents

    directions = load_directions(ROOT / "checkpoints" / "shapes32-directions.safetensors")
    free, locked = page.pixels(edits=[[2, 1.5]]), page.pixels(edits=[[2, 1.5]], keep=[3, 0])
    assert np.abs(free.astype(int) - locked).max() > 5
    at = seed_latents(shapes.generator, [0])
    path, end = kept_path(shapes.generator, at, directions, [(2, 1.5)], [3, 0])
    ws = shapes.generator.mapping(at.z) + path(end)[:, None]
    assert np.abs(locked - levels(shapes.generator.synthesis(ws))[0]).max() <= 1
    strip = page.pixels("thumbnails", edits=[[2, 1.0]], keep=[3], dimension=2).reshape(5, 32, 32, 3)
    for strength, thumbnail in zip((-2.0, -1.0, 0.0, 1.0, 2.0), strip, strict=True):
        assert np.abs(thumbnail.astype(int) - page.pixels(edits=[[2, strength]], keep=[3])).max() <= 1
    assert (page.pixels(edits=[[3, 1.0]], keep=[3]) == page.pixels(edits=[[3, 1.0]])).all(), "what is locked is still moved by hand"
    both = page.pixels(edits=[[2, 1.0], [3, 1.0]], keep=[0])
    assert (both != page.pixels(edits=[[2, 1.0], [3, 1.0]])).any()
    film = Image.open(io.BytesIO(page.post("film", keep=[3], dimension=2, extent=1.0, frames=4, size=32, center=True).content))
    assert film.n_frames == 4
    page.post("picture", edits=[[2, 1.0]], keep=[99]).refusal(400)
    page.post("picture", keep=list(range(65))).refusal(400)
