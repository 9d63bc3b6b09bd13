import pytest

from core.config.race_plan import PAIR
from core.config.seen_views import describe_views
from core.config.train_config import BACKBONE_FACTOR, TrainConfig
from core.errors import ConfigError
from core.races.presets import PRESETS, make_arms, plan_pair, plan_race, share_views
from models.weights import default_network

CHOSEN = TrainConfig(dataset="pets", model="petnet", strategy="head", epochs=4, batch_size=16, seed=3)


def test_arms_take_turns_seed_by_seed():
    plan, arms = plan_race(CHOSEN, ["scratch", "head"], seeds=2)

    assert [(arm.name, arm.config.seed) for arm in arms] == [("scratch", 3), ("head", 3), ("scratch", 4), ("head", 4)]
    assert plan.seeds == (3, 4)
    assert (plan.budget, plan.amount) == ("epochs", 4)


def test_every_arm_has_the_same_pictures_batch_and_budget():
    _, arms = plan_race(CHOSEN, list(PRESETS), budget="seconds", amount=20)

    assert {arm.config.max_seconds for arm in arms} == {20}
    assert {arm.config.batch_size for arm in arms} == {16}
    assert {arm.config.dataset for arm in arms} == {"pets"}
    assert [arm.config.model for arm in arms] == ["scratch_cnn", *["petnet"] * (len(PRESETS) - 1)]


def test_a_head_has_one_worker_next_to_arms_with_several():
    chosen = TrainConfig(dataset="pets", model="resnet18", strategy="full", workers=4)
    assert [arm.config.workers for arm in make_arms(chosen, ("scratch", "head", "full"), "epochs", 5, 0)] == [4, 1, 4]
    scratch = chosen.variant(strategy="scratch", model="scratch_cnn")
    assert [arm.config.workers for arm in plan_pair(scratch)[1]] == [4, 1]


def test_the_same_network_from_random_weights_is_an_arm():
    _, arms = plan_race(CHOSEN.variant(backbone_factor=0.2), ["scratch", "random-init", "full"])

    assert [(arm.config.model, arm.config.strategy) for arm in arms] == [
        ("scratch_cnn", "scratch"), ("petnet", "scratch"), ("petnet", "full"),
    ]  # fmt: skip
    assert [arm.config.backbone_factor for arm in arms] == [0.1, 0.1, 0.2]


def test_equal_pictures_end_each_training_after_as_many():
    _, arms = plan_race(CHOSEN, ["scratch", "head"], budget="images", amount=500)

    assert {arm.config.max_images for arm in arms} == {500}


@pytest.mark.parametrize(("views", "different"), [("own", 2), ("same", 1), ("none", 1)])
def test_the_arms_see_the_same_pictures_if_that_is_chosen(views, different):
    _, arms = plan_race(share_views(CHOSEN, views), ["scratch", "head", "partial", "full"])
    _, pair = plan_pair(share_views(CHOSEN, views))

    assert len({describe_views(arm.config) for arm in arms}) == different
    assert len({describe_views(arm.config) for arm in pair}) == different


def test_a_chosen_freeze_point_goes_with_its_own_strategy_only():
    from models.catalog import get_entry

    point = get_entry("petnet").freeze_points[0]
    _, arms = plan_race(CHOSEN.variant(strategy="partial", freeze_point=point), ["head", "partial", "gradual"])

    assert [arm.config.freeze_point for arm in arms] == [None, point, None]


@pytest.mark.parametrize(
    ("arms", "options", "field"),
    [
        (["head"], {}, "arms"),
        (["head", "head"], {}, "arms"),
        (["head", "magic"], {}, "arms"),
        (["scratch", "head"], {"seeds": 0}, "seeds"),
        (["scratch", "head"], {"seeds": 6}, "seeds"),
        (["scratch", "head"], {"budget": "images"}, "amount"),
        (["scratch", "head"], {"budget": "images", "amount": 2.5}, "amount"),
        (["scratch", "head"], {"budget": "beers", "amount": 2}, "budget"),
        (["scratch", "head"], {"budget": "epochs", "amount": 0}, "epochs"),
        (["scratch", "gradual"], {"budget": "epochs", "amount": 1}, "epochs"),
        (["scratch", "head"], {"title": "x" * 81}, "title"),
    ],
)
def test_an_impossible_race_names_the_wrong_field(arms, options, field):
    with pytest.raises(ConfigError) as caught:
        plan_race(CHOSEN, arms, **options)

    assert field in caught.value.problems


def test_the_plain_race_is_what_was_chosen_against_a_network_from_scratch_under_its_budget():
    chosen = CHOSEN.variant(model="petnet", strategy="partial", max_seconds=30.0, seed=4)
    plan, (scratch, transfer) = plan_pair(chosen)

    assert (plan.arms, plan.seeds, plan.budget, plan.amount) == (PAIR, (4,), "seconds", 30.0)
    assert plan.is_pair
    assert (scratch.name, transfer.name) == PAIR
    assert transfer.config == chosen
    assert scratch.config == chosen.variant(
        model="scratch_cnn", strategy="scratch", freeze_point=None, head_epochs=None, backbone_factor=BACKBONE_FACTOR
    )


def test_a_chosen_network_from_scratch_races_against_the_default_pretrained_one():
    chosen = CHOSEN.variant(model="scratch_cnn", strategy="scratch")
    _, (scratch, transfer) = plan_pair(chosen)

    assert scratch.config == chosen
    assert (transfer.config.model, transfer.config.strategy) == (default_network(), "head")
