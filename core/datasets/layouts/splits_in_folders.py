"""Folders that are splits: `train` and `test` above the classes, below each class, or in the names of class folders."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from core.datasets.labels.words import SplitName, are_parts, is_mask_folder, listed, name_key, resolve_eval, split_name
from core.datasets.layouts.tree import Folder, Tidied, keys_of, merge, peel, shared_names
from core.formatting import SPLIT_NAMES, format_count

OTHERS_SHARE = 0.2  # of the pictures may lie outside folders with a split's name
ORDER = ("train", "val", "test")
LABELLED = {*ORDER, "eval"}
Clean = Callable[[Folder], Folder]  # takes away what wraps or repeats the classes of one split
LabelsOf = Callable[[Sequence[int], Sequence[str]], Mapping[int, str]]  # pictures, class names -> what labels are known


def take_splits(
    root: Folder, splits: dict[int, str], labels_of: LabelsOf, clean: Clean, tidied: Tidied
) -> Folder | None:
    """The tree without its layer of split folders, and in `splits` the split of every picture; None without such.

    Args:
        labels_of: finds the labels of pictures that lie in no class folder, from their names or a table.
    """
    root = _lift_inner_splits(root, tidied)
    return (
        _splits_in_class_names(root, splits)
        or _splits_above_classes(root, splits, labels_of, clean, tidied)
        or _splits_below_classes(root, splits)
    )


def _spoken(folder: Folder) -> dict[str, SplitName]:
    named = {key: split_name(item.name) for key, item in folder.folders.items()}
    return {key: name for key, name in named.items() if name}


def _lift_inner_splits(root: Folder, tidied: Tidied) -> Folder:
    """`train/val` out of `train`, and `test` from between the classes that it holds once more."""
    spoken = _spoken(root)
    inner = _inner_splits(root)
    if inner:
        rest = root.without(inner)
        named = split_name(root.name)
        name = root.name if named and named.split == "train" else "training folders"
        tidied.notes.append(
            f"The folders next to {listed([root.folders[key].name for key in inner])} are for training."
        )
        return Folder(
            root.name, [], {name: Folder(name, rest.pictures, rest.folders)} | {key: root.folders[key] for key in inner}
        )
    folders = dict(root.folders)
    for key in spoken:
        whole = merge("", [peel(root.folders[key])])
        for split in _inner_splits(whole):
            folders[f"{key}/{split}"] = whole.folders[split]
            whole = whole.without([split])
            folders[key] = Folder(root.folders[key].name, whole.pictures, whole.folders)
    return Folder(root.name, root.pictures, folders)


def _inner_splits(folder: Folder) -> list[str]:
    """Keys of folders of held-out pictures that hold the same class folders as lie next to them."""
    held_out = [key for key, name in _spoken(folder).items() if name.split in ("val", "test", "eval") and not name.rest]
    classes = keys_of(folder.without(held_out))
    found = [key for key in held_out if len(keys_of(peel(folder.folders[key])) & classes) > 1]
    return found if found == held_out else []


def _set(splits: dict[int, str], folder: Folder, split: str) -> None:
    splits.update(dict.fromkeys(folder.all_pictures(), split))


def _splits_in_class_names(root: Folder, splits: dict[int, str]) -> Folder | None:
    """`train_cats`, `train_dogs`, `test_cats`, `test_dogs`."""
    spoken = _spoken(root)
    kinds = {name.split for name in spoken.values()}
    classes = {split: {name.rest for name in spoken.values() if name.split == split} for split in kinds}
    fits = (
        len(spoken) == len(root.folders) and len(kinds) > 1 and kinds <= LABELLED and len(classes.get("train", ())) > 1
    )
    if not fits or not all(rests <= classes["train"] and "" not in rests for rests in classes.values()):
        return None
    by_rest: dict[str, list[Folder]] = {}
    for key, name in spoken.items():
        by_rest.setdefault(name.rest, []).append(peel(root.folders[key]))
    if len(shared_names([merge("", folders) for folders in by_rest.values()])) > 1:
        return None  # `day_train/cat`, `night_train/cat`: the classes are below
    by_split: dict[str, list[Folder]] = {}
    for key, name in spoken.items():
        folder = root.folders[key]
        split = resolve_eval(kinds, name.split)
        _set(splits, folder, split)
        by_split.setdefault(split, []).append(
            Folder("", [], {name.rest: Folder(name.rest, list(folder.all_pictures()))})
        )
    return merge("", [folder for split in ORDER for folder in by_split.get(split, [])])


def _splits_above_classes(
    root: Folder, splits: dict[int, str], labels_of: LabelsOf, clean: Clean, tidied: Tidied
) -> Folder | None:
    spoken = _spoken(root)
    others = [key for key in root.folders if key not in spoken]
    kinds = {name.split for name in spoken.values()}
    if "train" not in kinds and kinds & {"val", "test", "eval"}:
        # `rps` next to `rps-test-set`: the folder with the same classes and no split's name is for training
        classes = {name for key in spoken for name in keys_of(peel(root.folders[key]))}
        held = {key: keys_of(peel(root.folders[key])) for key in others}
        alike = [key for key in others if len(held[key] & classes if classes else held[key]) > 1]
        if len(alike) == 1:
            spoken[alike[0]] = SplitName("train", "")
            others.remove(alike[0])
            kinds.add("train")
    outside = sum(root.folders[key].count() for key in others)
    if "train" not in kinds or len(kinds) < 2 or outside > OTHERS_SHARE * root.count():
        return None
    pure = {name.split for key, name in spoken.items() if not is_mask_folder(root.folders[key].name)}
    for key in [key for key, name in spoken.items() if is_mask_folder(root.folders[key].name) and name.split in pure]:
        item = root.folders[key]
        tidied.leave_out(item, f"The folder {item.name} was left out: its name speaks of masks or annotations.")
        del spoken[key]
    nodes: dict[str, list[Folder]] = {}
    for key, name in spoken.items():
        nodes.setdefault(resolve_eval(kinds, name.split), []).append(
            merge(root.folders[key].name, [clean(root.folders[key])])
        )
    if any(folder.folders for items in nodes.values() for folder in items) and not any(
        folder.folders for folder in nodes["train"]
    ):
        return None
    for key in others:
        item = root.folders[key]
        pictures = format_count(item.count(), "picture")
        tidied.leave_out(item, f"The folder {item.name} next to the split folders was left out ({pictures}).")
    _leave_out_unlabelled(nodes, labels_of, tidied)
    used = {split: [folder for folder in nodes.get(split, []) if folder.count()] for split in ORDER}
    named = [f"{SPLIT_NAMES[split]} ({listed([item.name for item in used[split]])})" for split in ORDER if used[split]]
    if len(named) > 1:
        tidied.notes.append(f"The splits are those of the folders: {listed(named)}.")
    for split, folders in used.items():
        for folder in folders:
            _set(splits, folder, split)
    return merge("", [folder for split in ORDER for folder in nodes.get(split, [])])


def _leave_out_unlabelled(nodes: dict[str, list[Folder]], labels_of: LabelsOf, tidied: Tidied) -> None:
    """Sort the pictures of flat split folders into classes where something labels them; leave out the rest."""
    classes = [item.name for folder in nodes["train"] for item in folder.folders.values()]
    flat_training = not classes
    for split, folders in nodes.items():
        for place, folder in enumerate(folders):
            if split == "unlabelled":
                _note_unlabelled(folder, tidied)
            elif not folder.folders and not (flat_training and split == "train"):
                known = labels_of(folder.pictures, classes)
                if len(known) < len(folder.pictures) / 2:
                    _note_unlabelled(folder, tidied)
                    folders[place] = Folder(folder.name)
                elif classes:
                    for number in set(folder.pictures) - set(known):
                        tidied.problems[number] = "has no label: move it into a class folder, or leave it out."
                    sorted_in: dict[str, list[int]] = {}
                    for number, label in known.items():
                        sorted_in.setdefault(label, []).append(number)
                    folders[place] = Folder(folder.name, [], {key: Folder(key, own) for key, own in sorted_in.items()})


def _note_unlabelled(folder: Folder, tidied: Tidied) -> None:
    tidied.leave_out(
        folder,
        f"The folder {folder.name} was left out: nothing labels its {format_count(folder.count(), 'picture')}, so "
        "try them on the Predict page after a training.",
    )


def _splits_below_classes(root: Folder, splits: dict[int, str]) -> Folder | None:
    """`cat/train`, `cat/test`, `dog/train`, `dog/test`."""
    inner = {key: _spoken(item) for key, item in root.folders.items()}
    fits = len(inner) > 1 and all(
        len(names) == len(root.folders[key].folders) > 0 and not root.folders[key].pictures
        for key, names in inner.items()
    )
    kinds = {name.split for names in inner.values() for name in names.values()}
    parts = are_parts([item.name for item in root.folders.values()])  # each fold has splits of its own
    if not fits or parts or "train" not in kinds or len(kinds) < 2 or not kinds <= LABELLED:
        return None
    classes: dict[str, Folder] = {}
    for key, names in inner.items():
        folder = root.folders[key]
        for split_key, name in names.items():
            _set(splits, folder.folders[split_key], resolve_eval(kinds, name.split))
        classes[key] = merge(folder.name, [peel(folder.folders[split_key]) for split_key in names])
    return Folder(root.name, root.pictures, classes)


def name_classes(labels: Mapping[int, str], classes: Sequence[str]) -> dict[int, str]:
    """Labels as the classes are written: in other capitals, or 7 for the class 00007."""
    by_key = {_class_key(name): name for name in classes}
    if len(by_key) < len(classes):
        by_key = {}
    return {number: by_key.get(_class_key(label), label) for number, label in labels.items()}


def _class_key(name: str) -> str:
    key = name_key(name)
    return str(int(key)) if key.isdecimal() else key


def class_in_name(file_name: str, classes: Sequence[str]) -> str | None:
    """The class that a file name begins with: `nothing_test.jpg` is `nothing`; a running number names no class."""
    stem = name_key(PurePosixPath(file_name).stem)
    if stem.isdecimal():
        return None
    for label in sorted(classes, key=len, reverse=True):
        key = name_key(label)
        if stem.startswith(key) and not stem[len(key) : len(key) + 1].isalpha():
            return label
    return None
