"""Names of versions: what tools and people call augmented pictures and copies, and what says nothing."""

import pytest

from core.datasets.version_names import name_sources


def versions(*stems: str, label: str = "cat", others: int = 0) -> list[set[str]]:
    """The stems that are taken for versions of one picture."""
    stems = (*stems, *(f"other{n}" for n in range(others)))
    sources = name_sources([(label, f"{label}/{stem}.jpg") for stem in stems])
    found = {source: {stem for stem, own in zip(stems, sources, strict=True) if own == source} for source in sources}
    return sorted((group for source, group in found.items() if source), key=min)


@pytest.mark.parametrize(
    "stems",
    [
        ("IMG_7_jpg.rf.5c0ea7b2d41f", "IMG_7_jpg.rf.0123456789ab", "IMG_7"),
        ("cat_jpg.rf.5c0ea7b2d41f", "cat_jpg.rf.0123456789ab"),
        ("IMG_7", "IMG_7_aug"),
        ("IMG_7_aug_0", "IMG_7_aug_1", "IMG_7_aug_2"),
        ("IMG_7", "IMG_7_aug1", "IMG_7-augmented-2"),
        ("tabby", "tabby_aug_1", "tabby_aug_2"),
        ("rose_flip", "rose_rot90", "rose_blur"),
        ("7", "7_hflip", "7_vflip", "flip_7", "rotated_7"),
        ("0a1b___RS_HL 12", "0a1b___RS_HL 12_flipLR", "0a1b___RS_HL 12_90deg", "0a1b___RS_HL 12_new30degFlipLR"),
        ("IMG_7_flip_bright_2", "IMG_7"),
        (
            "dog_original_cat.1.jpg_0b8f5b0d-1111-2222-3333-444444444444",
            "dog_original_cat.1.jpg_1b8f5b0d-1111-2222-3333-444444444444",
        ),
        ("IMG_7", "IMG_7 - Copy", "IMG_7 copy 2"),
        ("IMG_7", "IMG_7 (1)"),
    ],
)
def test_versions_of_one_picture_are_known_by_their_names(stems: tuple[str, ...]) -> None:
    assert versions(*stems, others=10) == [set(stems)]


@pytest.mark.parametrize(
    "stems",
    [
        tuple(f"cat_{n}" for n in range(30)),
        tuple(f"{n}" for n in range(30)),
        tuple(f"cat ({n})" for n in range(30)),
        ("images", *(f"images ({n})" for n in range(30))),
        tuple(f"black_rot_{n}" for n in range(30)),
        tuple(f"cat_aug_{n}" for n in range(30)),
        tuple(f"cat2_aug_{n}" for n in range(80)),
        ("IMG_7 - Copy",),
        ("frame_001", "frame_002", "frame_003"),
    ],
)
def test_running_numbers_say_nothing(stems: tuple[str, ...]) -> None:
    assert versions(*stems, others=10) == []


def test_a_number_behind_the_mark_may_be_that_of_the_picture() -> None:
    stems = [f"cat_{n}" for n in range(20)] + [f"cat_aug_{n}" for n in range(20)]
    assert versions(*stems) == sorted(({f"cat_{n}", f"cat_aug_{n}"} for n in range(20)), key=min)


def test_names_are_compared_in_one_class_folder_only() -> None:
    files = [("cat", "cat/1.jpg"), ("dog", "dog/1_aug.jpg"), ("cat", "more/cat/1_aug.jpg")]
    assert name_sources(files) == ["", "", ""]
