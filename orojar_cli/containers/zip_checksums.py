"""The checksums of a torch.save zip file whose numbers were replaced in place."""

from __future__ import annotations

import binascii
import os
import struct
from collections.abc import Sequence
from typing import BinaryIO

from orojar_cli.containers.zip_directory import END, ENTRY, LOCAL

_DESCRIPTOR = b"PK\x07\x08"
_HAS_DESCRIPTOR = 8
_BLOCK = 1 << 22


def renew_checksums(stream: BinaryIO, changed: Sequence[tuple[int, int]]) -> None:
    """Write the CRC-32 of every entry that overlaps one of the stretches `changed` (first byte, first byte behind it).

    It is kept in the directory, in the entry's own header, and where the header's flags say so behind the entry's data instead.
    The file must be one that `read_zip_directory` accepts.
    """
    size = stream.seek(0, os.SEEK_END)
    _, _, _, _, count, _, at, _ = END.unpack(_read(stream, size - END.size, END.size))
    for _ in range(count):
        fields = ENTRY.unpack(_read(stream, at, ENTRY.size))
        flags, unpacked, names, offset = fields[3], fields[9], fields[10:13], fields[16]
        header = LOCAL.unpack(_read(stream, offset, LOCAL.size))
        begin = offset + LOCAL.size + sum(header[9:11])
        end = begin + unpacked
        if any(start < end and stop > begin for start, stop in changed):
            behind = end + (4 if _read(stream, end, 4) == _DESCRIPTOR else 0)
            checksum = struct.pack("<L", _checksum(stream, begin, unpacked))
            for place in (at + 16, behind if flags & _HAS_DESCRIPTOR else offset + 14):
                stream.seek(place)
                stream.write(checksum)
        at += ENTRY.size + sum(names)


def _read(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    return stream.read(length)


def _checksum(stream: BinaryIO, offset: int, length: int) -> int:
    stream.seek(offset)
    value = 0
    for done in range(0, length, _BLOCK):
        value = binascii.crc32(stream.read(min(_BLOCK, length - done)), value)
    return value
