"""The files of a room's games: the newest game of a kind, and the record of one."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from core.errors import GameError
from core.storage import is_id, list_ids

Record = TypeVar("Record")
View = TypeVar("View")


def newest(folder: Path, view: Callable[[str], View]) -> View | None:
    """The newest game in a folder that `view` can read by its id; None where there is none."""
    for name in reversed(list_ids(folder)):
        with suppress(GameError):
            return view(name)
    return None


def read_game(
    adapter: TypeAdapter[Record], folder: Path, game_id: str, name: str, *, missing: str, damaged: str
) -> Record:
    """The record of a game, the file `name` in the folder of its id.

    Args:
        game_id: of any text.
        missing, damaged: sentences for people.
    Raises:
        GameError: there is no such game, or its record is damaged.
    """
    if not is_id(game_id):
        raise GameError(missing)
    try:
        return adapter.validate_json((folder / game_id / name).read_bytes())
    except FileNotFoundError:
        raise GameError(missing) from None
    except (OSError, ValueError) as error:
        raise GameError(damaged) from error
