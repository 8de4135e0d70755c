"""orojar convert: a checkpoint in another container."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orojar_cli.cli.console import result, say
from orojar_cli.cli.downloads import local_file
from orojar_cli.cli.options import download_options, json_option

if TYPE_CHECKING:
    from orojar_cli.checkpoint.checkpoint import Checkpoint


@click.command(short_help="Write a checkpoint in another container.")
@click.argument("source")
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--assume",
    "assumed",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option that SOURCE does not say; inspect lists them.",
)
@click.option(
    "--format",
    type=click.Choice(["input", "nvlabs", "rosinality", "genforce", "safetensors"]),
    help="The container: nvlabs a .pkl for StyleGAN2-ADA and StyleGAN3, rosinality a .pt, genforce a .pth [default: by TARGET's name].",
)
@click.option(
    "--part",
    type=click.Choice(["whole", "mapping", "synthesis"]),
    help="Of an .onnx: whole takes z, c and psi, mapping gives ws, synthesis takes ws [default: whole].",
)
@click.option("--opset", type=int, help="Of an .onnx: the version of its operators, 13 to 20 [default: 17].")
@download_options
@json_option
def convert(
    source: str,
    target: Path,
    assumed: tuple[str, ...],
    format: str | None,
    part: str | None,
    opset: int | None,
    sha256: str | None,
    max_download: float | None,
    as_json: bool,
) -> None:
    """Write the networks of SOURCE, a file or an https address, to TARGET: .safetensors, .pkl, or with --format .pt and .pth.

    An .onnx (orojar[onnx]) holds the averaged network for other programs: inputs z [N, z_dim], of conditional networks c [N, c_dim], and
    truncation psi, output image [N, channels, height, width] in [-1, 1], for any N.

    What some files do not say of their network (the activation of a DCGAN) --assume chooses; a .safetensors keeps it.
    """
    from orojar_cli.checkpoint.checkpoint import load_checkpoint
    from orojar_cli.checkpoint.writer import save_checkpoint
    from orojar_cli.operations.network import say_substitutes

    if any("=" not in choice for choice in assumed):
        raise click.UsageError("--assume takes NAME=VALUE, such as activation=lrelu")
    to_onnx = target.suffix.lower() == ".onnx"
    if not to_onnx and not (part is None and opset is None):
        raise click.UsageError("--part and --opset are for an .onnx file")
    if to_onnx and format is not None:
        raise click.UsageError("an .onnx file has no other --format")
    choices = dict(choice.split("=", 1) for choice in assumed)
    loaded = load_checkpoint(local_file(source, sha256, max_download), assume=choices)
    say_substitutes(loaded, say)
    if to_onnx:
        _write_onnx(loaded, target, part or "whole", opset, as_json)
        return
    if loaded.critic is None and loaded.contents.entries.get("D") is not None:
        say(f"D is not read, and left out of another container: {loaded.info.contents['D']}")
    save_checkpoint(loaded, target, format=format)
    result(as_json, {"out": str(target), "sha256": load_checkpoint(target).sha256}, [f"wrote {target}"])


def _write_onnx(loaded: Checkpoint, target: Path, part: str, opset: int | None, as_json: bool) -> None:
    """Write a graph, and compare it with the network where onnxruntime is installed."""
    from orojar_cli.checkpoint.onnx_file import OPSET, inputs_of, onnx_difference, output_of, save_onnx

    generator, opset = loaded.generator, OPSET if opset is None else opset
    save_onnx(generator, target, part=part, opset=opset, name=loaded.name)
    difference, (output, shape) = onnx_difference(generator, target, part), output_of(generator, part)
    inputs = inputs_of(generator, part)
    told = ", ".join(f"{name} {_shape(sizes)}" for name, sizes in inputs.items())
    lines = [f"wrote {target} (opset {opset}): {told} -> {output} {_shape(shape)}"]
    lines += [] if difference is None else [f"onnxruntime's numbers differ by {difference:.1e} of the largest"]
    result(as_json, {"out": str(target), "opset": opset, "inputs": inputs, "output": {output: shape}, "difference": difference}, lines)


def _shape(sizes: list[int | str]) -> str:
    return f"[{', '.join(map(str, sizes))}]"
