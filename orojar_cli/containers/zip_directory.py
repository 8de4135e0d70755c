"""The entries of a torch.save zip file as stretches of the file: the directory is read, nothing is ever decompressed."""

from __future__ import annotations

import re
import struct

from orojar_cli.containers.file import CheckpointFile, printable
from orojar_cli.containers.limits import DEFAULT_LIMITS, Limits
from orojar_cli.containers.records import Span
from orojar_cli.errors import DamagedCheckpointError, NotACheckpointError, UnsafeCheckpointError, UnsupportedCheckpointError

END = struct.Struct("<4s4H2LH")
ENTRY = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
_DIRECTORY_LIMIT = 16 << 20
_NAME = re.compile(r"[A-Za-z0-9_.]+(/[A-Za-z0-9_.]+)*\Z")


def read_zip_directory(file: CheckpointFile, limits: Limits = DEFAULT_LIMITS) -> dict[str, Span]:
    """The stored entries below the archive's one folder, by their path in it: "data.pkl", "data/0", "byteorder"…

    Raises NotACheckpointError for an archive of something else, UnsafeCheckpointError for TorchScript programs and entries that
    overlap or disagree with their own headers, UnsupportedCheckpointError for compressed ones, DamagedCheckpointError for the rest.
    """

    def damaged(what: str) -> DamagedCheckpointError:
        return DamagedCheckpointError(f"damaged: {file.name}: {what}; download it again")

    if file.size < END.size:
        raise damaged("the file ends early")
    signature, disk, first_disk, here, count, size, start, comment = END.unpack(file.read(file.size - END.size, END.size))
    if signature != b"PK\x05\x06" or comment:
        raise damaged("the zip directory is not at the end, as if the file ended early")
    if disk or first_disk or here != count or 0xFFFF in (here, count) or 0xFFFFFFFF in (size, start):
        raise UnsupportedCheckpointError(f"not supported: {file.name} is a zip file in parts or of more than 4 GiB")
    if start + size > file.size or size > _DIRECTORY_LIMIT or count > 2 * limits.storages:
        raise damaged("the zip directory is malformed")
    directory, at = file.read(start, size), 0
    folders: set[str] = set()
    archived: set[str] = set()
    entries: dict[str, tuple[bytes, int, int, int, int, int]] = {}
    for _ in range(count):
        if at + ENTRY.size > size:
            raise damaged("the zip directory is shorter than its count of entries")
        fields = ENTRY.unpack_from(directory, at)
        method, flags, packed, unpacked, lengths, offset = fields[4], fields[3], fields[8], fields[9], fields[10:13], fields[16]
        raw = directory[at + ENTRY.size : at + ENTRY.size + lengths[0]]
        at += ENTRY.size + sum(lengths)
        if fields[0] != b"PK\x01\x02" or at > size:
            raise damaged("the zip directory is malformed")
        folder, inside, name = raw.decode("utf-8", "replace").partition("/")
        if not inside:
            archived.add(folder)
            continue
        folders.add(folder)
        if name in entries:
            raise UnsafeCheckpointError(f"refused: {file.name} has two entries {printable(name)!r}")
        entries[name] = raw, method, flags, packed, unpacked, offset
    if archived and all(name.endswith(".npy") for name in archived):
        what = ", ".join(printable(name.removesuffix(".npy"), 30) for name in sorted(archived)[:6])
        raise NotACheckpointError(f"not a checkpoint: {file.name} is an .npz of arrays ({what}); pass the network that they belong to")
    if archived or "data.pkl" not in entries or len(folders) != 1:
        raise NotACheckpointError(f"not a checkpoint: {file.name} is a zip archive without a network; unpack it first")
    if "constants.pkl" in entries or any(name.startswith("code/") for name in entries):
        raise UnsafeCheckpointError(f"refused: {file.name} is a TorchScript program; nothing was executed; pass a network's weights")
    spans: dict[str, Span] = {}
    for name, (raw, method, flags, packed, unpacked, offset) in entries.items():
        if not _NAME.match(name) or ".." in name:
            raise UnsafeCheckpointError(f"refused: {file.name} has an entry with the name {printable(name)!r}")
        if method or packed != unpacked or flags & 1:
            raise UnsupportedCheckpointError(
                f"not supported: {file.name} has a compressed or encrypted entry {printable(name)}; torch.save writes none"
            )
        spans[name] = _data(file, raw, offset, unpacked, start, name)
    reach = 0
    for begin, length in sorted((span.offset, span.length) for span in spans.values()):
        if begin < reach:
            raise UnsafeCheckpointError(f"refused: {file.name} has zip entries that overlap")
        reach = begin + length
    return spans


def _data(file: CheckpointFile, raw: bytes, offset: int, length: int, directory: int, name: str) -> Span:
    """Where an entry's bytes are, after comparing its own header with the directory."""
    header = LOCAL.unpack(file.read(offset, LOCAL.size))
    named, extra = header[9:11]
    begin = offset + LOCAL.size + named + extra
    same = header[0] == b"PK\x03\x04" and header[3] == 0 and file.read(offset + LOCAL.size, named) == raw
    if not same or begin + length > directory:
        raise UnsafeCheckpointError(f"refused: {file.name} says two things about its zip entry {printable(name)}; nothing was executed")
    return Span(file, begin, length)
