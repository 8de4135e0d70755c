"""From the words of the line to networks and directions: addresses with this machine's cache, the user's own code by its name."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from orojar_cli.cli.console import progress_bar, say
from orojar_cli.cli.downloads import fetching
from orojar_cli.errors import OptionError

if TYPE_CHECKING:
    from orojar_cli.operations.network import Network
    from orojar_cli.operations.resolve import Source
    from orojar_cli.pictures.recipe import Recipe


def load_network(checkpoint: str | None, own: str | None, device: str, fp16: bool = False) -> Network:
    """The network of a checkpoint's file, or of the user's own code; to be drawn in float16 with `fp16`."""
    from orojar_cli.cli.own_generator import load_own_generator
    from orojar_cli.operations.network import load

    return _precise(load_own_generator(own, device) if own is not None else load(str(checkpoint), device, notice=say), fp16)


def _precise(network: Network, fp16: bool) -> Network:
    from orojar_cli.operations.network import draw_in_float16

    if fp16:
        draw_in_float16(network, say)
    return network


def load_source(
    source: str | None,
    *,
    directions: str | None = None,
    network: str | None = None,
    device: str,
    own: str | None = None,
    sha256: str | None = None,
    max_download: float | None = None,
    fp16: bool = False,
) -> Source:
    """`resolve`, with what only a command line knows: the environment's cache and proxies, and `own`, the name of the user's code.

    With `fp16` the network is to be drawn in float16.
    """
    from orojar_cli.cli.own_generator import load_own_generator
    from orojar_cli.operations.resolve import resolve

    with progress_bar() as progress:
        found = resolve(
            source,
            directions=directions,
            network=network,
            own=None if own is None else lambda: load_own_generator(own, device),
            own_name=own or "",
            device=device,
            fetching=fetching(sha256, max_download),
            progress=progress,
            notice=say,
        )
    _precise(found.checkpoint, fp16)
    return found


def load_material(
    source: str | None,
    dims: tuple[str, ...],
    *,
    directions: str | None,
    device: str,
    own: str | None,
    network: str | None,
    picture: Path | None = None,
    command: str = "",
    fp16: bool = False,
    **fetched: Any,
) -> tuple[Network | Source, Recipe | None]:
    """(the network of a SOURCE, with its directions where there are edits `dims`; the recipe of a `picture` that `command` made).

    What nobody names is what the picture was made with, and so are its edits.  Raises OptionError for directions without edits.
    """
    from orojar_cli.cli.own_generator import load_own_generator
    from orojar_cli.operations.resolve import resolve_network
    from orojar_cli.operations.traverse import named_in
    from orojar_cli.pictures.recipe import read_recipe

    recipe = None if picture is None else read_recipe(picture, command)
    if recipe is not None and picture is not None and not (source or directions or network):
        named, told = named_in(recipe, picture, own=own is not None, command=command)
        source, directions, network = (named.get(key) for key in ("source", "directions", "network"))
        if told:
            say(told)
    if dims or (recipe is not None and recipe.scene.edits):
        return load_source(source, directions=directions, network=network, device=device, own=own, fp16=fp16, **fetched), recipe
    if directions is not None:
        raise OptionError("--directions without edits do nothing: give some, such as --dim 3:+2")
    where = fetching(fetched["sha256"], fetched["max_download"])
    maker = None if own is None else lambda: load_own_generator(own, device)
    with progress_bar() as progress:
        found = resolve_network(source, network=network, own=maker, device=device, fetching=where, progress=progress, notice=say)
    return _precise(found, fp16), recipe


def given_of(context: click.Context, look: dict[str, Any]) -> dict[str, Any]:
    """The options that were said on the line."""
    return {name: value for name, value in look.items() if context.get_parameter_source(name) is not ParameterSource.DEFAULT}


def traverse_line(run: Path, own: str | None = None) -> str:
    """The command that shows the first dimension of a run, as a shell takes it."""
    return f"orojar traverse {shlex.quote(str(run))}{f' --generator {own}' if own else ''} --dim 0 --out walk.gif"
