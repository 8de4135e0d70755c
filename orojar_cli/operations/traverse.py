"""Looking at dimensions: walks along them as films and grids, edits before and after, and the same picture again."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from orojar_cli.demonstration import demonstration
from orojar_cli.directions.direction_set import DirectionSet, load_directions
from orojar_cli.directions.region import region_text
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.files import written_file
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.projected import check_projected_out, load_projected, save_projected
from orojar_cli.latents.spaces import named_layers
from orojar_cli.media import PICTURES, Numbered, numbered, picture_html
from orojar_cli.operations.drawing import save_previewed, say_drawing
from orojar_cli.operations.network import check_noise, network_of, quiet, say_undrawable, say_white, shown_class
from orojar_cli.operations.resolve import SEFA, Source, named_by, resolve
from orojar_cli.pictures.axes import affordable_images
from orojar_cli.pictures.dimensions import chosen_dimensions, kept_dimensions
from orojar_cli.pictures.film import movement, save_film, save_frames
from orojar_cli.pictures.recipe import Recipe, direction_identity, tensor_identity
from orojar_cli.pictures.scene import Scene, Still, Subject, Walk
from orojar_cli.pictures.still import draw_still, pages, save_stills
from orojar_cli.pictures.walk import moved_ws, round_steps, strengths, there_and_back
from orojar_cli.pictures.ways import Ways
from orojar_cli.progress import Notice, Progress
from orojar_cli.projection.photograph import read_photograph
from orojar_cli.response.outputs import is_small
from orojar_cli.response.subspace import PROBES

FILMS = (".gif", ".webp", ".apng", ".mp4")
STILLS = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Traversal:
    """A walk along dimensions, or edits, ready to be drawn.  `values` are those of the scene, whether it becomes a film or a grid."""

    source: Source
    subject: Subject
    values: dict[str, Any]
    projected: Path | None = None
    rows: int | None = None
    notice: Notice = dataclasses.field(default=quiet, repr=False, compare=False)

    def __repr__(self) -> str:
        found = self.source.directions
        named = [found.name(index) for index in self.values["dimensions"]]
        named += [f"{found.name(index)} {strength:+g}" for index, strength in self.values["edits"]]
        shown = ", ".join(named[:4]) + (f" and {len(named) - 4} more" if len(named) > 4 else "")
        return f"<Traversal of {self.source.checkpoint.name}: {shown} ({found.method} in {found.space})>"

    def scene(self, path: str | os.PathLike[str]) -> Scene:
        """The film or still that the name of `path` asks for; values the kind does not have are left out."""
        check_suffix(path)
        kind = Walk if frames_of(path) is not None or Path(path).suffix.lower() in FILMS else Still
        by = self.values.get("by")
        if kind is Walk and by is not None:
            raise OptionError(f"two dimensions against each other make a grid, not a film: end --out in one of {', '.join(STILLS)}")
        if by is not None and len(self.values["dimensions"]) != 1:
            raise OptionError("--by needs exactly one --dim to walk along")
        names = [entry.name for entry in dataclasses.fields(kind) if entry.name in self.values]
        return kind.from_dict({name: self.values[name] for name in names})

    def pages(self, path: str | os.PathLike[str]) -> int:
        """On how many pages `save` puts it."""
        scene = self.scene(path)
        return len(pages(self.subject, scene, self.rows)) if isinstance(scene, Still) else 1

    def save(self, path: str | os.PathLike[str], progress: Progress | None = None) -> list[Path]:
        """Write a film (.gif, .webp, .apng, .mp4), its frames one by one (a folder/, or a name such as frame_%04d.png), or a grid (.png,
        .jpg) over several pages where one is not enough; the paths written.

        PNG, APNG and GIF keep what it takes to make them again.  Every file is written whole or not at all.  Says beforehand what takes
        long; of films that take minutes a coarse preview comes first.
        Raises OptionError for another suffix, and for what there is not in the direction set or the network; OutputFileError, before
        anything is drawn, where it could not be written.
        """
        scene = self.scene(path)
        frames = frames_of(path)
        count = self.image_count(scene)
        say_drawing(self.subject.generator, count, self.notice)
        if isinstance(scene, Walk):
            metadata = self.recipe(scene).to_dict()
            if frames is not None:
                return save_frames(self.subject, scene, frames, metadata=metadata, progress=progress)

            def write(generator: Generator, to: Path) -> None:
                whole = generator is self.subject.generator
                shown = self.subject if whole else dataclasses.replace(self.subject, generator=generator)
                save_film(shown, scene, to, metadata=metadata if whole else None, progress=progress)

            save_previewed(path, self.subject.generator, count, write, self.notice)
            return [Path(path)]
        assert isinstance(scene, Still)
        return save_stills(self.subject, scene, path, rows=self.rows, metadata=lambda page: self.recipe(page).to_dict(), progress=progress)

    def image_count(self, scene: Scene) -> int:
        """How many images `save` draws for a scene: of a film there and back each place once."""
        if isinstance(scene, Walk):
            parts = there_and_back(1.0, scene.frames, scene.ease, rest=len(scene.dimensions) > 1)
            return self.subject.count(scene) * len(set(parts)) * max(1, len(scene.dimensions))
        assert isinstance(scene, Still)
        rows = scene.steps if scene.by is not None else len(scene.dimensions)
        return self.subject.count(scene) * (rows * (scene.steps - 1) + 1 if rows else 2)

    def latents(self, path: str | os.PathLike[str] = "shown.png") -> Tensor:
        """ws [N, num_ws, w_dim] of the pictures that `save` would draw, in the order in which a page is read: dimension by dimension, image
        by image, strength by strength; of edits alone those after them; of a film frame by frame.

        A network without mapping has z for its w.  Raises OptionError for directions in s, which no w can hold.
        """
        scene, directions = self.scene(path), self.subject.directions
        if directions.space == "s":
            raise OptionError("directions in s move styles, which no w holds: leave out --save-w")
        generator, at = self.subject.generator, self.subject.points(scene)
        ways = Ways(self.subject, scene, at)

        def moved(displacements: Tensor) -> Tensor:
            return moved_ws(generator, at, directions, displacements.to(generator.device), scene.layers)

        if isinstance(scene, Walk):
            return torch.cat([moved(movement(ways, scene, index)[1]) for index in scene.dimensions or (None,)]).flatten(0, 1)
        assert isinstance(scene, Still)
        values = strengths(scene.extent, scene.steps)
        if scene.by is not None:
            parts = [moved(ways.plane(scene.dimensions[0], scene.by, values))]
        elif scene.dimensions:
            parts = [moved(ways.walked(index, values)) for index in scene.dimensions]
        else:
            parts = [moved(ways.edited([1.0]))]
        return torch.cat([part.transpose(0, 1).flatten(0, 1) for part in parts])

    def save_w(self, file: str | os.PathLike[str], path: str | os.PathLike[str] = "shown.png") -> None:
        """Write `latents` as .npz under the key "w", as NVIDIA's tools read it and `projected` takes it."""
        check_projected_out(file)
        save_projected(file, self.latents(path))

    def show(self, progress: Progress | None = None) -> Image.Image:
        """The grid, or the pictures before and after the edits, on one page."""
        scene = self.scene("shown.png")
        assert isinstance(scene, Still)
        return draw_still(self.subject, scene, progress)

    def recipe(self, scene: Scene) -> Recipe:
        """What a picture keeps to be made again."""
        directions = self.source.directions
        return Recipe(
            scene=scene,
            checkpoint=shared_name(self.source.checkpoint.path),
            sha256=directions.checkpoint,
            directions=shared_name(self.source.path) if self.source.path else None,
            identity=direction_identity(directions),
            projected=shared_name(self.projected) if self.projected else None,
            projected_identity=None if self.subject.projected is None else tensor_identity(self.subject.projected),
        )

    def to_dict(self, path: str | os.PathLike[str] | None = None, written: Sequence[Path] = ()) -> dict[str, Any]:
        """What is shown, JSON-serialisable; with the paths that were written."""
        directions, source = self.source.directions, self.source
        dimensions, edits = self.values["dimensions"], self.values["edits"]
        return ({"out": str(written[0]), "pages": [str(page) for page in written]} if written else {}) | {
            "dimensions": list(dimensions),
            "names": [directions.name(index) for index in dimensions],
            "edits": [list(edit) for edit in edits],
            "keep": list(self.values.get("keep", ())),
            "method": directions.method,
            "space": directions.space,
            "checkpoint": source.checkpoint.path,
            "directions": str(source.path) if source.path else None,
        }

    def _repr_html_(self) -> str:
        return picture_html(self.show(), "what dimensions do")


