"""What the names of folders say: splits, parts, kinds of files, documentation."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from core.formatting import join_names


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


SPLIT_WORDS = {
    **dict.fromkeys(
        ("train", "training", "trains", "trn", "trainval", "trainings", "entrenamiento", "entrainement", "entraînement",
         "apprentissage", "treino", "treinamento", "addestramento", "обучение", "训练", "训练集", "訓練", "学習",
         "학습"),
        "train"),
    **dict.fromkeys(
        ("val", "vals", "valid", "validation", "validate", "validating", "dev", "development", "validierung",
         "validierungs", "validacion", "validación", "validacao", "validação", "validazione", "валидация", "验证",
         "验证集", "検証", "검증"),
        "val"),
    **dict.fromkeys(
        ("test", "tests", "testing", "tst", "prueba", "pruebas", "teste", "prova", "тест", "测试", "测试集", "テスト",
         "테스트"),
        "test"),
    # the test split, or validation where there is a test folder, too
    **dict.fromkeys(("eval", "evaluation", "evaluate", "holdout", "heldout"), "eval"),
    **dict.fromkeys(("pred", "predict", "prediction", "unlabeled", "unlabelled", "unsup", "submission"), "unlabelled"),
}  # fmt: skip
FILLERS = word_set(
    "set sets data dataset datasets image images img imgs pic pics picture pictures photo photos folder folders "
    "split splits sample samples file files jpg jpeg png the of dir part daten datensatz bilder"
)
IMAGE_WORDS = word_set(
    "image images img imgs pic pics picture pictures photo photos jpegimages jpg jpeg jpegs png frames rgb"
)
MASK_WORDS = word_set(
    "mask masks annotation annotations annot label labels segmentation segmentations segmentationclass "
    "segmentationobject trimap trimaps groundtruth gt depth bbox bboxes boxes saliency contours"
)
VARIANT_WORDS = word_set(
    "color colour colored coloured gray grey grayscale greyscale bw segmented segmentation original originals raw "
    "augmented augmentation aug processed preprocessed cropped crop resized small large thumbnails thumbs hsv lab "
    "edges enhanced normalized normalised rgb nir noisy clean denoised background nobackground"
)
PART_WORDS = word_set(
    "fold folds part parts batch batches session sessions cv chunk chunks shard shards subset subsets section "
    "sections volume vol disk archive set split kfold group"
)
CASE_WORDS = word_set(
    "patient patients subject subjects case cases study studies series video videos clip clips scan scans canon nikon "
    "apple android olymp msdcf"
)
DOCUMENTATION_WORDS = word_set(
    "doc docs documentation readme asset assets figure figures fig screenshot screenshots preview previews logo "
    "logos notebook notebooks src source code script scripts model models weights results output outputs plots "
    "icons meta license demo"
)


@dataclass(frozen=True)
class SplitName:
    """The split that a folder's name speaks of, and what else the name says."""

    split: str
    rest: str


def name_key(name: str) -> str:
    """Equal for one name in other capitals, another Unicode form or with blanks around it."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def words_of(name: str) -> list[str]:
    """Lower-case words and numbers of a name: `seg_train`, `TrainData2` and `01_train` hold train."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", name))
    return re.findall(r"[^\W\d_]+|\d+", spaced.casefold())


def split_name(name: str) -> SplitName | None:
    """The split that a name speaks of, if any: `training_set`, `trainset`, `Test Data`, `val2017`."""
    split = None
    rest = []
    for word in words_of(name):
        found = _split_word(word) if split is None else None
        if found:
            split = found
        elif word not in FILLERS and not word.isdecimal():
            rest.append(word)
    return SplitName(split, " ".join(rest)) if split else None


def _split_word(word: str) -> str | None:
    if word in SPLIT_WORDS:
        return SPLIT_WORDS[word]
    for length in range(len(word) - 1, 2, -1):
        if word[:length] in SPLIT_WORDS and word[length:] in FILLERS:
            return SPLIT_WORDS[word[:length]]
        if word[-length:] in SPLIT_WORDS and word[:-length] in FILLERS:
            return SPLIT_WORDS[word[-length:]]
    return None


