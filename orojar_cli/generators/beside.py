"""Configurations that lie beside a file of tensors, in the same folder."""

from __future__ import annotations

import json
from typing import Any

from orojar_cli.containers.file import CheckpointFile, printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.errors import DamagedCheckpointError

_LARGEST = 1 << 16  # bytes; published ones have a thousand


def json_beside(record: TensorRecord, ending: str, name: str, key: str) -> dict[str, Any] | None:
    """The JSON table beside the file of `record`, whose name ends in `ending`: the table's file is called `name` in place of that ending.

    None where there is no such file, and for a table without `key`, which is something else's.  Raises DamagedCheckpointError for one
    that cannot be read.
    """
    file = record.storage.data.file
    if not isinstance(file, CheckpointFile) or not file.path.name.endswith(ending):
        return None
    path = file.path.with_name(file.path.name.removesuffix(ending) + name if ending else name)
    try:
        if not path.is_file():
            return None
        with open(path, "rb") as opened:
            text = opened.read(_LARGEST + 1)
        found = json.loads(text) if len(text) <= _LARGEST else None
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedCheckpointError(f"damaged: {printable(path.name)} cannot be read ({type(error).__name__})") from error
    return found if type(found) is dict and key in found else None
