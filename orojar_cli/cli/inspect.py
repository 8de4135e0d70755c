"""orojar inspect: what a checkpoint file holds, without torch."""

from __future__ import annotations

import click

from orojar_cli.cli.console import result, table
from orojar_cli.cli.options import checkpoint_argument, json_option


@click.command(short_help="Tell what is in a checkpoint file.")
@checkpoint_argument
@json_option
def inspect(checkpoint: str, as_json: bool) -> None:
    """Tell what is in a CHECKPOINT: family, sizes, layers, hash.  Nothing in it is executed."""
    from orojar_cli.checkpoint.contents import read_contents
    from orojar_cli.checkpoint.info import describe

    info = describe(read_contents(checkpoint))
    _, height, width = info.image_shape
    size = f"{width}x{height}" if width == height else f"{width}x{height} (width x height)"
    labels = f", {info.c_dim} classes" if info.c_dim else ""
    lines = [
        f"{info.path}",
        f"  {info.family} ({info.architecture}), {size}, {info.img_channels} channels{labels}",
        f"  z {info.z_dim}, w {info.w_dim}, {info.num_ws} entries of ws, {info.mapping_layers} mapping layers, {info.parameters:,} numbers",
        f"  {info.container}, {info.bytes:,} bytes, SHA-256 {info.sha256}",
    ]
    if info.assumptions:
        lines.append(f"  assumed, the file does not say: {', '.join(info.assumptions)} (orojar convert --assume NAME=VALUE says otherwise)")
    if info.substitutes:
        lines.append(f"  the file does not hold, and orojar supplies: {', '.join(info.substitutes)}")
    lines += [f"  embedded source text: {known}" for known in sorted({known for known in info.sources.values() if known})]
    if None in info.sources.values():
        lines.append("  embedded source text: one that orojar does not know, and never runs; its own code draws what structure and options")
        lines.append("    say, so a fork that changed a formula would draw other pictures")
    lines += [f"  {name}: {what}" for name, what in info.contents.items()]
    rows = [
        [layer.name, str(layer.ws), f"{layer.resolution * width // height}x{layer.resolution}", *map(str, layer[3:])]
        for layer in info.layers
    ]
    columns = ["layer", "ws", "resolution", "in", "out"]
    if info.reads:
        columns, rows = [*columns, "reads"], [[*row, info.reads[layer.ws]] for row, layer in zip(rows, info.layers, strict=True)]
    result(as_json, info.to_dict(), [*lines, "", *table(columns, rows)])
