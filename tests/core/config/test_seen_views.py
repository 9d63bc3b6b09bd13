"""What a training sees of each picture, in words that are true of it."""

from typing import Any

import pytest

from core.config.seen_views import describe_views, sum_up_augmentation
from core.config.train_config import parse_config

NEW = "new random crops and flips in every epoch"
PLAIN = "one plain view of each picture"
FOUR = "4 stored views of each picture, the plain one and 3 random"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"strategy": "scratch"}, NEW),
        ({"strategy": "full"}, NEW),
        ({"strategy": "scratch", "augment_colour": True}, "new random crops, flips and colours in every epoch"),
        ({"strategy": "scratch", "augment_strength": 0.0}, "new random flips in every epoch"),
        ({"strategy": "scratch", "augment_crop": False, "augment_flip": False}, PLAIN),
        ({"strategy": "head"}, PLAIN),
        ({"strategy": "partial"}, PLAIN),
        ({"strategy": "head", "stored_views": 0}, NEW),
        ({"strategy": "head", "epochs": 20}, FOUR),
        ({"strategy": "head", "epochs": 20, "max_seconds": 60.0}, PLAIN),
        ({"strategy": "head", "epochs": 20, "augment_crop": False, "augment_flip": False}, PLAIN),
        ({"strategy": "gradual"}, f"{PLAIN}, and after the first stage {NEW}"),
        ({"strategy": "gradual", "epochs": 20}, f"{FOUR}, and after the first stage {NEW}"),
        ({"strategy": "gradual", "freeze_point": "layer2"}, PLAIN),
    ],
)
def test_the_words_are_what_the_training_sees(values: dict[str, Any], words: str) -> None:
    config = parse_config({"dataset": "pets", "model": "resnet18", **values})
    assert describe_views(config) == words
    assert config.augmented == (words != PLAIN)


def test_a_frozen_part_with_one_plain_view_has_no_random_crops_or_flips() -> None:
    config = parse_config({"dataset": "pets", "strategy": "head"})
    assert sum_up_augmentation(config) == "no random crops or flips (one plain view of each picture)"
    assert sum_up_augmentation(config.variant(stored_views=0)) == NEW