def resolve_eval(splits: Collection[str], split: str) -> str:
    """`eval` and `holdout` are the test split, or validation where another folder is the test split."""
    if split != "eval":
        return split
    return "val" if "test" in splits and "val" not in splits else "test"


def split_of(text: str) -> str | None:
    """The split that a text names and nothing else: `Train`, `training_set`, `01_valid`; else None."""
    found = split_name(text)
    if found is None or found.rest or found.split == "unlabelled":
        return None
    return resolve_eval((), found.split)


def split_in_path(path: str) -> str | None:
    """The split that a path speaks of, last part first: `data/train-00000-of-00002.parquet`, `en/test/0.parquet`."""
    for part in reversed(path.split("/")):
        found = {SPLIT_WORDS.get(word) for word in words_of(part)} - {None, "unlabelled"}
        if len(found) == 1:
            return resolve_eval((), str(found.pop()))
    return None


def is_image_folder(name: str) -> bool:
    """Whether a name only says that pictures are below: `images`, `JPEGImages`, `img_data`."""
    words = words_of(name)
    compact = "".join(words)
    return compact in IMAGE_WORDS or (bool(IMAGE_WORDS & set(words)) and set(words) <= IMAGE_WORDS | FILLERS)


def is_mask_folder(name: str) -> bool:
    """Whether a name speaks of masks, annotations or the like, rather than of pictures to classify."""
    words = words_of(name)
    return bool(MASK_WORDS & {*words, "".join(words)})


def is_variant(name: str) -> bool:
    """Whether a name speaks of one processing of the pictures, such as `grayscale`."""
    return bool(VARIANT_WORDS & set(words_of(name)))


def is_documentation(name: str) -> bool:
    """Whether a name speaks of what accompanies a dataset rather than of a class."""
    return bool(DOCUMENTATION_WORDS & set(words_of(name)))


def are_numbered(names: Collection[str]) -> bool:
    """Whether names differ by their number (or a last letter) only: `fold1`, `fold2`; `part_a`, `part_b`; `2020-01`."""
    without = {tuple(word for word in _pieces(name) if not word.isdecimal()) for name in names}
    return len(names) > 1 and len(without) == 1 and all(re.search(r"\d", name) for name in names)


def are_parts(names: Collection[str]) -> bool:
    """Whether names are those of parts of one set: `fold1` … `fold5`, `images_part_1`, `batch-b`."""
    if len(names) < 2:
        return False
    pieces = [_pieces(name) for name in names]
    stems = {tuple(word for word in words if not _is_counter(word)) for words in pieces}
    counted = all(any(_is_counter(word) for word in words) for words in pieces)
    stem = set(next(iter(stems)))
    return counted and len(stems) == 1 and bool(stem) and (bool(PART_WORDS & stem) or stem <= IMAGE_WORDS)


def are_groups(names: Collection[str]) -> bool:
    """Whether names look like those of people, days or bursts rather than of classes: numbers, dates, ids."""
    if are_numbered(names) or are_parts(names):
        return True
    digits = sum(sum(c.isdecimal() for c in name) >= 4 for name in names)
    return digits > 0.8 * len(names)


def are_cases(names: Collection[str]) -> bool:
    """Whether names look like those of patients, videos or a camera's folders: seldom meant as classes."""
    if all(re.fullmatch(r"\d+(\.\d+){3,}", name) for name in names):
        return True  # DICOM's unique identifiers
    return are_numbered(names) and bool(CASE_WORDS & set(words_of(next(iter(names)))))


def _pieces(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+", unicodedata.normalize("NFKC", name).casefold())


def _is_counter(word: str) -> bool:
    return word.isdecimal() or len(word) == 1 or word in ("ii", "iii", "iv", "vi")


def listed(names: Iterable[str], most: int = 4) -> str:
    """Names for a sentence: `a, b and c`, or `a, b, c … z`."""
    names = list(names)
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} … {names[-1]}"
    return join_names(names) if names else ""
