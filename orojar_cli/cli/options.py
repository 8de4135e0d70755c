"""Options that several commands share, and their parameter types."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from orojar_cli.cli.downloads import local_file
from orojar_cli.cli.own_generator import GeneratorName
from orojar_cli.cli.process import keep_freed_memory, local_rank
from orojar_cli.errors import OptionError
from orojar_cli.numbers import LARGEST_SEED, as_classes, as_seconds, number_list
from orojar_cli.runs.run import DEFAULT_OUTDIR


class NumberList(click.ParamType):
    """Whole numbers as `0-3,6`; with `all_word` also the word "all" (None), and any of `words` as it is."""

    def __init__(self, name: str, all_word: bool = False, words: tuple[str, ...] = ()) -> None:
        self.name = name
        self.all_word = all_word
        self.words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or value.strip() in self.words:
            return value.strip() if isinstance(value, str) else value
        if self.all_word and value.strip() == "all":
            return None
        try:
            return number_list(value)
        except OptionError as error:
            self.fail(f"{error}{' or all' if self.all_word and 'such as' in str(error) else ''}", param, ctx)


class Duration(click.ParamType):
    """Seconds, or minutes and hours with their letter."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return as_seconds(value)
        except OptionError as error:
            self.fail(str(error), param, ctx)


class ClassChoice(click.ParamType):
    """A class, or a mixture of some with their weights."""

    name = "class"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return as_classes(value)
        except OptionError as error:
            self.fail(str(error), param, ctx)


class Images(NumberList):
    """Seeds as `NumberList`, or the name of a file with w."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and Path(value).suffix.lower() in (".npz", ".npy", ".pt"):
            return Path(value)
        return super().convert(value, param, ctx)


class Truncation(click.ParamType):
    """Truncation psi, or two between which it is swept."""

    name = "float[:float]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        parts = value.split(":") if isinstance(value, str) else [value]
        try:
            numbers = tuple(float(part) for part in parts)
        except (TypeError, ValueError):
            numbers = ()
        if not 1 <= len(numbers) <= 2:
            self.fail(f"{value!r:.40} is neither a number nor two, such as 0:1", param, ctx)
        return numbers if len(numbers) == 2 else numbers[0]


def checkpoint_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """The positional CHECKPOINT, a path or an https address, for which NVlabs' users may also write --network."""

    @click.argument("checkpoint", required=False)
    @click.option("--network", help="The same as the positional CHECKPOINT.")
    @download_options
    @functools.wraps(function)
    def wrapper(checkpoint: str | None, network: str | None, sha256: str | None, max_download: float | None, **options: Any) -> Any:
        if (checkpoint is None) == (network is None):
            raise click.UsageError("name one checkpoint: orojar COMMAND ckpt.pkl")
        return function(checkpoint=local_file(str(checkpoint or network), sha256, max_download), **options)

    return wrapper


def network_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """The positional CHECKPOINT, or --generator instead of it; the command gets `checkpoint` or `own`, the other is None."""

    @click.argument("checkpoint", required=False)
    @click.option("--network", help="The same as the positional CHECKPOINT.")
    @generator_option
    @download_options
    @functools.wraps(function)
    def wrapper(
        checkpoint: str | None, network: str | None, own: str | None, sha256: str | None, max_download: float | None, **options: Any
    ) -> Any:
        if sum(name is not None for name in (checkpoint, network, own)) != 1:
            raise click.UsageError("name one checkpoint: orojar COMMAND ckpt.pkl (or your own code: --generator package.module:factory)")
        if own is not None:
            if sha256 is not None:
                raise click.UsageError("--sha256 verifies a checkpoint file, and --generator has none")
            return function(checkpoint=None, own=own, **options)
        return function(checkpoint=local_file(str(checkpoint or network), sha256, max_download), own=None, **options)

    return wrapper


def _combined(*decorators: Callable[..., Any]) -> Callable[..., Any]:
    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


download_options = _combined(
    click.option("--sha256", metavar="HEX", help="Refuse the checkpoint unless its SHA-256 is this."),
    click.option(
        "--max-download",
        type=click.FloatRange(0, min_open=True),
        metavar="GB",
        help="Largest checkpoint to fetch from an https address, in gigabytes [default: 4.3, the most that is read].",
    ),
)
generator_option = click.option(
    "--generator", "own", type=GeneratorName(), help="Your own code instead of a checkpoint: make() of mygan.py is mygan:make."
)
source_options = _combined(
    click.option("--directions", help="A direction set to use instead of the SOURCE's."),
    click.option("--network", help="The checkpoint to use instead of the SOURCE's."),
    generator_option,
    download_options,
)