def traverse(
    network: Any,
    directions: Any = None,
    dims: int | str | Sequence[int | str] | None = None,
    *,
    by: int | str | None = None,
    keep: int | str | Sequence[int | str] | None = None,
    keep_picture: str | os.PathLike[str] | None = None,
    projected: str | os.PathLike[str] | None = None,
    rows: int | None = None,
    recipe: Recipe | None = None,
    picture: str | os.PathLike[str] | None = None,
    device: str = "auto",
    notice: Notice = quiet,
    **values: Any,
) -> Traversal:
    """Look at dimensions of `directions` in `network`; `.save("walk.gif")` writes a film of it, `.save("grid.png")` a grid.

    `directions` is a DirectionSet, a result that has one, or the name of one.  `network` may be a `Source` that has both; a name without
    `directions` is a SOURCE, as on the command line.
    `dims` are dimensions to walk along, by number, label or range ("0-9", "all"), and edits such as "3:+2" that are applied throughout;
    `by` a second dimension against the first; `keep` those whose change of the picture is taken out of the movement, all along its way
    (`directions.kept`; not of their own); `keep_picture` a picture of the network's proportions, white where images are held as still as
    may be, else black (or with an alpha channel, opaque there); `projected` an .npz with w to start from instead of seeds; `rows` how many
    dimensions go on a page.  All further `values` are those of a scene: seeds, extent (in sigmas), layers, class_index, psi, cutoff,
    noise_mode, size, columns, caption, unit, center; steps of a grid; frames, fps, ease and marker of a film.
    Of large networks on a processor fewer than the four default seeds are shown, as many as a film walks with in a minute or so.
    With `recipe`, what the file `picture` keeps, everything that is not said is as it was there.
    Raises OptionError, DirectionSetError and InputFileError for what does not fit.
    """
    source = source_of(network, directions, device, notice)
    found, generator = source.directions, source.checkpoint.generator
    same_images = recipe is not None and projected is None and "seeds" not in values
    if same_images and recipe is not None and recipe.projected is not None:
        projected = located(recipe.projected, Path(picture or "."))
    ws: Tensor | None = None if projected is None else load_projected(projected, generator)
    subject = Subject(generator, found, source.checkpoint.name, ws)
    values = {name: tuple(value) if isinstance(value, range) else value for name, value in values.items()}
    if isinstance(values.get("layers"), str):
        values["layers"] = named_layers(generator, values["layers"])
    if ws is None and recipe is None and "seeds" not in values:
        most = len(Scene.seeds)
        if (count := affordable_images(generator, most)) < most:
            notice(f"large images: showing {count} of the seeds 0 to {most - 1}; --seeds says otherwise")
            values["seeds"] = Scene.seeds[:count]
    if recipe is not None:
        recipe.check(subject, images=same_images)
        values = recipe.scene.to_dict() | values
    if recipe is None and "steps" not in values:
        extent = values.get("extent", Scene.extent)
        values["steps"] = round_steps(extent) if isinstance(extent, (int, float)) else Still.steps  # the scene checks it
    if dims is not None or recipe is None:
        words = _words(dims)
        values["dimensions"], values["edits"] = chosen_dimensions(found, words)
        if "all" in words and len(values["dimensions"]) < len(found):
            left_out = len(found) - len(values["dimensions"])
            notice(
                f"{left_out} of {len(found)} dimensions, which do less than a hundredth of the most active, are left out; numbers show them"
            )
    if by is not None:
        values["by"] = found.index(by)
    if keep is not None:
        values["keep"] = kept_dimensions(found, _words(keep))
    if keep_picture is not None:
        values["keep_picture"] = painted(keep_picture, generator, notice)
    if ws is None and generator.c_dim:
        values["class_index"] = shown_class(generator, values.get("class_index"), "showing", notice)
    check_noise(source.checkpoint, values.get("noise_mode", "const"), notice)
    say_white(generator, notice)
    say_undrawable((*map(found.shown, range(len(found))), str(values.get("caption") or "")), notice)
    known = {entry.name for kind in (Walk, Still) for entry in dataclasses.fields(kind)}
    if unknown := sorted(set(values) - known):
        raise OptionError(f"a scene has no {unknown[0]!r:.60}; it has {', '.join(sorted(known - {'dimensions', 'edits', 'by'}))}")
    return Traversal(source, subject, values, None if projected is None else Path(projected), rows, notice)


