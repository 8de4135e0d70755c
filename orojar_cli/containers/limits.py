"""How much of anything a checkpoint may hold, each bound far above the largest real file seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds enforced while a file is read; counts include the pickles nested in storage blobs.

    A full 1024x1024 StyleGAN2-ADA file (G, D and G_ema, 382 MB) needs 64,364 opcodes, 8,642 memo entries, 446 storages
    and 5 levels of modules.
    """

    file_bytes: int = 4 << 30
    opcodes: int = 2_000_000
    memo_entries: int = 1_000_000
    stack_values: int = 200_000
    open_marks: int = 200
    text_bytes: int = 4 << 20
    name_characters: int = 256
    key_characters: int = 4096
    integer_bytes: int = 10
    storages: int = 20_000
    blob_bytes_per_file_byte: int = 2
    storage_header_bytes: int = 4096
    dimensions: int = 8
    module_depth: int = 16


DEFAULT_LIMITS = Limits()
