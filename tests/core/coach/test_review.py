"""The findings of all rules together are ordered and never contradict each other."""

import json

from hypothesis import given
from hypothesis import strategies as st

from core.coach import fit_rules, picture_rules, progress_rules, rate_rules, result_rules
from core.coach.coach_finding import LEVELS, MAX_SHOWN, CoachFinding, choose_next_step
from core.coach.picture_facts import PictureFacts, pictures_of
from core.coach.review import RANKS, RULES, SETTLED_BY, format_findings, review_run
from core.coach.run_facts import gather_facts
from core.config.train_config import TrainConfig
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.curve_facts import HEALTHY, SCRATCH, evaluated, facts, score


def test_a_healthy_run_gets_praise_and_nothing_to_do() -> None:
    findings = review_run(HEALTHY)
    assert [finding.kind for finding in findings] == ["healthy"]
    assert "92.2 % (95 % interval 87.4 to 95.3, n = 180)" in findings[0].evidence
    assert not findings[0].change
    assert not findings[0].advice


def test_every_kind_has_its_rank_and_every_settled_kind_exists() -> None:
    assert set(SETTLED_BY) | set().union(*SETTLED_BY.values()) <= set(RANKS)
    assert len(RULES) == len(set(RULES))
    modules = (fit_rules, picture_rules, progress_rules, rate_rules, result_rules)
    assert set(RULES) == {getattr(m, name) for m in modules for name in dir(m) if name.startswith("find_")}


FRACTION = st.floats(0, 1)

LOSS = st.floats(1e-4, 50)

CONFIGS = st.sampled_from(
    [
        SCRATCH,
        {},
        {"strategy": "full"},
        {"strategy": "partial"},
        {"strategy": "gradual", "epochs": 30},
        {"find_rate": True},
        {**SCRATCH, "augment_crop": False, "augment_flip": False, "augment_strength": 0.0},
        {**SCRATCH, "epochs": 1000, "max_seconds": 5},
        {"epochs": 1000, "max_images": 100},
        {"epochs": 1000},
        {"learning_rate": 30.0},
        {"learning_rate": 1e-7},
        {"optimizer": "sgd"},
    ]
)


@given(
    curves=st.lists(st.tuples(LOSS, LOSS, FRACTION, FRACTION), max_size=24),
    config=CONFIGS,
    right=st.integers(0, 60),
    always=st.booleans(),
    pictures=st.sampled_from([(), (("train", 10), ("val", 3), ("test", 60)), (("train", 840), ("val", 180))]),
    diverged=st.booleans(),
)
def test_whatever_the_curves_the_coach_never_contradicts_itself(
    curves: list[tuple[float, float, float, float]],
    config: dict[str, object],
    right: int,
    always: bool,
    pictures: tuple[tuple[str, int], ...],
    diverged: bool,
) -> None:
    columns = list(zip(*curves, strict=True)) or [(), (), (), ()]
    scores = (score("cat", 30, 0 if always else min(right, 30), 0 if always else 30), score("dog", 30, 30, 60))
    found = facts(
        *columns, config, tested=evaluated(right, 60), scores=scores, dataset=PictureFacts((5, 5)), pictures=pictures,
        diverged=diverged,
    )  # fmt: skip
    findings = review_run(found, limit=None)
    names = [finding.kind for finding in findings]
    assert len(names) == len(set(names))
    assert not {"overfitting", "underfitting"} <= set(names)
    assert not {"rate-high", "rate-low"} <= set(names)
    assert not ("healthy" in names and any(finding.alarming for finding in findings))
    levels = [list(LEVELS).index(finding.level) for finding in findings]
    assert levels == sorted(levels)
    assert len(review_run(found)) == min(MAX_SHOWN, len(findings))
    if len(curves) < 2:
        about_curves = {"rate-high", "rate-low", "unfinished", "overfitting", "underfitting", "noise", "plateau",
                        "early-best", "train-below", "healthy", "weak"}  # fmt: skip
        assert not about_curves & set(names)
    for finding in findings:
        assert finding.title
        assert finding.evidence.endswith(".")
        assert not finding.advice or finding.advice[-1] in ".?"
        assert "nan" not in (finding.evidence + finding.advice).split()
        # what is proposed can be started as it is, and is something else than what was
        changed = TrainConfig.model_validate({**found.config.model_dump(), **finding.change})
        assert not finding.change or changed != found.config, finding
        json.dumps(finding.to_json(), allow_nan=False)


def test_real_runs_are_read_from_their_folders(raced: Settings) -> None:
    runs = RunStore(raced).all()
    assert runs
    for run in runs:
        found = gather_facts(run, pictures_of(raced, run))
        assert found.classes == 2
        assert len(found.epochs) in (2, 3)
        assert sum(score.support for score in found.scores) == found.tested.images if found.tested else False
        assert found.dataset is not None
        assert found.dataset.shares == (0.5, 0.5)
        assert format_findings(review_run(found))


def test_the_next_step_is_the_gravest_finding_that_advises_something() -> None:
    note = CoachFinding("a", "note", "A", "a.", "Do a.")
    alarm = CoachFinding("b", "alarm", "B", "b.")
    warnings = [CoachFinding(kind, "warning", kind, "c.", f"Do {kind}.") for kind in "cd"]
    assert choose_next_step([note, alarm, *warnings]) is warnings[0]
    assert choose_next_step([alarm]) is None
