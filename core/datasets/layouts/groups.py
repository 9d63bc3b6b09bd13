"""Groups: pictures that belong together, such as those of one person, plant or burst, by file name or table.

A group is in one split. Its name may have levels, the widest first: in `ana/burst-3` all of Ana's pictures are a group,
and where there are too few people for that, each of her bursts is one.
"""

import re
from collections.abc import Collection, Mapping, Sequence

from core.datasets.labels.labelled_files import JoinedTables
from core.datasets.sources.source import SourceEntry
from core.errors import ConfigError
from core.formatting import format_count

COLUMNS = re.compile(r"(group|person|subject|patient|user|burst|session|plant|animal)(_?id)?s?", re.IGNORECASE)
FEW = 2  # groups: fewer divide nothing


def groups_in_names(entries: Sequence[SourceEntry], numbers: Collection[int], pattern: str) -> dict[int, str]:
    """Group of each file whose name matches: the pattern's first bracket, or all that matches where it has none.

    Args:
        numbers: of the entries that are pictures with a label.
        pattern: a regular expression, searched in the whole path, such as `(person\\d+)_`.
    Raises:
        ConfigError: it is no regular expression, or no name matches.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            {"groups": f"The pattern {pattern[:60]!r} is not a regular expression ({error}): write one such as (.+)_."}
        ) from error
    found = {}
    for number in numbers:
        match = expression.search(entries[number].name)
        if match and (group := match[1] if expression.groups else match[0]):
            found[number] = group
    if not found:
        raise ConfigError(
            {"groups": f"No file name matches the pattern {pattern[:60]!r}: write one that finds the group in a name "
             f"such as {entries[next(iter(numbers))].name[:80]}."}
        )  # fmt: skip
    return found


def groups_in_tables(tables: Sequence[JoinedTables], labels: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    """Group of each file by a column called `group`, `patient_id`, `person` or the like; `notes` names the column.

    Args:
        labels: of the files: a column that says the same as they is no group.
    """
    for whole in tables:
        for place, column in enumerate(whole.table.columns):
            if column == whole.files.name or not COLUMNS.fullmatch(column.strip()):
                continue
            cells = {file: whole.table.rows[row][place].strip() for row, file in whole.files.files.items()}
            found = {file: text for file, text in cells.items() if text and file in labels}
            names = set(found.values())
            pairs = {(text, labels[file]) for file, text in found.items()}
            is_label = len(pairs) == len(names) == len(set(labels.values()))
            if len(names) >= FEW and not is_label:
                notes.append(
                    f"Pictures with the same {column!r} stay in one split: {format_count(len(names), 'group')}."
                )
                return found
    return {}
