"""A longer search for files that crash, hang or confuse the checkpoint reader.

    python tests/fuzz_reader.py [SECONDS] [SEED]

Mutates the small references, the converted .safetensors form of one of them, and random instruction sequences, and reads
each result completely: networks, facts, tensors.  Anything but success or one of orojar's own errors is printed with the
seed that makes it again and the bytes are kept in the current folder as `fuzz-SEED-NUMBER.pkl`; the exit code is 1 then.
fuzz_atheris.py searches guided by coverage instead.  tests/checkpoint/test_fuzz.py runs the same mutations for a short while.
"""

from __future__ import annotations

import io
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.checkpoint.info import describe
from orojar_cli.errors import CheckpointError, InputFileError, UnsupportedCheckpointError

REFERENCES = Path(__file__).parent / "references"
SECONDS_PER_FILE = 20.0
# Bytes that mean something to a pickle: instructions, sizes, signs.
_TELLING = b"(.0NtRbcsu]}ae)qrhjJKMGXBCQ\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x8f\x90\x93\x94\x95\x00\x01\x7f\xff"


def reference_files() -> list[Path]:
    """The small checkpoints."""
    return sorted(path for path in REFERENCES.iterdir() if path.suffix in (".pkl", ".pt", ".pth"))


def interesting_positions(path: Path) -> list[int]:
    """Every position outside the numbers of the tensors: there, a changed byte changes what the file says.

    Every position at all where one of the networks cannot be read.
    """
    contents = read_contents(path)
    try:
        tensors = contents.all_tensors()
    except UnsupportedCheckpointError:
        return list(range(contents.file.size))
    # A record is a tensor of the file or derived from one (or from nothing).
    records = [getattr(record, "source", record) for record in tensors.values()]
    spans = {(record.storage.data.offset, record.storage.data.length) for record in records if record is not None}
    inside = bytearray(contents.file.size)
    for offset, length in spans:
        inside[offset : offset + length] = b"\1" * length
    return [position for position, hidden in enumerate(inside) if not hidden]


def mutate(data: bytes, positions: list[int], rng: random.Random) -> bytes:
    """One to four changes: flipped bits, replaced, removed, repeated or moved stretches, a cut end."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = min(rng.choice(positions), len(out) - 1)
        length = rng.choice((1, 1, 2, 4, 8, 40, 300))
        kind = rng.randrange(8)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at] = rng.choice(_TELLING)
        elif kind == 2:
            out[at : at + length] = rng.randbytes(min(length, len(out) - at))
        elif kind == 3:
            del out[at : at + length]
        elif kind == 4:
            out[at:at] = out[at : at + length]
        elif kind == 5:
            source = rng.choice(positions)
            out[at : at + length] = data[source : source + length]
        elif kind == 6:
            out[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\0\0\0\x80"))
        else:
            del out[at + length :]
        if not out:
            return b""
    return bytes(out)


def random_instructions(rng: random.Random) -> bytes:
    """A pickle of random instructions that checkpoints do use, with plausible arguments."""

    def short() -> bytes:
        name = rng.choice((b"a", b"G_ema", b"state", b"type", b"numpy", b"dtype", b"collections", b"OrderedDict", b"f8", b"<"))
        return b"\x8c" + bytes([len(name)]) + name

    def name() -> bytes:
        module, attribute = rng.choice(
            (
                (b"torch_utils.persistence", b"_reconstruct_persistent_obj"),
                (b"torch._utils", b"_rebuild_tensor_v2"),
                (b"torch._utils", b"_rebuild_parameter"),
                (b"torch.storage", b"_load_from_bytes"),
                (b"collections", b"OrderedDict"),
                (b"builtins", b"set"),
                (b"numpy", b"dtype"),
                (b"numpy", b"ndarray"),
                (b"numpy.core.multiarray", b"scalar"),
                (b"numpy._core.multiarray", b"_reconstruct"),
                (b"dnnlib.util", b"EasyDict"),
                (b"dnnlib.tflib.network", b"Network"),
            )
        )
        return b"c" + module + b"\n" + attribute + b"\n"

    plain = [bytes([code]) for code in b"((()))NNtRRbsu]}ae\x81\x85\x86\x87\x88\x89\x8f\x90\x93\x94\x94"]
    writers: list[Callable[[], bytes]] = [
        lambda: rng.choice(plain),
        lambda: rng.choice(plain),
        lambda: rng.choice(plain),
        short,
        name,
        lambda: b"K" + rng.randbytes(1),
        lambda: b"h" + bytes([rng.randrange(6)]),
        lambda: b"C" + bytes([size := rng.randrange(4)]) + rng.randbytes(size),
        lambda: b"J" + rng.randbytes(4),
        lambda: b"G" + rng.randbytes(8),
        lambda: b"\x8a" + bytes([size := rng.randrange(10)]) + rng.randbytes(size),
    ]
    return b"\x80\x04" + b"".join(rng.choice(writers)() for _ in range(rng.randrange(1, 60))) + b"."


def examine(path: Path, *, tensors: bool = True) -> str:
    """Read `path` completely and return the class of the error, or "read"; anything unexpected is raised."""
    began = time.monotonic()
    outcome = "read"
    try:
        contents = read_contents(path)
        describe(contents)
        contents.all_tensors()
        if tensors:
            load_checkpoint(path).critic  # noqa: B018
    except (CheckpointError, InputFileError) as error:
        outcome = type(error).__name__
        message = str(error)
        assert message.isascii() and message.isprintable() and len(message) < 400, message
    seconds = time.monotonic() - began
    assert seconds < SECONDS_PER_FILE, f"{seconds:.1f} seconds"
    return outcome


def seeds(folder: Path) -> list[tuple[bytes, list[int]]]:
    """The files to mutate, with their interesting positions."""
    paths = reference_files()
    own = folder / "own.safetensors"
    save_checkpoint(load_checkpoint(REFERENCES / "sg2_resnet_gray_16.pkl"), own)
    return [(path.read_bytes(), interesting_positions(path)) for path in [*paths, own]]


def search(seconds: float, seed: int) -> int:
    """Mutate for `seconds`; the number of surprises."""
    surprises, outcomes = 0, Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus, path = seeds(folder), folder / "case.pkl"
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            number += 1
            rng = random.Random(f"{seed}-{number}")
            data = random_instructions(rng) if rng.random() < 0.3 else mutate(*rng.choice(corpus), rng)
            path.write_bytes(data)
            try:
                outcomes[examine(path)] += 1
            except Exception as error:
                surprises += 1
                Path(f"fuzz-{seed}-{number}.pkl").write_bytes(data)
                print(f"seed {seed}, case {number}: {type(error).__name__}: {error}", flush=True)
    print(f"{number} cases in {seconds:.0f} s, {surprises} surprises; " + ", ".join(f"{k} {v}" for k, v in sorted(outcomes.items())))
    return surprises


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    torch.set_num_threads(1)
    sys.exit(1 if search(seconds, seed) else 0)


if __name__ == "__main__":
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, line_buffering=True)
    main()
