"""A network to work on: a checkpoint's or of the user's own code, on a device that this machine has."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orojar_cli.checkpoint.checkpoint import Checkpoint, load_checkpoint
from orojar_cli.demonstration import DEMO, demonstration
from orojar_cli.errors import OptionError
from orojar_cli.fetch.address import Fetching
from orojar_cli.generators.checks import check_noise_mode
from orojar_cli.generators.own.network import OwnNetwork, own_network
from orojar_cli.media.text import undrawable
from orojar_cli.progress import Notice, Progress

if TYPE_CHECKING:
    import torch

Network = Checkpoint | OwnNetwork


def quiet(line: str) -> None:
    """Tell nobody."""


def chosen_device(name: str | torch.device = "auto", local_rank: int | None = None, program: bool = False) -> str:
    """The device `name` means: auto (a GPU where there is one), cpu, cuda, cuda:N, mps, or another that this PyTorch has (xpu),
    prepared to compute in full float32 (`orojar_cli.devices.prepare`, which says what is more in a `program` of its own).

    Of several processes on one machine each says its `local_rank` and gets a GPU of its own.  Raises OptionError for a device that this
    machine does not have, and for several processes that would share one.
    """
    import torch

    from orojar_cli.devices import prepare

    name = str(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    try:
        module = torch.get_device_module(torch.device(name).type)
    except RuntimeError:
        module = None
    if module is None or (number and kind in ("cpu", "mps")):
        raise OptionError(f"--device {name!r} is none of auto, cpu, cuda, cuda:N, mps")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise OptionError("--device mps: this machine has no mps device; use --device cpu")
    if kind not in ("cpu", "mps"):
        count = module.device_count() if module.is_available() else 0
        if local_rank is not None and number:
            raise OptionError(f"--device {name}: every process of torchrun takes a device of its own; use --device {kind}")
        if int(number or local_rank or 0) >= count:
            here = f"this machine has {count} {kind.upper()} devices"
            if local_rank and count:
                raise OptionError(f"--device {name}: {here}, one for each process; use --nproc-per-node {count}")
            raise OptionError(f"--device {name}: {here}; use --device cpu")
        if local_rank:
            name = f"{kind}:{local_rank}"
    prepare(name, program=program)
    return name


def checkpoint_file(
    source: str | Path, fetching: Fetching | None = None, progress: Progress | None = None, notice: Notice | None = None
) -> str:
    """The file of a checkpoint named by its path, by an https address (downloaded once) or by "demo", the bundled one."""
    if str(source) == DEMO:
        source = demonstration()[0]
    return (fetching or Fetching()).local_file(str(source), progress, notice)


def load(
    source: str | Path,
    device: str | torch.device = "auto",
    *,
    sha256: str | None = None,
    assume: Mapping[str, str] | None = None,
    fetching: Fetching | None = None,
    progress: Progress | None = None,
    notice: Notice | None = None,
) -> Checkpoint:
    """The checkpoint at a path or an https address, or the bundled one ("demo"), on `device`; refused unless it hashes to `sha256`.

    `assume` chooses options that the file does not say, such as {"activation": "lrelu"}; `notice` is told which were assumed, which
    numbers are not the file's, and what is downloaded.
    Raises what `load_checkpoint` and `fetch` raise, OptionError for a device that this machine does not have.
    """
    fetching = fetching or Fetching()
    if sha256 is not None:
        fetching = dataclasses.replace(fetching, sha256=sha256)
    loaded = load_checkpoint(checkpoint_file(source, fetching, progress, notice), chosen_device(device), assume=assume)
    if loaded.assumptions and notice is not None:
        notice(
            f"{loaded.name} does not say everything of its network; assumed: {', '.join(loaded.assumptions)} "
            "(orojar convert --assume NAME=VALUE says otherwise)"
        )
    if notice is not None:
        say_substitutes(loaded, notice)
    return loaded


def say_substitutes(loaded: Checkpoint, notice: Notice) -> None:
    """Tell, where there are any, which numbers of the network are not its file's."""
    if loaded.substitutes:
        notice(f"{loaded.name} does not hold, and orojar supplies: {', '.join(loaded.substitutes)}")


def network_of(what: Any, device: str | torch.device = "auto", notice: Notice | None = None) -> Network:
    """What operations work on: a loaded network as it is, a name as `load` takes it, or an object of the user's own code."""
    if isinstance(what, (Checkpoint, OwnNetwork)):
        return what
    if isinstance(what, (str, Path)):
        return load(what, device, notice=notice)
    return own_network(what, device=chosen_device(device), notice=notice)


def draw_in_float16(network: Network, notice: Notice = quiet) -> None:
    """Have the pictures of a network drawn in float16 where it was trained so, which is faster on GPUs; measured is in float32 always.

    Raises OptionError for a network of which nothing was, so far as its file says.
    """
    generator: Any = network.generator
    if not getattr(getattr(generator.config, "synthesis", None), "num_fp16_res", 0):
        raise OptionError(f"--fp16: {network.name} does not say that any of it was trained in float16; leave out --fp16")
    generator.fp16 = True
    if generator.device.type == "cpu":
        notice("float16 is slower than float32 on a processor; --fp16 is for GPUs")


def say_white(generator: Any, notice: Notice, what: str = "grids and films have", keeps: str = "orojar sample keeps it") -> None:
    """Tell, of a network that draws with an alpha channel, that pictures of this kind do without."""
    if generator.img_channels in (2, 4):
        notice(f"{what} no alpha channel: the images are laid on white; {keeps}")


def say_undrawable(texts: Iterable[str], notice: Notice) -> None:
    """Tell which letters of the texts of a picture no font of this machine has."""
    missing = undrawable(texts)
    if missing:
        notice(f"no font on this machine has {missing[:20]}: pictures show ? instead, pages the letters; install a font, such as Noto's")


def shown_class(generator: Any, class_index: Any, doing: str, notice: Notice) -> Any:
    """The class that is asked for; of a conditional network the first where none is, which `notice` is told."""
    if class_index is None and generator.c_dim:
        notice(f"conditional network: {doing} class 0; choose another with --class")
        return 0
    return class_index


def check_noise(network: Network, noise_mode: str, notice: Notice) -> None:
    """Say where a noise mode other than the usual one was chosen and does nothing, because the network draws without noise.

    Raises OptionError for a mode that there is not.
    """
    check_noise_mode(noise_mode)
    if noise_mode != "const" and not getattr(network.generator.synthesis, "takes_noise", False):
        notice(f"{network.name} ({network.generator.config.family}) draws without noise: --noise-mode {noise_mode} does nothing")