def painted(path: str | os.PathLike[str], generator: Generator, notice: Notice = quiet) -> str:
    """The mask in a picture, as scenes keep it: what is white, or of a picture with transparent parts what is not.

    Of large networks `notice` says what has to be computed first.

    Raises InputFileError for what is no picture, OptionError for one of other proportions or all of one colour.
    """
    picture = read_photograph(path)
    alpha = np.asarray(picture.getchannel("A"), np.float32) / 255
    if not is_small(generator):
        notice(f"--keep-picture: first the gradients of {PROBES // 3} images, to find the directions that move them")
    levels = alpha if alpha.min() < 1 else np.asarray(picture.convert("L"), np.float32) / 255
    return region_text(levels, generator.image_shape)


def edit(network: Any, directions: Any, strengths: Mapping[int | str, float], **values: Any) -> Traversal:
    """Images before and after moving along several dimensions at once, each given by number or label with its strength in sigmas:
    edit(network, directions, {3: 2, "smile": -1}).show(); further `values` as `traverse` takes them."""
    found = source_of(network, directions, values.pop("device", "auto"), values.get("notice", quiet))
    if not strengths:
        raise OptionError("no dimension to move along: give some with their strengths, such as {3: 2}")
    edits = tuple((found.directions.index(dimension), strength) for dimension, strength in strengths.items())
    # The scene checks the strengths.
    moved = Still(edits=edits)
    shown = traverse(found, dims=(), **values)
    return dataclasses.replace(shown, values=shown.values | {"edits": moved.edits})


