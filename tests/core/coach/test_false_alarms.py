"""The coach's rules on simulated trainings: at most one false alarm in twenty, and what is there is found.

The same as `python -m bench.coach_rules`, with fewer histories.
"""

from collections import Counter

import numpy as np
import pytest

from tests.support.simulated_cases import CLEAR, NULLS, Case

ONCE_IN = 0.05
HISTORIES = {kinds: max(6, 600 // len(cases)) for kinds, cases in NULLS.items()}


@pytest.mark.parametrize("kinds", list(NULLS), ids=lambda kinds: kinds.split()[0])
def test_no_rule_cries_wolf(kinds: str) -> None:
    cases = NULLS[kinds][:: max(1, len(NULLS[kinds]) // 40)]
    spoke = Counter(
        kind
        for place, case in enumerate(cases)
        for rng in (np.random.default_rng([5, place]),)
        for _ in range(HISTORIES[kinds])
        for kind in case.kinds(rng)
    )
    total = len(cases) * HISTORIES[kinds]
    assert {kind: spoke[kind] / total for kind in kinds.split() if spoke[kind] > ONCE_IN * total} == {}


@pytest.mark.parametrize("kind", list(CLEAR))
def test_a_clear_case_is_found(kind: str) -> None:
    least = {"noise": 0.2, "plateau": 0.2, "underfitting": 0.5}.get(kind, 0.7)  # these stay silent in doubt

    def share(case: Case) -> float:
        rng = np.random.default_rng(3)
        return sum(kind in case.kinds(rng) for _ in range(30)) / 30

    assert np.mean([share(case) for case in CLEAR[kind]]) >= least
