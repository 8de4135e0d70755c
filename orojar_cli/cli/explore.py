"""orojar explore: sliders in a browser."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from typing import Any

import click

from orojar_cli.cli.console import result, say
from orojar_cli.cli.options import (
    center_option,
    device_option,
    fp16_option,
    json_option,
    noise_option,
    source_options,
    torch_device,
    unit_option,
)


@click.command(short_help="Move sliders in a browser, one per direction.")
@click.argument("source", required=False)
@click.option(
    "--from",
    "saved",
    type=click.Path(path_type=Path),
    help="Begin as a picture or film (PNG, APNG, GIF) or the settings (JSON) saved on the page, or a picture of traverse, say.",
)
@source_options
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port of 127.0.0.1; 0 finds a free one.")
@click.option("--open/--no-open", "opened", default=False, show_default=True, help="Open the page in the browser.")
@unit_option
@center_option
@noise_option
@device_option
@fp16_option
@json_option
def explore(
    source: str | None,
    saved: Path | None,
    directions: str | None,
    network: str | None,
    own: str | None,
    sha256: str | None,
    max_download: float | None,
    port: int,
    opened: bool,
    unit: str,
    center: bool,
    noise_mode: str,
    device: str,
    fp16: bool,
    as_json: bool,
) -> None:
    """Play with the directions of SOURCE: a page on this machine with a slider for each.

    SOURCE is a run folder, a file in one, or a checkpoint; without it what --from was made with, the newest run, or else the bundled
    demonstration.  Names given on the page are written into the direction set, and what is liked into choices.json beside it.
    --unit and --center say how the page shows strengths and begins films.  Ctrl-C stops it.
    """
    from orojar_cli.cli.sources import load_source
    from orojar_cli.errors import MissingExtraError
    from orojar_cli.operations.traverse import named_in

    try:
        from orojar_cli.explore.server import ExplorerServer
        from orojar_cli.explore.settings import read_saved
        from orojar_cli.operations.explore import Library, explorer_of
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise MissingExtraError(f"orojar explore needs {error.name}; install it with: pip install 'orojar[explore]'") from error
    words: dict[str, Any] = {"source": source, "directions": directions, "network": network}
    kept = None if saved is None else read_saved(saved)
    if kept is not None and saved is not None and not (source or directions or network):
        named, told = named_in(kept.recipe, saved, own=own is not None, command="explore")
        words |= named
        say(told)
    device = torch_device(device)
    found = load_source(**words, device=device, fp16=fp16, own=own, sha256=sha256, max_download=max_download)
    apart = words["network"] is not None or words["directions"] is not None
    look, library = {"unit": unit, "center": center}, Library(device, noise_mode, fp16=fp16)
    explorer = explorer_of(found, noise_mode, apart=apart, own=own, saved=kept, look=look, library=library, notice=say)
    server = ExplorerServer(explorer, port)
    result(as_json, {"url": server.url, "port": server.port}, [server.url])
    say("open this address in a browser on this machine; Ctrl-C stops")
    if opened:
        webbrowser.open(server.url)
    try:
        server.run()
    finally:
        if not explorer.close(timeout=0.3):
            # A picture of a large network takes seconds, and a thread inside torch can neither be stopped nor left at the exit.
            say("interrupted")
            os._exit(130)