device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
fp16_option = click.option(
    "--fp16", is_flag=True, help="Draw in float16 what was trained in it: for GPUs; numbers of pixels are at most about one of 255 off."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON document on stdout.")
outdir_option = click.option(
    "--outdir", type=click.Path(path_type=Path), default=DEFAULT_OUTDIR, show_default=True, help="Folder for the numbered run directory."
)
LAYER_WORDS = ("coarse", "mid", "fine")
layers_option = click.option(
    "--layers",
    type=NumberList("layers", all_word=True, words=LAYER_WORDS),
    default="all",
    show_default=True,
    help="Entries of ws, e.g. 0-3,6, or coarse (up to 8 pixels), mid (16-32), fine (64 and more).",
)
unit_option = click.option(
    "--unit",
    type=click.Choice(["sigma", "latent"]),
    default="sigma",
    show_default=True,
    help="What strengths are measured in: standard deviations, or the latent's own unit of length as in the papers.",
)
keep_options = _combined(
    click.option(
        "--keep",
        multiple=True,
        help="Dimension whose change of the picture is taken out of the movement: a number, label or list such as 5,7. May be repeated.",
    ),
    click.option(
        "--keep-picture",
        type=click.Path(path_type=Path),
        help="A picture, white where the images are held still, else black (or opaque there, else transparent).",
    ),
)
center_option = click.option(
    "--center/--no-center",
    default=False,
    show_default=True,
    help="First take from each image what it has along the dimension, so that all start at the same place (the papers' films).",
)
class_option = click.option("--class", "class_index", type=ClassChoice(), help="Class of a conditional network, or a mixture: 1:0.5,2:0.5.")
noise_option = click.option(
    "--noise-mode",
    type=click.Choice(["const", "none", "random"]),
    default="const",
    show_default=True,
    help="Noise inputs of the synthesis.",
)
truncation_options = _combined(
    click.option(
        "--trunc",
        "psi",
        type=float,
        default=1.0,
        show_default=True,
        help="Truncation psi. BigGAN: z is drawn again beyond it (1: none); with statistics for each truncation also scaled by it.",
    ),
    click.option("--trunc-cutoff", "cutoff", type=int, help="Truncate only the first N entries of ws."),
)

picture_options = _combined(class_option, truncation_options, noise_option)
run_options = _combined(picture_options, outdir_option, device_option, json_option)


film_options = _combined(
    click.option("--seconds", "leg", type=float, default=2.0, show_default=True, help="Seconds of a film from one image to the next."),
    click.option("--hold", type=float, default=0.0, show_default=True, help="Seconds that a film stays at each image."),
    click.option(
        "--pace",
        type=click.Choice(["ease", "flow", "even"]),
        default="ease",
        show_default=True,
        help="ease: slow down to rest at each image; flow: pass them along one smooth curve; even: at constant speed.",
    ),
    click.option("--fps", type=float, default=24, show_default=True, help="Frames per second."),
    click.option(
        "--space",
        type=click.Choice(["w", "z"]),
        help="Where lies what is between: w, or z on great circles [default: w; z of networks without mapping].",
    ),
)
edits_option = click.option("--dim", "dims", multiple=True, help="An edit applied throughout: 3:+2 or 'smile:-1'. May be repeated.")


def seeds_option(default: str) -> Callable[..., Any]:
    """--seeds with a command's own default."""
    return click.option("--seeds", type=NumberList("seeds"), default=default, show_default=True, help="Images, e.g. 0-7,12.")


def seed_option(of: str) -> Callable[..., Any]:
    """--seed, the randomness `of` something."""
    return click.option("--seed", type=click.IntRange(0, LARGEST_SEED), default=0, show_default=True, help=f"Randomness of {of}.")


def budget_option(chooses: str) -> Callable[..., Any]:
    """--budget, and what it chooses."""
    return click.option("--budget", type=Duration(), help=f"The time it may take, such as 90s, 10m or 1.5h: chooses {chooses}.")


def torch_device(name: str) -> str:
    """The device for a --device value, the process made ready for it; several processes of torchrun on one machine get a GPU each."""
    from orojar_cli.operations.network import chosen_device

    keep_freed_memory()
    return chosen_device(name, local_rank(), program=True)
