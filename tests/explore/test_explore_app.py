"""The explorer's calls: who may make them, what they take, what they draw."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import re
import shlex
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from explorer_client import VIEW, ExplorerClient, explorer_in
from paths import REFERENCES, ROOT
from PIL import Image

from orojar_cli import load_checkpoint, load_directions
from orojar_cli.cli import main
from orojar_cli.directions import DirectionSet, save_directions
from orojar_cli.directions.proposal import Proposal
from orojar_cli.explore import server
from orojar_cli.explore.app import Explorer, Names
from orojar_cli.explore.guard import LARGEST_BODY, Guard
from orojar_cli.explore.studio import Studio
from orojar_cli.latents.spaces import all_layers, space_dim
from orojar_cli.tuning.rotation import z_directions


def test_the_page_needs_nothing_from_elsewhere(page: ExplorerClient) -> None:
    index = page.get("/")
    assert index.status == 200 and index.headers["content-type"].startswith("text/html")
    names = set(re.findall(r'(?:src|href)="([^"]+)"', index.text))
    assert names == {"icon.svg", "page.css", "page.js"}
    for module in [file.name for file in (ROOT / "orojar_cli" / "explore" / "page").glob("*.js")]:
        names |= set(re.findall(r'from "\./([^"]+)"', page.get(f"/{module}").text))
    assert names == {file.name for file in (ROOT / "orojar_cli" / "explore" / "page").iterdir()} - {"index.html"}
    for name in names:
        content = page.get(f"/{name}").text
        assert "http:" not in content.replace("http://www.w3.org/2000/svg", "") and "https:" not in content and "url(" not in content
    assert not re.search(r"\son\w+=|style=|<script(?! type=\"module\" src)", index.text), "inline code, which the policy forbids"


@pytest.mark.parametrize("path", ["/", "/page.js", "/api/session", "/api/nothing", "/nothing"])
def test_every_answer_carries_the_headers(page: ExplorerClient, path: str) -> None:
    headers = page.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"] and "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer" and headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin" and headers["cache-control"] == "no-store"
    assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize("token", [None, "", "wrong", "{}x", "{} ", "é"])
def test_calls_need_the_token(page: ExplorerClient, token: str | None) -> None:
    sent = token if token is None else token.format(page.token[:-1])
    for answer in (page.get("/api/session", X_Orojar_Token=sent), page.request("POST", "/api/picture", b"{}", X_Orojar_Token=sent)):
        assert "token" in answer.refusal(401)
    page.get(f"/api/session?token={page.token}", X_Orojar_Token=sent).refusal(401)
    assert page.get("/", X_Orojar_Token=sent).status == 200, "the page itself tells nothing"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil:{}", "[::1]:{}", ""])
def test_names_made_to_point_here_reach_nothing(page: ExplorerClient, host: str) -> None:
    for path in ("/", "/api/session"):
        page.get(path, Host=host.format(page.port)).refusal(421)
    assert page.get("/api/session", Host=f"localhost:{page.port}").status == 200


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "https://127.0.0.1:{}", "http://localhost:{}", "http://127.0.0.1:{}0"])
def test_pages_elsewhere_are_refused(page: ExplorerClient, origin: str) -> None:
    for path in ("/", "/api/session"):
        assert "elsewhere" in page.get(path, Origin=origin.format(page.port)).refusal(403)
    assert page.get("/api/session", Origin=page.base).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_what_the_browser_says_of_the_request_counts(page: ExplorerClient, site: str) -> None:
    page.get("/", Sec_Fetch_Site=site).refusal(403)
    for fine in ("same-origin", "none"):
        assert page.get("/", Sec_Fetch_Site=fine).status == 200


def test_only_the_methods_and_types_the_page_uses(page: ExplorerClient) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"):
        assert page.request(method, "/api/session").status == 405
    assert page.get("/api/picture").status == 405 and page.request("POST", "/", b"").status == 405
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None):
        page.request("POST", "/api/picture", b"{}", Content_Type=kind).refusal(415)


def test_websockets_are_closed() -> None:
    sent = []

    async def send(message) -> None:
        sent.append(message)

    with contextlib.suppress(StopIteration):
        Guard(None, 80, "token")({"type": "websocket"}, None, send).send(None)
    assert sent == [{"type": "websocket.close", "code": 1008}]


PATHS = ["/../setup.cfg", "/%2e%2e/setup.cfg", "/page.css/../app.py", "//etc/passwd", "/app.py", "/page/index.html"]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_opens_a_file(page: ExplorerClient, path: str) -> None:
    assert page.get(path).status == 404


NO_OBJECT = [b"", b"[]", b"{", b'"x"', b"[" * 60_000, b'{"seeds": NaN}', b"\xff\xfe", b'{"psi": ' + b"9" * 5000 + b"}"]


@pytest.mark.parametrize("body", NO_OBJECT, ids=lambda body: str(body[:12]))
def test_bodies_that_are_no_json_object_are_refused(page: ExplorerClient, body: bytes) -> None:
    assert "JSON" in page.request("POST", "/api/picture", body).refusal(400)


def test_long_bodies_are_refused(page: ExplorerClient) -> None:
    for body in (b" " * (LARGEST_BODY + 1), (b" " * 1000 for _ in range(LARGEST_BODY // 1000 + 2))):
        assert "KiB" in page.request("POST", "/api/picture", body).refusal(400)


WRONG = [
    {"seeds": []},
    {"seeds": [-1]},
    {"seeds": [2**32]},
    {"seeds": [0.5]},
    {"seeds": [True]},
    {"seeds": list(range(10))},
    {"seeds": "0"},
    {"psi": None},
    {"psi": "1"},
    {"psi": 1e999},
    {"psi": 10**400},
    {"psi": 5},
    {"class": 3},
    {"class": -1},
    {"layers": [99]},
    {"layers": []},
    {"layers": list(range(300))},
    {"layers": ["0"]},
    {"edits": None},
    {"edits": [[0]]},
    {"edits": [[0, 1, 2]]},
    {"edits": [[99, 1.0]]},
    {"edits": [[-1, 1.0]]},
    {"edits": [[0, 21.0]]},
    {"edits": [[0, None]]},
    {"edits": [[0, 1.0], [0, 2.0]]},
    {"edits": [[index, 1.0] for index in range(100)]},
    {"method": "nothing"},
    {"method": "sefa"},
    {"method": "__class__"},
    {"method": 3},
    {"client": None},
    {"client": "x" * 100},
    {"number": -1},
    {"number": 1.5},
]


@pytest.mark.parametrize("changes", WRONG, ids=lambda changes: json.dumps(changes)[:30])
def test_numbers_and_counts_are_bounded(page: ExplorerClient, changes: dict) -> None:
    text = page.post("picture", **{**changes}).refusal(400)
    assert "\n" not in text and "Traceback" not in text and len(text) < 300
    assert page.post("picture").status == 200, "the explorer goes on"


FILMS = [{"dimension": 99}, {"dimension": -1}, {"dimension": None}, {"frames": 1441}, {"frames": 1}, {"extent": 21}]


@pytest.mark.parametrize("changes", FILMS)
def test_films_are_bounded(page: ExplorerClient, changes: dict) -> None:
    page.post("film", {"dimension": 0, "frames": 4, "extent": 1.0}, **changes).refusal(400)


def test_the_session_describes_network_and_methods(page: ExplorerClient) -> None:
    told = page.get("/api/session").json()
    assert told["network"] == {
        "name": "shapes32.pkl",
        "family": "StyleGAN2",
        "height": 32,
        "width": 32,
        "layers": 8,
        "classes": 0,
        "noise": "const",
    }
    own, sefa = told["methods"]
    assert (own["title"], own["space"], own["kept"], own["ready"]) == ("OroJaR", "w", "file", True)
    assert len(own["directions"]) == 10 and own["directions"][0]["score"] > own["directions"][9]["score"] > 0
    assert (sefa["title"], sefa["ready"]) == ("SeFa", False)


def levels(images: torch.Tensor) -> np.ndarray:
    """[N, H, W, C] grey levels of images [N, C, H, W] in [-1, 1], as numbers that may be subtracted."""
    return (images.clamp(-1, 1) * 127.5 + 128).clamp(0, 255).trunc().permute(0, 2, 3, 1).detach().numpy()


def test_pictures_are_those_of_the_library(page: ExplorerClient, shapes) -> None:
    directions = load_directions(ROOT / "checkpoints" / "shapes32-directions.safetensors")
    shown = page.pixels(seeds=[3, 8], psi=0.7, edits=[[2, 1.5], [0, -1.0]])
    assert shown.shape == (64, 32, 3)
    z = torch.from_numpy(np.concatenate([np.random.RandomState(seed).randn(1, 64) for seed in (3, 8)])).float()
    ws = shapes.generator.mapping(z, None, 0.7) + directions.displacement(0, -1.0) + directions.displacement(2, 1.5)
    assert np.abs(shown - levels(shapes.generator.synthesis(ws)).reshape(64, 32, 3)).max() <= 1
    assert np.abs(shown[:32].astype(int) - page.pixels(seeds=[3], psi=0.7)).max() > 20, "the edits do something"


def test_layers_limit_an_edit(page: ExplorerClient, shapes) -> None:
    everywhere, nowhere = page.pixels(edits=[[0, 2.0]]), page.pixels()
    some = page.pixels(edits=[[0, 2.0]], layers=[7])
    ws = shapes.generator.mapping(torch.from_numpy(np.random.RandomState(0).randn(1, 64)).float())
    ws[:, 7] += load_directions(ROOT / "checkpoints" / "shapes32-directions.safetensors").displacement(0, 2.0)
    assert np.abs(some - levels(shapes.generator.synthesis(ws))[0]).max() <= 1
    assert (some != nowhere).any() and (some != everywhere).any()
    assert (page.pixels(edits=[[0, 2.0]], layers=list(range(8))) == everywhere).all()


def test_thumbnails_replace_the_dimension_and_keep_the_rest(page: ExplorerClient) -> None:
    strip = page.pixels("thumbnails", seeds=[4, 5], edits=[[1, 2.0], [3, 1.0]], dimension=1).reshape(5, 32, 32, 3)
    for strength, thumbnail in zip((-2.0, -1.0, 0.0, 1.0, 2.0), strip, strict=True):
        shown = page.pixels(seeds=[4], edits=[[1, strength], [3, 1.0]])
        assert np.abs(thumbnail.astype(int) - shown).max() <= 1


def test_requests_out_of_date_are_not_drawn(page: ExplorerClient) -> None:
    asking = {"client": "slow tab"}
    assert page.post("picture", asking, number=10).status == 200
    for number in (10, 9, 0):
        stale = page.post("picture", asking, number=number)
        assert stale.status == 204 and stale.content == b""
    assert page.post("picture", asking, number=11).status == 200
    assert page.post("picture", number=1, client="another tab").status == 200
    assert page.post("thumbnails", asking, number=1, dimension=0).status == 200, "each kind has a count of its own"


def test_labels_are_written_into_the_file(own_page: ExplorerClient, tmp_path: Path) -> None:
    directions_path = tmp_path / "directions.safetensors"
    before = load_directions(directions_path)
    told = own_page.post("label", dimension=2, label="  x position ").json()
    assert told["directions"][2]["label"] == "x position"
    after = load_directions(directions_path)
    assert after.labels[2] == "x position" and (after.directions == before.directions).all()
    assert not list(directions_path.parent.glob(".*")), "nothing is left beside it"
    main_label(directions_path, 5, "hue")
    labels = [row["label"] for row in own_page.get("/api/session").json()["methods"][0]["directions"]]
    assert (labels[2], labels[5]) == ("x position", "hue"), "names given elsewhere appear"
    own_page.post("label", dimension=2, label="")
    assert load_directions(directions_path).labels[2] == "" and load_directions(directions_path).labels[5] == "hue"


def test_measured_names_come_beside_labels(own_page: ExplorerClient, tmp_path: Path) -> None:
    path = tmp_path / "directions.safetensors"
    bright = Proposal("brightness", 0.92, (0.88, 0.95), 0.7, (("contrast", 0.71),))
    found = load_directions(path)
    save_directions(dataclasses.replace(found, proposals=(bright,) * 2 + (None,) * (len(found) - 2)), path)
    main_label(path, 1, "mine")
    rows = own_page.get("/api/session").json()["methods"][0]["directions"]
    assert rows[0]["proposed"] == {"text": "~brightness +0.92", "why": bright.sentence} and rows[0]["label"] == found.labels[0]
    assert rows[1]["label"] == "mine" and rows[1]["proposed"]["text"] == "~brightness +0.92" and rows[2]["proposed"] is None


def main_label(path: Path, dimension: int, text: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["label", str(path), "--dim", str(dimension), text])
    assert not caught.value.code


@pytest.mark.parametrize("label", ["x" * 81, "two\nlines", "bell\a", "\u202eback to front", "7", "all", None, 3, ["x"]])
def test_labels_that_cannot_be_are_refused(own_page: ExplorerClient, tmp_path: Path, label: object) -> None:
    directions_path = tmp_path / "directions.safetensors"
    before = directions_path.read_bytes()
    own_page.post("label", dimension=2, label=label).refusal(400)
    own_page.post("label", dimension=99, label="x").refusal(400)
    assert directions_path.read_bytes() == before


def test_a_file_that_became_another_is_not_written(own_page: ExplorerClient, tmp_path: Path) -> None:
    directions_path = tmp_path / "directions.safetensors"
    found = load_directions(directions_path)
    save_directions(dataclasses.replace(found, directions=found.directions.flip(0)), directions_path)
    before = directions_path.read_bytes()
    assert "made anew" in own_page.post("label", dimension=0, label="x").refusal(500)
    assert directions_path.read_bytes() == before
    directions_path.unlink()
    assert "cannot read" in own_page.post("label", dimension=0, label="x").refusal(500)
    assert own_page.post("picture").status == 200


def test_sefa_is_made_on_the_spot_and_named_in_memory(own_page: ExplorerClient, tmp_path: Path) -> None:
    directions_path = tmp_path / "directions.safetensors"
    before = directions_path.read_bytes()
    told = own_page.post("directions", method="sefa").json()
    assert told["ready"] and told["kept"] == "memory" and len(told["directions"]) == 16 and told["score"] == "singular value"
    assert own_page.post("label", method="sefa", dimension=1, label="tone").json()["directions"][1]["label"] == "tone"
    assert own_page.get("/api/session").json()["methods"][1]["directions"][1]["label"] == "tone"
    assert directions_path.read_bytes() == before
    same = own_page.pixels() == own_page.pixels(method="sefa")
    assert same.all() and (own_page.pixels(edits=[[0, 2.0]]) != own_page.pixels(method="sefa", edits=[[0, 2.0]])).any()


def run_line(line: str) -> None:
    words = shlex.split(line)
    assert words[:2] == ["orojar", "traverse"]
    with pytest.raises(SystemExit) as caught:
        main(words[1:])
    assert not caught.value.code


def frames_of(source) -> list[np.ndarray]:
    with Image.open(source) as film:
        frames = []
        for number in range(film.n_frames):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB")))
        return frames


VIEWS = [
    {},
    {"seeds": [7], "edits": [[0, -1.5]]},
    {"seeds": [0, 1, 2, 9, 11], "psi": 0.65, "edits": [[3, 1.9], [1, -0.7], [8, 0.1]], "layers": [0, 1, 2, 5]},
    {"method": "sefa", "seeds": [4, 6], "edits": [[2, 2.3]]},
    {"seeds": [4, 6], "edits": [[2, 0.5], [4, 0.5]], "keep": [1, 4], "noise": "none"},
]


@pytest.mark.parametrize("view", VIEWS)
def test_the_command_makes_the_same_picture(page: ExplorerClient, view: dict, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    page.post("directions", method="sefa")
    run_line(page.post("command", view, dimension=1, extent=3.0, frames=48).json()["picture"])
    made = np.asarray(Image.open("picture.png"))
    saved = page.post("still", view).content
    assert (np.asarray(Image.open(io.BytesIO(saved))) == made).all()
    count = len(view.get("seeds", [0]))
    shown, columns = page.pixels(**view).reshape(count, 32, 32, 3), int(np.ceil(np.sqrt(count)))
    for index, picture in enumerate(shown):
        top, left = (index // columns) * 34, (index % columns) * 34
        assert (made[top : top + 32, left : left + 32] == picture).all()


@pytest.mark.parametrize("view", VIEWS[2:])
def test_the_command_makes_the_same_film(page: ExplorerClient, view: dict, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    page.post("directions", method="sefa")
    walked = {"dimension": 3, "extent": 2.0, "frames": 9}
    run_line(page.post("command", view, **walked).json()["film"])
    saved = page.post("film", view, **walked)
    assert saved.headers["content-type"] == "image/gif"
    made, shown = frames_of("walk.gif"), frames_of(io.BytesIO(saved.content))
    assert len(made) == len(shown) == 9 and all((one == other).all() for one, other in zip(made, shown, strict=True))


def test_a_saved_picture_can_be_made_again(own_page: ExplorerClient, shapes_path: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    view = {"seeds": [2, 3], "edits": [[1, 1.2]], "psi": 0.8}
    Path("saved.png").write_bytes(own_page.post("still", view).content)
    assert b"/tmp" not in Path("saved.png").read_bytes(), "no folder of this machine is told"
    run_line(f"orojar traverse directions.safetensors --network {shapes_path} --from saved.png --out again.png")
    assert (np.asarray(Image.open("again.png")) == np.asarray(Image.open("saved.png"))).all()


def random_set(generator, space: str) -> DirectionSet:
    layers, rng = all_layers(generator), torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(4, space_dim(generator, space, layers), generator=rng))
    return DirectionSet(rows, torch.full((4,), 3.0), torch.ones(4), "random", space, layers, "0" * 64)


def explorer_for(generator, directions: DirectionSet) -> Explorer:
    return Explorer(Studio(generator, directions, name="net"), Names({"own": ["net"]}, "net"))


@pytest.mark.parametrize("space", ["z", "w", "p", "w+", "s"])
def test_directions_of_every_space(serve, shapes, space: str) -> None:
    with serve(explorer_for(shapes.generator, random_set(shapes.generator, space))) as page:
        assert (page.pixels(edits=[[1, 4.0]]) != page.pixels()).any()
        assert page.get("/api/session").json()["methods"][0]["layered"] == (space in ("w+", "s"))
        if space in ("w+", "s"):
            assert "carry their own layers" in page.post("picture", layers=[0]).refusal(400)
        page.pixels("thumbnails", dimension=2)
        moved = page.pixels(edits=[[1, 1.0]])
        assert (page.pixels(edits=[[1, 1.0]], keep=[0]) != moved).any(), "a lock works in every space"
        assert (page.pixels(edits=[[1, 1.0]], mix={"seed": 5, "layers": [0, 1]}) != moved).any(), "and so does mixing"
        half = page.pixels("between", edits=[[1, 1.0]], to={**VIEW, "seeds": [0]}, share=0.5)
        assert np.abs(half.astype(int) - page.pixels(edits=[[1, 0.5]])).max() <= 1 or space in ("z", "p"), "halfway to no edit"


@pytest.mark.parametrize("name", ["sg2_cond_fp16_64", "sg3_t_32", "sg2_resnet_gray_16"])
def test_networks_of_every_family(serve, name: str) -> None:
    generator = load_checkpoint(REFERENCES / f"{name}.pkl").generator
    with serve(explorer_for(generator, random_set(generator, "w"))) as page:
        told = page.get("/api/session").json()["network"]
        assert told["classes"] == generator.c_dim
        if generator.c_dim:
            assert "--class" in page.post("picture").refusal(400)
            assert (page.pixels(**{"class": 0}) != page.pixels(**{"class": 1})).any()
        label = {"class": 0} if generator.c_dim else {}
        side = generator.img_resolution
        assert page.pixels(seeds=[0, 1], **label).shape == (2 * side, side, 3)
        assert page.post("directions", method="sefa").json()["ready"]
        assert page.pixels(method="sefa", edits=[[0, 2.0]], **label).shape == (side, side, 3)


def test_a_generator_without_a_mapping(serve) -> None:
    generator = small_dcgan()
    axes = z_directions(torch.eye(6), torch.ones(6), "orojar-rotation", "0" * 64, generator.num_ws, {})
    with serve(explorer_for(generator, axes)) as page:
        assert (page.pixels(edits=[[5, 3.0]]) != page.pixels()).any()
        assert page.get("/api/session").json()["methods"][0]["title"] == "OroJaR axes"


def small_dcgan():
    from orojar_cli.generators.dcgan.config import DCGANConfig
    from orojar_cli.generators.families import empty_network

    config = DCGANConfig(z_dim=6, channels=(8, 4, 3), norms=(False,) * 3, biases=(False,) * 3)
    network = empty_network(config).to_empty(device="cpu").requires_grad_(False).eval()
    rng = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape, generator=rng) * 0.3)
    return network


def test_what_stops_answers_at_once(tmp_path: Path, shapes_path: Path, serve) -> None:
    explorer = explorer_in(tmp_path, shapes_path)
    with serve(explorer) as page:
        explorer.close()
        assert "stopping" in page.post("picture").refusal(503)


def test_half_open_connections_keep_nobody_out(tmp_path: Path, shapes_path: Path, serve, monkeypatch) -> None:
    monkeypatch.setattr(server, "_REQUEST_SECONDS", 1.0)
    with serve(explorer_in(tmp_path, shapes_path)) as page:
        head = f"POST /api/picture HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nContent-Length: 9\r\n".encode()
        started = [b"", head, head + f"X-Orojar-Token: {page.token}\r\nContent-Type: application/json\r\n\r\n{{".encode()]
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", page.port), 10)) for _ in range(100)]
            for number, connection in enumerate(sockets):
                with contextlib.suppress(OSError):  # those that made room are closed already
                    connection.sendall(started[number % 3])
            assert page.post("picture").status == 200, "whoever asks is answered while others only begin to"
            for connection in sockets:
                with contextlib.suppress(ConnectionError):
                    assert connection.recv(1) == b"", "what never asked is closed"
            assert page.post("picture").status == 200