def source_of(network: Any, directions: Any, device: str = "auto", notice: Notice = quiet) -> Source:
    """A network with its directions: both as they are, or as their names say.

    Raises DirectionSetError where they do not belong together, OptionError for what holds no directions.
    """
    if isinstance(network, Source) and directions is None:
        return network
    by_name = directions is None or isinstance(directions, (str, Path))
    if isinstance(network, (str, Path)) and by_name:
        return resolve(network, directions=directions, device=device, notice=notice)
    loaded = network.checkpoint if isinstance(network, Source) else network_of(network, device, notice)
    if isinstance(directions, (str, Path)):
        path = named_by(directions, notice=notice).path
        if path is None:
            raise OptionError(f"{directions} has no directions; name a run or a directions.safetensors")
        found: Any = load_directions(path)
    else:
        path, found = None, directions if isinstance(directions, DirectionSet) else getattr(directions, "directions", None)
    if not isinstance(found, DirectionSet):
        raise OptionError(f"{type(directions).__name__} holds no directions; pass a DirectionSet, or what discover() or sefa() returned")
    found.check_fits(loaded.generator, loaded.sha256)
    return Source(loaded, found, path)


def _words(dims: Any) -> list[int | str]:
    """What `dims` names, as words of `--dim`: the first dimension for None.  Raises OptionError for what is neither number nor word."""
    if dims is None:
        return [0]
    words = list(dims) if isinstance(dims, Iterable) and not isinstance(dims, str) else [dims]
    if any(isinstance(word, bool) or not isinstance(word, (int, str)) for word in words):
        raise OptionError(f"dims {dims!r:.60} is neither a dimension (a number or a label) nor a list of some")
    return words


