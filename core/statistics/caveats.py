"""The caveats of a comparison: what was unequal between its arms, or flatters some of them, a plain sentence each.

They are found here only; verdict, command line, report and coach show the same ones.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from core.config.race_plan import Budget
from core.config.seen_views import describe_views, random_changes
from core.config.train_config import TrainConfig
from core.formatting import SPLIT_NAMES, capitalise, format_count, format_duration, join_names
from models.imagenet_classes import seen_in_imagenet

Kind = Literal[
    "other-pictures", "cut-short", "unequal-budget", "few-epochs", "unequal-views", "missing", "copies", "seen-before",
    "revisions",
]  # fmt: skip
NEARLY = 0.02  # budgets that differ by less are equal: a last batch, a last second
NEARLY_SECONDS = 0.15  # clocks are less exact than counts
FEW_EPOCHS = 5  # within a budget of seconds: such an arm shows little of what it would learn
MAX_NAMED = 4
GRAVE = frozenset({"other-pictures", "cut-short", "unequal-budget", "missing"})


@dataclass(frozen=True)
class ArmFacts:
    """One arm of a comparison.

    Attributes:
        fingerprint: of the dataset, splits included.
        seeds: with which it was trained, one run each.
        epochs: completed, in the median run.
        images_seen: training pictures, repeats included; None if not known.
        seconds: of training; None if not known.
        cut_short: how those of its runs ended that did not finish, such as `was stopped after 2 of 5 epochs`.
    """

    name: str
    config: TrainConfig
    classes: tuple[str, ...]
    fingerprint: str
    seeds: tuple[int, ...]
    epochs: int
    images_seen: int | None = None
    seconds: float | None = None
    cut_short: tuple[str, ...] = ()


@dataclass(frozen=True)
class Caveat:
    """A reason to read a comparison with care.

    Attributes:
        unequal: what differs that may itself be the reason for a difference; empty where that is not the point.
        between: pairs of names of arms between which it differs.
        brief: the same in few words, where the sentence is long.
    """

    kind: Kind
    sentence: str
    unequal: str = ""
    between: frozenset[frozenset[str]] = frozenset()
    brief: str = ""

    @property
    def short(self) -> str:
        """What a small screen shows of it: a shorter sentence, where there is one."""
        return self.brief or self.sentence

    @property
    def grave(self) -> bool:
        """Whether the comparison is open because of it: nobody has won yet."""
        return self.kind in GRAVE

    def to_json(self) -> dict[str, str]:
        return {"kind": self.kind, "sentence": self.sentence}


def find_caveats(
    arms: Sequence[ArmFacts], *, split: str = "test", copies: Mapping[str, int] | None = None
) -> tuple[Caveat, ...]:
    """The caveats of a comparison of arms, the gravest first; none where fewer than two are compared.

    Args:
        split: that the arms were evaluated on.
        copies: split -> number of its pictures that look like copies of training pictures, where there are any.
    """
    if len(arms) < 2:
        return ()
    return (
        *_find_other_pictures(arms),
        *_find_cut_short(arms),
        *_find_unequal_budget(arms),
        *_find_few_epochs(arms),
        *_find_unequal_views(arms),
        *_find_copies(split, (copies or {}).get(split, 0)),
        *_find_seen_before(arms),
    )


def find_missing(results: Mapping[str, Collection[int]], seeds: Sequence[int]) -> tuple[Caveat, ...]:
    """The arms of a race without any test result, and those without one for every seed.

    Args:
        results: arm -> seeds with a test result.
        seeds: of the race.
    """
    found = [Caveat("missing", f"{capitalise(arm)} has no test result.") for arm, done in results.items() if not done]
    some = {arm: done for arm, done in results.items() if done}
    fewer = [arm for arm, done in some.items() if len(set(seeds) & set(done)) < len(seeds)]
    shared = [seed for seed in seeds if all(seed in done for done in some.values())]
    if fewer and len(some) > 1:
        counts = [f"{arm} has {len(set(seeds) & set(some[arm]))} of {len(seeds)} results" for arm in fewer]
        rest = "no seed is common to all" if not shared else f"compared with {name_seeds(shared)} only"
        found.append(Caveat("missing", f"{capitalise(join_names(counts))}: {rest}."))
    return tuple(found)


def list_caveats(caveats: Sequence[Caveat]) -> list[str]:
    """A line for each caveat, to follow a verdict."""
    return [f"- {caveat.sentence}" for caveat in caveats]


def name_seeds(seeds: Sequence[int]) -> str:
    """Such as `seed 0` or `seeds 0 and 2`."""
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {join_names([str(seed) for seed in seeds])}"


def explain_difference(caveats: Sequence[Caveat], a: str, b: str) -> str:
    """A sentence on what else may be the reason for the difference between two arms; empty where nothing may."""
    pair = frozenset((a, b))
    unequal = list(dict.fromkeys(item.unequal for item in caveats if item.unequal and pair in item.between))
    if not unequal:
        return ""
    verb = "differs" if len(unequal) == 1 else "differ"
    return f" Their {join_names(unequal)} {verb} too, which may be the reason."


def _find_other_pictures(arms: Sequence[ArmFacts]) -> Iterator[Caveat]:
    pairs = _pairs((a, b) for a, b in combinations(arms, 2) if a.fingerprint != b.fingerprint)
    if pairs:
        yield Caveat(
            "other-pictures",
            f"{capitalise(_names(arms))} were trained on different datasets or splits.",
            "training pictures",
            pairs,
        )


def _find_cut_short(arms: Sequence[ArmFacts]) -> Iterator[Caveat]:
    for arm in arms:
        if arm.cut_short:
            others = _pairs((arm, other) for other in arms if other.name != arm.name)
            sentence = f"{capitalise(arm.name)} {join_names(arm.cut_short)}."
            yield Caveat("cut-short", sentence, "training budget", others)


def _find_unequal_budget(arms: Sequence[ArmFacts]) -> Iterator[Caveat]:
    """What should have been equal is not: the arm that had more may win by that alone."""
    whole = [arm for arm in arms if not arm.cut_short]
    intended = _intended_budget([arm.config for arm in arms])
    unequal = [(a, b) for a, b in combinations(whole, 2) if _differ(a, b, intended)]
    if unequal:
        named = {arm.name: arm for pair in unequal for arm in pair}
        sentence = "; ".join(f"{name} had {_budget(arm)}" for name, arm in named.items())
        yield Caveat("unequal-budget", f"{capitalise(sentence)}.", "training budget", _pairs(unequal))


def _find_few_epochs(arms: Sequence[ArmFacts]) -> Iterator[Caveat]:
    """A budget of seconds gives an arm as much as the machine computed in them."""
    seen = [
        f"{arm.name} saw {format_count(arm.images_seen, 'picture')} only ({format_count(arm.epochs, 'epoch')})"
        for arm in arms
        if arm.config.max_seconds is not None and arm.epochs < FEW_EPOCHS and arm.images_seen is not None
    ]
    if seen:
        its, networks = ("its", "this network") if len(seen) == 1 else ("their", "these networks")
        text = f"{capitalise(join_names(seen))} in {its} time: this machine was busy, or is slow for {networks}."
        yield Caveat("few-epochs", text)


def _intended_budget(configs: Sequence[TrainConfig]) -> Budget | None:
    """What the arms were meant to have the same amount of; None where the choices name nothing."""
    if all(config.max_seconds is not None for config in configs):
        return "seconds"
    if all(config.max_images is not None for config in configs):
        return "images"
    alike = len({config.epochs for config in configs}) == 1
    return "epochs" if alike and not any(config.budgeted for config in configs) else None


def _differ(a: ArmFacts, b: ArmFacts, intended: Budget | None) -> bool:
    """Whether the intended budget differs by what was used; without one, whether nothing is equal.

    An arm that made all its epochs before its seconds were used had the whole budget, and needed less.
    """
    if intended == "seconds" and any(arm.epochs >= arm.config.epochs for arm in (a, b)):
        return any(_is_over(arm) for arm in (a, b))
    equal = {
        "epochs": a.epochs == b.epochs,
        "images": _near(a.images_seen, b.images_seen, NEARLY),
        "seconds": _near(a.seconds, b.seconds, NEARLY_SECONDS),
    }
    return not (any(equal.values()) if intended is None else equal[intended])


def _is_over(arm: ArmFacts) -> bool:
    """Whether an arm trained for longer than its seconds."""
    limit = arm.config.max_seconds
    return (
        limit is not None
        and arm.seconds is not None
        and arm.seconds > limit
        and not _near(arm.seconds, limit, NEARLY_SECONDS)
    )


def _find_unequal_views(arms: Sequence[ArmFacts]) -> Iterator[Caveat]:
    """Arms of different networks or strategies saw different augmentation: flips alone may decide left from right."""
    seen = {arm.name: describe_views(arm.config) for arm in arms}
    unequal = [
        (a, b)
        for a, b in combinations(arms, 2)
        if seen[a.name] != seen[b.name] and (a.config.model, a.config.strategy) != (b.config.model, b.config.strategy)
    ]
    if not unequal:
        return
    by_views: dict[str, list[str]] = {}
    for name, words in seen.items():
        by_views.setdefault(words, []).append(name)
    sentence = "; ".join(f"{join_names(names)} saw {words}" for words, names in by_views.items())
    decisive = [(a, b) for a, b in unequal if a.config.augmented != b.config.augmented]
    changes = list(dict.fromkeys(change for a, b in decisive for change in _find_unequal_changes(a, b)))
    text = f"{capitalise(sentence)}."
    if "flips" in changes:
        text += " Where left and right matter, flips alone can decide."
    brief = f"{capitalise(_names(arms))} did not see the same augmentation."
    yield Caveat(
        "unequal-views",
        text,
        f"augmentation (random {join_names(changes)})" if decisive else "",
        _pairs(decisive),
        brief,
    )


def _find_unequal_changes(a: ArmFacts, b: ArmFacts) -> list[str]:
    """The random changes that one of two arms saw, in the order they are named."""
    one, other = random_changes(a.config), random_changes(b.config)
    return [change for change in (*one, *other) if (change in one) != (change in other)]


def _find_copies(split: str, count: int) -> Iterator[Caveat]:
    if count:
        pictures = format_count(count, f"{SPLIT_NAMES[split]} picture")
        look = "looks like a copy of a training picture" if count == 1 else "look like copies of training pictures"
        yield Caveat("copies", f"{pictures} {look}: every accuracy may be too high.")


def _find_seen_before(arms: Sequence[ArmFacts]) -> Iterator[Caveat]:
    """The pretrained weights were made with these very classes: a flattering test of transfer learning."""
    pretrained = [arm for arm in arms if arm.config.pretrained]
    if not pretrained or len(pretrained) == len(arms):
        return
    classes = pretrained[0].classes
    seen = list(seen_in_imagenet(classes))
    if 2 * len(seen) < len(classes):
        return
    more = f" and {len(seen) - MAX_NAMED} more" if len(seen) > MAX_NAMED else ""
    names = _names(pretrained)
    verb, have, their = ("starts", "has", "its") if len(pretrained) == 1 else ("start", "have", "their")
    share = f"{len(seen)} of the {len(classes)} classes"
    if len(seen) == len(classes):
        share = "both classes" if len(seen) == 2 else f"all {len(seen)} classes"
    yield Caveat(
        "seen-before",
        f"By name, {len(seen)} of {len(classes)} classes are among ImageNet’s 1,000 "
        f"({', '.join(seen[:MAX_NAMED])}{more}). {capitalise(names)} {verb} from weights that derive from ImageNet: "
        f"that flatters {'it' if len(pretrained) == 1 else 'them'}.",
        brief=f"{capitalise(names)} {have} a head start: {their} weights come from ImageNet, which has {share}.",
    )


def _pairs(
    arms: Collection[tuple[ArmFacts, ArmFacts]] | Iterator[tuple[ArmFacts, ArmFacts]],
) -> frozenset[frozenset[str]]:
    return frozenset(frozenset((a.name, b.name)) for a, b in arms)


def _near(one: float | None, other: float | None, share: float) -> bool:
    return one is not None and other is not None and abs(one - other) <= share * max(one, other)


def _budget(arm: ArmFacts) -> str:
    parts = [format_count(arm.epochs, "epoch")]
    if arm.images_seen is not None:
        parts.append(f"{arm.images_seen:,} pictures seen")
    if arm.seconds is not None:
        parts.append(format_duration(arm.seconds))
    return ", ".join(parts)


def _names(arms: Sequence[ArmFacts]) -> str:
    return join_names(list(dict.fromkeys(arm.name for arm in arms)))
