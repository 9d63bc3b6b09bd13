"""Advice leads somewhere: whoever follows it, whatever is seen then, is never sent back."""

import dataclasses
from collections.abc import Iterator

import pytest

from core.coach import advice
from core.coach.fit_rules import describe_weakness
from core.coach.review import RULES
from core.coach.run_facts import RunFacts
from core.config.events import Mirrored
from core.config.train_config import TrainConfig
from tests.support.curve_facts import (
    CREEPING,
    FALLING,
    FLAT,
    HEALTHY,
    OVERFIT,
    SCRATCH,
    evaluated,
    facts,
    score,
)

POOR = facts([0.60, 0.55, 0.51, 0.49, 0.46, 0.43] * 2, [0.6] * 12, [0.74] * 12, [0.71] * 12)
PLATEAU = facts([0.3] * 10, [0.5, 0.4, 0.3, *[0.25] * 7], [0.9] * 10, [0.9] * 10)
LATE = facts([0.3] * 8, [0.4, 0.3, 0.31, 0.33, 0.34, 0.35, 0.36, 0.37], [0.9] * 8, [0.8, 0.95, *[0.8] * 6])
LOUD = facts([4.1, 3.4, 1.9, 1.95], [4.0, 3.7, 2.6, 1.8], [0.5] * 4, [0.5] * 4)
ALWAYS = dataclasses.replace(
    HEALTHY, tested=evaluated(90, 180), scores=(score("cat", 90, 0, 0), score("dog", 90, 90, 180))
)
SWAPPED = Mirrored(20, [[0, 0, 1, 9], [0, 0, 0, 1], [1, 1, 0, 10]], [], 0.1)
ALIKE = Mirrored(20, [[0, 0, 0, 10], [1, 1, 1, 10]], [], 0.1)
SEEN = [
    *(HEALTHY, OVERFIT, FLAT, FALLING, CREEPING, POOR, PLATEAU, LATE, LOUD, ALWAYS),
    dataclasses.replace(LOUD, diverged=True),
    facts([9.0], [9.0], [0.5], [0.5]),
]
STARTS: list[tuple[dict[str, object], Mirrored]] = [
    ({**SCRATCH, "epochs": 400}, ALIKE),
    ({"strategy": "full", "epochs": 400}, ALIKE),
    ({"strategy": "full", "epochs": 400, "workers": 2}, ALIKE),
    ({"strategy": "gradual", "epochs": 6}, ALIKE),
    ({"find_rate": True, "epochs": 400}, ALIKE),
    ({"learning_rate": 30.0, "epochs": 400}, ALIKE),
    ({"learning_rate": 1e-7, "epochs": 400, "gradient_clip": 0}, ALIKE),
    ({"max_seconds": 1e5, "epochs": 500, "patience": 300}, ALIKE),
    ({**SCRATCH, "augment_crop": False, "augment_flip": False, "epochs": 400}, ALIKE),
    ({**SCRATCH, "augment_crop": False, "augment_flip": False, "augment_strength": 0.0, "epochs": 400}, SWAPPED),
]


def proposals(config: TrainConfig, mirrored: Mirrored) -> Iterator[TrainConfig]:
    """What the coach may propose for a configuration, whatever its training looks like."""
    for seen in SEEN:
        for rate in (0.3, 0.01) if config.find_rate else (None,):
            found: RunFacts = dataclasses.replace(seen, config=config, found_rate=rate, mirrored=mirrored)
            for rule in (*RULES, describe_weakness):
                finding = rule(found)
                if finding is not None and finding.change:
                    yield config.variant(**finding.change)


@pytest.mark.parametrize(("start", "mirrored"), STARTS, ids=lambda value: str(value)[:60])
def test_advice_never_leads_back(start: dict[str, object], mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    """Follows every piece of advice from every configuration that advice leads to, and meets none twice on a way."""
    monkeypatch.setattr(advice, "LONGER", 100)  # fewer steps to the largest numbers
    config = TrainConfig.model_validate({"dataset": "pets", "model": "petnet", **start})
    done: set[str] = set()
    way: list[str] = []

    def follow(config: TrainConfig) -> None:
        key = config.model_dump_json()
        assert key not in way, f"a circle of {len(way) - way.index(key)} steps back to {key}"
        if key in done:
            return
        way.append(key)
        for proposed in proposals(config, mirrored):
            follow(proposed)
        way.pop()
        done.add(key)

    follow(config)
    assert done
