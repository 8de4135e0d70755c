"""The command line: parse, call the library, draw progress, print.  The only place that imports click."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback

import click

from orojar_cli import __version__
from orojar_cli.cli.bench import bench
from orojar_cli.cli.compare import compare
from orojar_cli.cli.convert import convert
from orojar_cli.cli.discover import discover, sefa
from orojar_cli.cli.edit import edit
from orojar_cli.cli.explore import explore
from orojar_cli.cli.export_directions import export
from orojar_cli.cli.find import find
from orojar_cli.cli.finetune import finetune
from orojar_cli.cli.import_directions import import_
from orojar_cli.cli.inspect import inspect
from orojar_cli.cli.interpolate import interpolate
from orojar_cli.cli.label import label
from orojar_cli.cli.metrics import metrics
from orojar_cli.cli.mix import mix
from orojar_cli.cli.process import Terminated, hear_signals
from orojar_cli.cli.project import project
from orojar_cli.cli.sample import sample
from orojar_cli.cli.traverse import traverse
from orojar_cli.errors import OrojarError
from orojar_cli.runs.clock import work

_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(context_settings=_HELP)
@click.version_option(__version__, "--version", package_name="orojar")
@click.option("--debug", is_flag=True, help="Show the traceback of an error (may stand anywhere on the line).")
def orojar(debug: bool) -> None:
    """Find, install and show disentangled latent directions in a trained GAN.

    \b
    orojar sefa ckpt.pkl                     directions from the weights, in seconds
    orojar finetune ckpt.pkl                 make every z axis mean one thing
    orojar traverse --dim 3 --out walk.gif   look at one dimension of the newest result
    """


for command in (
    inspect,
    sample,
    sefa,
    discover,
    find,
    finetune,
    traverse,
    edit,
    interpolate,
    mix,
    explore,
    compare,
    metrics,
    project,
    import_,
    export,
    label,
    convert,
    bench,
):
    orojar.add_command(command)


def main(argv: list[str] | None = None, began: float | None = None) -> None:
    """Run the program and exit: 0 done, 1 failed, 2 usage, 3 refused as unsafe, 130 interrupted, 143 asked to end.

    `began` is when the process did (time.time()), from which runs count their time; now by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        if argv is None:
            hear_signals()
        with work(began):
            orojar.main(arguments, prog_name="orojar", standalone_mode=False)
        if sys.stdout is not None:  # closed by the shell
            sys.stdout.flush()
        status = 0
    except click.exceptions.Exit as error:
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except OrojarError as error:
        _report(str(error), debug)
        status = error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        ended = isinstance(error, Terminated) or isinstance(error.__cause__, Terminated)
        click.echo("asked to end" if ended else "interrupted", err=True)
        status = 143 if ended else 130
    except BrokenPipeError:
        _forget_output()
        status = 1
    except OSError as error:
        # A full disk below the shell's `>`, or a file that another program took away in the middle.
        _report(f"{error.strerror or error}: {error.filename or 'the output'}", debug)
        _forget_output()
        status = 1
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        _report(_memory_advice(arguments), debug)
        status = 1
    sys.exit(status)


# Options with which a command needs less memory, in the order of what helps most.
_SMALLER = ("--output", "--num", "--samples", "--images", "--seeds", "--size")


def _is_out_of_memory(error: BaseException) -> bool:
    # Only now: it needs torch, which is not imported for an error of less than that.
    from orojar_cli.devices import is_out_of_memory

    return is_out_of_memory(error)


def _memory_advice(arguments: list[str]) -> str:
    """One line, with options that the command has."""
    command = next((orojar.commands[argument] for argument in arguments if argument in orojar.commands), None)
    known = {option for parameter in command.params for option in parameter.opts} if command else set()
    smaller = [option for option in _SMALLER if option in known][:3]
    ways = [f"a smaller {' or '.join(smaller)}"] if smaller else []
    if "--device" in known and "cpu" not in arguments:
        ways.append("--device cpu")
    return "the computation does not fit in memory" + (f"; use {', or '.join(ways)}" if ways else "")


def _forget_output() -> None:
    """What could not be written is not tried again at the exit, where Python would complain in several lines."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(message: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    click.echo(f"error: {message}", err=True)
