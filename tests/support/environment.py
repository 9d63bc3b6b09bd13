"""What a test needs of this machine, and what happens where it is missing."""

import os
from pathlib import Path

import pytest

from core.settings import PROJECT_ROOT


def skip_or_fail(reason: str) -> None:
    """Skip a test that lacks something, or fail it where `CI=true` promises that nothing is lacking."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


def shared_folder() -> Path:
    """Where real photographs and weights lie: `TUNEMYPETS_SHARED`, by default `shared/` beside the project."""
    return Path(os.environ.get("TUNEMYPETS_SHARED", PROJECT_ROOT.parent / "shared"))
