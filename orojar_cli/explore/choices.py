"""What people like and what not: two lists of images beside a direction set, for whoever looks for what they have in common."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from typing import Any

from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.explore.view import View, document_of, view_of
from orojar_cli.files import write_text

FILE = "choices.json"
FORMAT = "orojar-choices-1"
LISTS = ("liked", "others")
MOST = 1000
_LARGEST_FILE = 1 << 28
# What an entry holds besides the view of one image.
_MORE = ("directions", "w", "entries")


class Choices:
    """Two lists of images, `liked` and `others`, of one network; an image is in one of them at most.

    The file is one JSON object: `format`, `checkpoint` (SHA-256 of the network) and a list of entries under each name.  An entry is the
    view of one image (`seed`, `class`, `psi`, `method`, `layers`, `edits` in sigmas, `noise`, `mix`, `keep`), `directions`, the identity
    of the set that its edits are along, and its latents: ws [num_ws, w_dim] is `w[entries]`, where `w` holds every row that there is once.
    """

    def __init__(self, checkpoint: str, path: Path | None = None) -> None:
        """Lists for the network with this SHA-256, in a file, or in memory alone."""
        self.checkpoint, self.path = checkpoint, path
        self._lists: dict[str, list[dict[str, Any]]] = {name: [] for name in LISTS}
        self._lock = threading.Lock()

    def document(self) -> dict[str, Any]:
        """The lists as they are now, in the file's form.  Raises InputFileError for a file that is something else."""
        if self.path is not None:
            self._lists = self._read(self.path)
        return {"format": FORMAT, "checkpoint": self.checkpoint} | self._lists

    def listed(self) -> dict[str, Any]:
        """The lists for the page: their views, and where they are kept."""
        document = self.document()
        views = {name: [_view_document(entry) for entry in document[name]] for name in LISTS}
        return views | {"file": None if self.path is None else self.path.name}

    def put(self, view: View, name: str | None, latents: dict[str, Any]) -> None:
        """Put an image into a list, or with None take it out of both.  `latents` are the entry's `directions`, `w` and `entries`.

        Raises OptionError for a full list, InputFileError for a file that is something else, OutputFileError where it cannot be written.
        """
        assert len(view.seeds) == 1, "an entry is one image"
        if not view.edits:
            # The same image, whatever the sliders would do.
            view = dataclasses.replace(view, method="own", layers=None, keep=())
        own = {key: value for key, value in document_of(view).items() if key != "seeds"} | {"seed": view.seeds[0]}
        with self._lock:
            document = self.document()
            lists = {kept: [entry for entry in document[kept] if {key: entry[key] for key in own if key in entry} != own] for kept in LISTS}
            if name is not None:
                if len(lists[name]) >= MOST:
                    raise OptionError(f"the list of {name} holds {MOST} images, which is all it can; take some out")
                lists[name].append(own | latents)
            if self.path is not None:
                write_text(self.path, json.dumps({"format": FORMAT, "checkpoint": self.checkpoint} | lists) + "\n")
            self._lists = lists

    def _read(self, path: Path) -> dict[str, list[dict[str, Any]]]:
        try:
            with open(path, "rb") as file:
                data = file.read(_LARGEST_FILE + 1)
            found = json.loads(data) if len(data) <= _LARGEST_FILE else None
            if not isinstance(found, dict) or found.get("format") != FORMAT:
                raise ValueError("format")
            lists = {name: list(found[name]) for name in LISTS}
            for entry in (entry for entries in lists.values() for entry in entries):
                view_of(_view_document(entry))
        except FileNotFoundError:
            return {name: [] for name in LISTS}
        except OSError as error:
            raise InputFileError(f"cannot read {path}: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, RecursionError, OptionError) as error:
            raise InputFileError(f"{path.name} is no list of liked images; move it elsewhere, and a new one is begun") from error
        if found["checkpoint"] != self.checkpoint:
            raise InputFileError(f"{path.name} lists images of another network; move it elsewhere, and a new one is begun")
        return lists


def _view_document(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as `view_of` reads it."""
    return {key: value for key, value in entry.items() if key not in (*_MORE, "seed")} | {"seeds": [entry["seed"]]}
