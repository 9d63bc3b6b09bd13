"""Which nodes may train."""

from typing import Any

import pytest

from core.cluster.node_facts import describe_node, find_problem, versions

HERE = {"Python": "3.11", "torch": "2.14.0", "torchvision": "0.29.0"}


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"versions": HERE, "problem": ""}, ""),
        ({"versions": {**HERE, "more": "1"}, "problem": ""}, ""),
        (
            {"versions": {**HERE, "torch": "2.13.0"}, "problem": ""},
            "lab-3 has torch 2.13.0, this machine 2.14.0: install the same version on both.",
        ),
        ({"versions": {**HERE, "torchvision": ""}, "problem": ""}, "lab-3 has no torchvision, this machine 0.29.0"),
        ({"versions": {}, "problem": "lacks the package optuna: run pip install -r requirements.txt there."}, "optuna"),
    ],
)
def test_another_version_is_named(facts: dict[str, Any], says: str) -> None:
    found = find_problem("lab-3", 0, facts, HERE)
    assert says in found
    assert bool(found) == bool(says)


def test_this_machine_may_train() -> None:
    facts = describe_node()
    assert find_problem("here", 0, facts, versions()) == ""
    assert facts["processor"]
    assert facts["speed"] > 0


def test_a_gpu_that_torch_cannot_use_is_named() -> None:
    facts = {"versions": HERE, "problem": "", "cuda": False}
    assert "a GPU that its torch cannot use" in find_problem("lab-3", 1, facts, HERE)
    assert find_problem("lab-3", 1, {**facts, "cuda": True}, HERE) == ""
