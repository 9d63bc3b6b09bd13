"""How often the coach says something that is not so, and how often it finds what is there.

    python -m bench.coach_rules [--histories 200] [--seed 0] [--json]

Simulates trainings whose truth is known (`tests.support.simulated_histories`) and asks each rule about them.

False alarms: `unfinished`, `overfitting` and so on of trainings that have settled, generalise within four points of
their training accuracy and do well: accuracies of 85 to 98 %, 2 and 10 classes, 5 to 30 epochs, 20 to 180 validation
pictures, calm and restless curves, and learning rates from a tenth to five times the usual one. `noise` and `plateau`
of trainings that really change; findings on mirrored pictures of networks that are worse at them, or guess; findings on
cropped pictures that are recognised as well as the others. Worst: the setting with the most.

Found: of trainings that have what the rule is about, in a clear case of 60 and of 180 validation pictures.

Not listed are rules that state what was counted: how many pictures, how many epochs, a rate that diverged.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.support.simulated_cases import CLEAR, NULLS, Case


@dataclass(frozen=True)
class Share:
    """How often a rule spoke.

    Attributes:
        mean: over all settings.
        worst: in the setting where it spoke most often, and what that is.
    """

    kind: str
    mean: float
    worst: float
    setting: str


def count_all(cases: dict[str, list[Case]], histories: int, seed: int) -> Iterator[Share]:
    """Of each rule, how often it spoke in each of its cases."""
    found: dict[str, Counter[str]] = {}
    for kinds, group in cases.items():
        for place, case in enumerate(group):
            rng = np.random.default_rng([seed, place])
            spoke = Counter(kind for _ in range(histories) for kind in case.kinds(rng))
            for kind in kinds.split():
                found.setdefault(kind, Counter())[case.name] = spoke[kind]
    for kind, counts in found.items():
        name, most = counts.most_common(1)[0]
        yield Share(kind, sum(counts.values()) / len(counts) / histories, most / histories, name)


def main() -> None:
    """Simulate all cases and print two tables."""
    parser = argparse.ArgumentParser(description="False alarms of the coach's rules, and what they find.")
    parser.add_argument("--histories", type=int, default=200, help="simulated in each setting")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tables = {
        title: list(count_all(cases, options.histories, options.seed))
        for title, cases in (("false alarms", NULLS), ("found", CLEAR))
    }
    if options.json:
        print(json.dumps({title: [vars(share) for share in shares] for title, shares in tables.items()}))
        return
    for title, shares in tables.items():
        print(f"{title:<16} mean   worst")
        for share in sorted(shares, key=lambda item: -item.worst):
            worst = share.worst if title == "false alarms" else share.mean
            print(f"  {share.kind:<13} {100 * share.mean:5.1f} % {100 * worst:5.1f} %  {share.setting}")


if __name__ == "__main__":
    main()
