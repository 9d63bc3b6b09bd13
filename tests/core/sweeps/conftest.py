"""Sweeps wake the scheduler of their data root; it ends with the test."""

import pytest


@pytest.fixture(autouse=True)
def _ended(ended_processes: None) -> None:
    """End what a test has started."""
