"""Names that tools give to the versions of one picture: augmented by Roboflow or a script, or copied by a person.

`IMG_7_jpg.rf.5c0e….jpg`, `IMG_7_aug_2.jpg`, `IMG_7_flip.jpg`, `IMG_7_90deg.jpg`, `IMG_7 - Copy.jpg` all come from
`IMG_7`. Only names in one class folder are compared, and plain running numbers (`cat_1`, `cat (2)`, `cat_aug_3` where
there is no picture `cat`) say nothing.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

MAX_VERSIONS = 50  # more pictures of one name are taken for a series, not for versions
MAX_NUMBERED = 3  # `images (1)`, `images (2)`, … of one `images`: more are what a browser calls different downloads

_BETWEEN = r"[_\-. ]"
_CHANGE = (
    r"(?:aug(?:mented|mentation)?|[hv]?-?flip(?:ped)?(?:_?(?:h|v|lr|ud|tb|horizontal|vertical))?"
    r"|(?:horizontal|vertical)_flip|mirror(?:ed)?|(?:new)?-?\d{1,3}deg(?:[a-z]+)?"
    r"|rot(?:at(?:e|ed|ion))?(?:-?\d{1,3})?|bright(?:en|er|ened|ness)?|dark(?:en|er|ened)?|contrast|blur(?:red)?"
    r"|nois[ey]|crop(?:ped)?|zoom(?:ed)?|shift(?:ed)?|shear(?:ed)?|translat(?:e|ed|ion)|jitter(?:ed)?)"
)
_CHANGED = re.compile(rf"(?:^|{_BETWEEN}+){_CHANGE}({_BETWEEN}?\d{{1,4}})?(?=$|{_BETWEEN})")
_ROBOFLOW = re.compile(r"(.+)\.rf\.[0-9a-z]{8,}")
_AUGMENTOR = re.compile(r".*_original_(.+)_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COPIED = re.compile(r"(.+?)(?: ?-? (?:copy|kopie|copie|copia))(?: ?\(?\d{1,3}\)?)?")
_NUMBERED = re.compile(r"(.+?) ?\(\d{1,3}\)")
_ENDING = re.compile(r"[_.](?:jpe?g|png|bmp|webp|tiff?|gif)$")


def name_sources(files: Sequence[tuple[str, str]]) -> list[str]:
    """For each file a name of the picture that it is a version of; empty where its name says nothing.

    Args:
        files: (class, name with its folders).
    Returns:
        equal texts exactly for versions of one picture.
    """
    sources = [""] * len(files)
    folders: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for place, (label, name) in enumerate(files):
        path = PurePosixPath(name)
        folders[label, str(path.parent)][place] = path.stem.casefold()
    for (label, folder), stems in folders.items():
        for source, places in _read_folder(stems, label.casefold()).items():
            if 1 < len(places) <= MAX_VERSIONS:
                for place in places:
                    sources[place] = f"{label}/{folder}/{source}"
    return sources


def _read_folder(stems: dict[int, str], label: str) -> dict[str, set[int]]:
    """The name of each picture with versions -> its places, itself included."""
    plain: dict[str, set[int]] = defaultdict(set)
    sure: dict[str, set[int]] = defaultdict(set)
    series: dict[str, dict[int, str]] = defaultdict(dict)  # source without a number -> place, source with it
    numbered: dict[str, set[int]] = defaultdict(set)
    for place, stem in stems.items():
        if found := _ROBOFLOW.fullmatch(stem) or _AUGMENTOR.fullmatch(stem):
            sure[_ENDING.sub("", found[1])].add(place)
        elif found := _COPIED.fullmatch(stem) or _NUMBERED.fullmatch(stem):
            numbered[found[1]].add(place)
            plain[stem].add(place)
        elif _CHANGED.search(stem):
            without = _CHANGED.sub("", stem).strip("_-. ")
            series[without][place] = _CHANGED.sub(lambda match: match[1] or "", stem).strip("_-. ")
        else:
            plain[stem].add(place)
    for source, kept in series.items():
        # is the number that of a version, or that of the picture?
        own = any(character.isdigit() for character in source) and source != label and 2 * len(kept) <= len(stems)
        versions = len(kept) <= MAX_VERSIONS and (source in plain or own)
        for place, with_number in kept.items():
            if name := source if versions else with_number:
                sure[name].add(place)
    for source, places in numbered.items():
        if source in plain and len(places) <= MAX_NUMBERED:
            sure[source] |= places
    return {source: places | plain[source] for source, places in sure.items()}
