"""The folders of a source as a tree of pictures, and the changes that only tidy it.

Each change takes folders that hold no class of their own out of the way and notes it: masks next to images, a dataset
that holds itself once more, folders that only wrap others.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from core.datasets.labels.words import (
    MASK_WORDS,
    is_documentation,
    is_image_folder,
    is_mask_folder,
    is_variant,
    listed,
    name_key,
    split_name,
    words_of,
)
from core.formatting import format_count

OUTSIDE = "lies outside any class folder: move it into one, or leave it out."
FEW = 3  # loose pictures that need no question
FEW_SHARE = 0.05
MASK_FILE = re.compile(r"(.+?)[ _.-]+(mask|seg|segmentation|gt|trimap|annotation)[ _.-]*\d*", re.IGNORECASE)


@dataclass(eq=False)
class Folder:
    """A folder that holds pictures, itself or below.

    Attributes:
        name: as people read it.
        pictures: numbers of the pictures that lie directly in it.
        folders: by the key of their name, in the order of their names.
    """

    name: str
    pictures: list[int] = field(default_factory=list)
    folders: dict[str, "Folder"] = field(default_factory=dict)

    def all_pictures(self) -> Iterator[int]:
        """Numbers of the pictures here and below."""
        yield from self.pictures
        for folder in self.folders.values():
            yield from folder.all_pictures()

    def count(self) -> int:
        return len(self.pictures) + sum(folder.count() for folder in self.folders.values())

    def without(self, keys: Sequence[str]) -> "Folder":
        """The same folder without some of its folders."""
        return Folder(self.name, self.pictures, {key: item for key, item in self.folders.items() if key not in keys})


@dataclass
class Tidied:
    """What tidying took away: numbers of pictures with why, sentences for the report, pictures that need a reason."""

    left_out: set[int] = field(default_factory=set)
    problems: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, folder: Folder, note: str) -> None:
        """Leave out all pictures of a folder, for the reason that the note gives."""
        self.left_out.update(folder.all_pictures())
        self.notes.append(note)


def build_tree(paths: Mapping[int, tuple[str, ...]]) -> Folder:
    """The tree of pictures; folders whose names differ in Unicode form only are one."""
    root = Folder("")
    for number, parts in paths.items():
        here = root
        for name in parts[:-1]:
            here = here.folders.setdefault(_exact_key(name), Folder(name))
        here.pictures.append(number)
    return root


def _exact_key(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split())


def merge(name: str, folders: Sequence[Folder]) -> Folder:
    """Several folders as one: folders of one name, whatever its capitals, are put together.

    Where one of the folders holds names that differ in capitals only, capitals count.
    """
    if len(folders) == 1:
        return Folder(name, folders[0].pictures, folders[0].folders)
    apart = any(len(keys_of(folder)) < len(folder.folders) for folder in folders)
    pictures = [number for folder in folders for number in folder.pictures]
    same: dict[str, list[Folder]] = {}
    for folder in folders:
        for item in folder.folders.values():
            same.setdefault(_exact_key(item.name) if apart else name_key(item.name), []).append(item)
    return Folder(name, pictures, {key: merge(items[0].name, items) for key, items in same.items()})


def keys_of(folder: Folder) -> set[str]:
    """The names of its folders, whatever their capitals."""
    return {name_key(item.name) for item in folder.folders.values()}


def shared_names(folders: Sequence[Folder]) -> set[str]:
    """Names of folders that at least two of the given ones hold."""
    seen: set[str] = set()
    twice: set[str] = set()
    for folder in folders:
        keys = keys_of(folder)
        twice |= keys & seen
        seen |= keys
    return twice


def drop_masks(folder: Folder, paths: Mapping[int, tuple[str, ...]], tidied: Tidied) -> Folder:
    """Without folders of masks or annotations next to a folder of images, and `1_mask.png` next to `1.png`."""
    kids = {key: drop_masks(item, paths, tidied) for key, item in folder.folders.items()}
    images = [item.name for item in kids.values() if is_image_folder(item.name)]
    masks = [key for key, item in kids.items() if is_mask_folder(item.name) and not is_image_folder(item.name)]
    if images and masks and len(images) + len(masks) >= len(kids) - 1:
        for key in masks:
            item = kids.pop(key)
            note = f"The folder {item.name} next to {images[0]} was left out: its name speaks of masks or annotations."
            if note not in tidied.notes:
                tidied.notes.append(note)
            tidied.left_out.update(item.all_pictures())
    stems = _stems(folder, paths)
    copies = {
        key: f"its files have the names of those in {folder.name or 'the folder above'}"
        for key, item in kids.items()
        if is_variant(item.name) and not item.folders and len(item.pictures) > 0 and _stems(item, paths) <= stems
    }
    copies |= dict.fromkeys(_masks_of_others(kids, paths), "its name and files are those of masks of the folder beside")
    for key, why in copies.items():
        tidied.leave_out(kids[key], f"The folder {kids[key].name} was left out: {why}.")
        del kids[key]
    own = []
    for number in folder.pictures:
        found = MASK_FILE.fullmatch(PurePosixPath(paths[number][-1]).stem)
        if found and found[1].casefold() in stems:
            tidied.left_out.add(number)
        else:
            own.append(number)
    if len(own) < len(folder.pictures):
        masked = len(folder.pictures) - len(own)
        where = f"in {folder.name} " if folder.name else ""
        tidied.notes.append(
            f"{masked:,} files {where}were left out: their names say that they are masks of other pictures."
        )
    return Folder(folder.name, own, kids)


def _stems(folder: Folder, paths: Mapping[int, tuple[str, ...]]) -> set[str]:
    return {PurePosixPath(paths[number][-1]).stem.casefold() for number in folder.pictures}


def _masks_of_others(kids: Mapping[str, Folder], paths: Mapping[int, tuple[str, ...]]) -> list[str]:
    """`cat_mask` next to `cat`, `dog_mask` next to `dog`; one such pair alone may be two classes."""
    by_words = {tuple(words_of(item.name)): item for item in kids.values() if not item.folders}
    found = []
    for words, item in by_words.items():
        other = by_words.get(tuple(word for word in words if word not in MASK_WORDS))
        if other not in (None, item) and item.pictures and _stems(item, paths) <= _stems(other, paths):
            found.append(next(key for key, kid in kids.items() if kid is item))
    return found if len(found) > 1 else []


def drop_loose(folder: Folder, tidied: Tidied) -> Folder:
    """Without the few pictures that lie next to folders."""
    if folder.folders and 0 < len(folder.pictures) <= max(FEW, FEW_SHARE * folder.count()):
        for number in folder.pictures:
            tidied.problems[number] = OUTSIDE
        return Folder(folder.name, [], folder.folders)
    return folder


def drop_documentation(folder: Folder, tidied: Tidied) -> Folder:
    """Without folders of a few pictures that are no class: `docs` next to classes, a stray one next to the dataset."""
    whole = folder.count()
    splits = [key for key, item in folder.folders.items() if split_name(item.name)]
    structured = any(item.folders for item in folder.folders.values())
    stray = [
        key
        for key, item in folder.folders.items()
        if not peel(item).folders
        and not (len(splits) > 1 and key in splits)
        and (structured or is_documentation(item.name))
        and item.count() <= max(FEW, FEW_SHARE * whole if structured else 0)
        and len(folder.folders) > 1
        and (is_documentation(item.name) or sum(bool(other.folders) for other in folder.folders.values()) == 1)
    ]
    if sum(folder.folders[key].count() for key in stray) > max(FEW, FEW_SHARE * whole):
        stray = [key for key in stray if is_documentation(folder.folders[key].name)]
    if not stray or len(stray) >= len(folder.folders):
        return folder
    for key in stray:
        item = folder.folders[key]
        held = format_count(item.count(), "picture")
        tidied.leave_out(item, f"The folder {item.name} was left out: it holds {held} outside the classes.")
    return folder.without(stray)


def drop_nested_copy(
    folder: Folder, paths: Mapping[int, tuple[str, ...]], sizes: Mapping[int, int], tidied: Tidied
) -> Folder:
    """Without the same dataset once more inside itself; where it holds other files, those are put together."""
    for key, item in folder.folders.items():
        inner = peel(item)
        if not inner.folders:
            continue
        rest = folder.without([key])
        twins = [other for other in rest.folders.values() if name_key(other.name) == name_key(item.name)]
        if twins and len(inner.folders) > 1 and _listed(inner, paths, sizes) == _listed(peel(twins[0]), paths, sizes):
            tidied.leave_out(item, f"The folder {item.name} holds the same as {twins[0].name} and was left out.")
            return rest
        if len(keys_of(inner) & keys_of(rest)) < 2 or keys_of(inner) - keys_of(rest) or split_name(item.name):
            continue
        if _files(inner, paths, sizes) == _files(rest, paths, sizes):
            tidied.leave_out(item, f"The folder {item.name} holds the same dataset once more and was left out.")
            return rest
        tidied.notes.append(f"The folder {item.name} holds more of the same folders: they were put together.")
        return merge(folder.name, [rest, inner])
    return folder


def _listed(folder: Folder, paths: Mapping[int, tuple[str, ...]], sizes: Mapping[int, int]) -> list[tuple[str, ...]]:
    """Every picture below a folder: the folders above it, its name and size."""
    out: list[tuple[str, ...]] = [(paths[number][-1], str(sizes[number])) for number in folder.pictures]
    for item in folder.folders.values():
        out.extend((name_key(item.name), *rest) for rest in _listed(item, paths, sizes))
    return sorted(out)


def _files(
    folder: Folder, paths: Mapping[int, tuple[str, ...]], sizes: Mapping[int, int]
) -> list[tuple[str, str, int]]:
    return sorted(
        (name_key(item.name), paths[number][-1], sizes[number])
        for item in folder.folders.values()
        for number in item.all_pictures()
    )


def peel(folder: Folder) -> Folder:
    """The folder below those that only wrap it: each holds one folder and nothing else."""
    while not folder.pictures and len(folder.folders) == 1:
        (inner,) = folder.folders.values()
        if not inner.folders and not is_image_folder(inner.name) and name_key(inner.name) != name_key(folder.name):
            break
        folder = inner
    return folder


def describe(folders: Sequence[Folder]) -> str:
    """Their names for a sentence."""
    return listed([folder.name for folder in folders])
