"""Lists of files that are a dataset's own splits: `train.txt` and `test.txt` next to class folders or a table."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from core.datasets.labels.file_columns import match_files
from core.datasets.labels.label_tables import LabelTable
from core.datasets.labels.words import SPLIT_WORDS, listed, resolve_eval, words_of
from core.formatting import format_count

COVERED = 0.9  # of the pictures must be in a list
WORTH_A_NOTE = 0.1
FLAGS = "train_test_split"  # of CUB-200-2011 and NABirds: the id of a picture and 1 where it is for training
PATHS = "images"  # there, the id of a picture and its path


def splits_of_list(name: str) -> set[str]:
    """The splits that a list's name speaks of: train and val for `train_val_list.txt`."""
    words = [SPLIT_WORDS.get(word) for word in _split_compounds(words_of(PurePosixPath(name).stem))]
    return {word for word in words if word and word != "unlabelled"}


def _split_compounds(words: Collection[str]) -> list[str]:
    return [part for word in words for part in (("train", "val") if word == "trainval" else (word,))]


def text_list(name: str, text: str) -> LabelTable:
    """A text of one file a line; what stands after a blank may be a label."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return LabelTable(name, ("line", "start"), tuple((line, line.split()[0]) for line in lines))


def join_flags(lists: Mapping[str, LabelTable], names: Collection[str]) -> dict[str, str]:
    """File -> split by a list of ids with 1 for training and 0 for test.

    Source: README of CUB-200-2011 (Wah et al. 2011).
    """
    by_stem = {PurePosixPath(name).stem.lower(): table for name, table in lists.items()}
    if FLAGS not in by_stem:
        return {}
    cells = [line.split() for line in by_stem[FLAGS].column("line")]
    flags = {cell[0]: cell[1] for cell in cells if len(cell) == 2 and cell[1] in ("0", "1")}
    paths = {}
    if PATHS in by_stem:
        paths = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[-1] for line in by_stem[PATHS].column("line")}
    table = LabelTable(FLAGS, ("file",), tuple((paths.get(key, key),) for key in flags))
    found = match_files(table, names)
    places = dict(found.files) if found else {}
    return {places[row]: ("test", "train")[int(flag)] for row, flag in enumerate(flags.values()) if row in places}


def read_split_lists(
    lists: Mapping[str, LabelTable], files: Collection[str], labelled: Collection[str], notes: list[str]
) -> dict[str, str]:
    """File -> split, where lists name most files and no file twice; else nothing.

    Args:
        lists: by their name in the source.
        files: names of all pictures.
        labelled: those that have a label.
        notes: gets a sentence on the lists that were used, or could not be.
    """
    flagged = join_flags(lists, files)
    found_in: dict[str, set[str]] = defaultdict(set)
    used = [FLAGS + ".txt"] if flagged else []
    for file, split in flagged.items():
        found_in[file].add(split)
    by_end: dict[str, list[str]] = defaultdict(list)
    for file in files:
        for end in {_end(file), _end(file).rpartition(".")[0]}:
            by_end[end].append(file)
    spoken = {name: splits_of_list(name) for name in lists if not flagged}
    apart = {next(iter(splits)) for splits in spoken.values() if len(splits) == 1}
    for name, splits in spoken.items():
        if not splits or (len(splits) > 1 and (splits != {"train", "val"} or splits <= apart)):
            continue  # `trainval` next to `train` and `val` says nothing more
        split = "train" if len(splits) > 1 else resolve_eval(apart, next(iter(splits)))
        found = _listed_files(lists[name], files, by_end)
        if found:
            used.append(PurePosixPath(name).name)
            for file in found:
                found_in[file].add(split)
    given = {name: found_in[name] for name in labelled if name in found_in}
    kinds = set().union(*given.values())
    if "train" not in kinds or len(kinds) < 2 or len(given) < WORTH_A_NOTE * len(labelled):
        return {}
    if any(len(splits) > 1 for splits in given.values()):
        notes.append(f"The lists {listed(used)} put pictures into more than one split and were not used.")
        return {}
    if len(given) < COVERED * len(labelled):
        notes.append(f"The lists {listed(used)} name {len(given):,} of {len(labelled):,} pictures and were not used.")
        return {}
    notes.append(f"The splits are those of {listed(used)}.")
    rest = [name for name in labelled if name not in given]
    if rest:
        notes.append(f"{format_count(len(rest), 'picture')} in none of these lists counted as training pictures.")
    return {**dict.fromkeys(rest, "train"), **{file: next(iter(splits)) for file, splits in given.items()}}


def _end(path: str) -> str:
    """The last folder and the file's name."""
    return "/".join(path.replace("\\", "/").casefold().split("/")[-2:])


def _listed_files(table: LabelTable, files: Collection[str], by_end: Mapping[str, list[str]]) -> set[str]:
    """The files that a list names: by their last folder where that is clear, which is quick for long lists."""
    for column in table.columns:
        fits = [by_end.get(_end(value), []) for value in table.column(column) if "/" in value]
        if fits and all(len(found) == 1 for found in fits):
            return {found[0] for found in fits}
    matched = match_files(table, files)
    return set(matched.files.values()) if matched else set()