def frames_of(path: str | os.PathLike[str]) -> Numbered | None:
    """Where the frames of a film go one by one, if `path` is a folder/ or a name such as frame_%04d.png."""
    return numbered(path, "frame")


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Raise OptionError for a name that is neither a film's nor a picture's, nor one of numbered frames."""
    frames = frames_of(path)
    if Path(path).is_dir() and not os.fspath(path).endswith(("/", os.sep)):
        raise OptionError(f"cannot write {path}: it is a folder; name a file in it, or end it in a slash for a film's frames")
    if frames is not None and frames.suffix.lower() not in PICTURES:
        raise OptionError(f"cannot write {path}: frames one by one are pictures, whose names end in {', '.join(PICTURES)}")
    if frames is None and Path(path).suffix.lower() not in FILMS + STILLS:
        told = f"its name must end in one of {', '.join(FILMS + STILLS)}, or in a slash for a folder of frames"
        raise OptionError(f"cannot write {path}: {told}")


def check_out(path: str | os.PathLike[str]) -> None:
    """Raise, before anything is loaded, what `save` would: OptionError for a name, OutputFileError for a place that cannot be."""
    check_suffix(path)
    if frames_of(path) is None:
        written_file(path)


def default_out(traversal: Traversal, remade: Scene | None = None) -> Path:
    """Where the picture goes if nobody says."""
    if remade is not None:
        return Path("again.gif" if isinstance(remade, Walk) else "again.png")
    if traversal.values.get("by") is not None:
        return Path("grid.png")
    return Path("walk.gif" if traversal.values["dimensions"] else "edit.png")


def shared_name(path: str | Path) -> str:
    """How a picture that goes to others names a file: relative to this folder where it lies below, else by its last part alone.

    The folders of whoever made it are nobody's business.
    """
    try:
        relative = Path(os.path.abspath(path)).relative_to(Path.cwd())
    except ValueError:
        relative = Path(Path(path).name)
    return "".join(character if character.isprintable() and character not in '\\:"' else "_" for character in relative.as_posix())


def located(name: str, picture: Path) -> Path | None:
    """The regular file a picture's name stands for, in this folder, beside the picture, or in the bundled demonstration."""
    bundled = {path.name: path for path in demonstration()}
    candidates = [Path(name), picture.parent / name]
    last = Path(name).name
    if last in bundled and name in (last, f"checkpoints/{last}"):
        candidates.append(bundled[last])
    return next((path for path in candidates if path.is_file()), None)


def named_in(recipe: Recipe, picture: Path, *, own: bool = False, command: str = "traverse") -> tuple[dict[str, Any], str]:
    """(what `resolve` is asked for the network and directions that a picture names, the words for them); `own`: the network is the user's.

    Raises InputFileError where a named file is neither in this folder, nor beside the picture, nor bundled.
    """
    checkpoint = None if own else located(recipe.checkpoint, picture)
    if not recipe.identity and own:
        return {}, ""
    wanted = recipe.directions or recipe.checkpoint
    kept = located(wanted, picture)
    if kept is None:
        raise InputFileError(f"{picture} was made with {wanted}, which is not here; name it: orojar {command} SOURCE --from {picture}")
    told = f"made with {kept}" + (f" and {checkpoint}" if checkpoint and recipe.directions else "")
    if recipe.directions is None:
        return {"source": str(kept)} | ({"directions": SEFA} if recipe.identity else {}), told
    return {"directions": str(kept), "network": str(checkpoint) if checkpoint else None}, told
