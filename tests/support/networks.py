"""The networks of the catalog as test cases; the two that take seconds for each question count as slow."""

import pytest

from models.catalog import CATALOG

LARGE = ("vgg16", "vit_b_16")
NETWORKS = [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in CATALOG]
