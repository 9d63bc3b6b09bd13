"""What only shows under load: threads, damaged bytes, memory, killed imports, many copies."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.dataset_store import DatasetStore
from core.datasets.drafts import DRAFT
from core.datasets.importing import import_dataset
from core.datasets.pictures.decoder import Limits, decode, pixel_hash, write_thumbnail
from core.datasets.pictures.picture_formats import FORMATS
from core.datasets.sources.source import MemorySource, SourceEntry
from core.datasets.splits import Item, SplitPlan, assign
from core.errors import DatasetError, ImageError
from core.settings import PROJECT_ROOT, Settings
from tests.support.images import class_files, encoded, photo
from tests.support.peak_memory import run_for_peak, wants_peak_memory
from tests.support.processes import wait_for

LIMITS = Limits(max_pixels=50_000_000, max_bytes=64 * 2**20)
GIGABYTE = 10**9


def animated(kind: str) -> bytes:
    frames = [photo(seed) for seed in range(4)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


ANIMATED = ("PNG", "GIF", "WEBP", "TIFF", "AVIF")


@pytest.mark.parametrize("kind", [*FORMATS, *(f"animated {kind}" for kind in FORMATS if kind in ANIMATED)])
def test_damaged_bytes_end_as_a_picture_or_a_sentence_and_nothing_else(kind: str) -> None:
    data = animated(kind.split()[1]) if " " in kind else encoded(photo(), kind)
    name = "x.tga" if kind == "TGA" else "x.jpg"
    rng = random.Random(kind)
    for _ in range(250):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(min(len(damaged), rng.choice((64, 400, 10**9))))] = rng.randrange(256)
        cut = rng.randrange(len(damaged)) if rng.random() < 0.3 else len(damaged)
        try:
            mode = decode(bytes(damaged[:cut]), LIMITS, name).image.mode
        except ImageError as error:
            told = str(error)
        else:
            assert mode == "RGB"
            continue
        assert told.startswith(f"{name} ")


def test_decoding_in_threads_leaves_the_filters_of_warnings_as_they_were() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(photo(), "JPEG", exif=exif)
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [decode(data, LIMITS, "a.jpg") for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_a_broken_exif_block_costs_the_rotation_and_not_the_picture() -> None:
    data = encoded(photo(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff garbage")
    assert decode(data, LIMITS, "a.jpg").image.size == (64, 48)


def test_floating_point_grey_with_holes_is_rescaled_by_what_is_finite() -> None:
    values = np.linspace(-1e38, 3e38, 64 * 64, dtype=np.float32).reshape(64, 64)
    values[0, :3] = (np.nan, np.inf, -np.inf)
    grey = np.asarray(decode(encoded(Image.fromarray(values), "TIFF"), LIMITS, "a.tif").image)[:, :, 0]
    assert list(grey[0, :3]) == [0, 255, 0]
    assert (grey[63, 63], 120 < grey.mean() < 135) == (255, True)


def test_a_pixel_hash_is_that_of_the_whole_picture_whatever_its_bands() -> None:
    image = photo(1, (3000, 2500))
    whole = hashlib.sha256(b"3000x2500:" + image.tobytes()).hexdigest()
    assert pixel_hash(image) == whole != pixel_hash(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))


@pytest.mark.parametrize(
    ("size", "wanted"), [((40, 30), (40, 30)), ((2000, 1000), (224, 112)), ((5000, 100), (224, 4))]
)
def test_a_thumbnail_keeps_the_shape_and_never_grows(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    buffer = BytesIO()
    write_thumbnail(photo(0, size), buffer)
    assert Image.open(buffer).size == wanted


def test_pictures_that_pillow_itself_refuses_are_not_promised() -> None:
    settings = Settings.from_environment({"TUNEMYPETS_MAX_PIXELS": "500000000"})
    assert Limits.from_settings(settings).max_pixels < 180_000_000


KINDS = {
    "16-bit grey": ("Image.fromarray(np.asarray(grey).astype(np.uint16) * 200)", "'PNG', compress_level=1", 600),
    "floating grey": (
        "Image.fromarray(np.asarray(grey).astype(np.float32))",
        "'TIFF', compression='tiff_deflate'",
        600,
    ),
    "transparent": ("Image.merge('RGBA', [grey] * 4)", "'PNG', compress_level=1", 600),
    "progressive CMYK": ("Image.merge('CMYK', [grey] * 4)", "'JPEG', progressive=True", 700),
    # Pillow's WebP decoder alone holds two canvases of 200 MB beside its result
    "transparent WebP": ("Image.merge('RGBA', [grey] * 4)", "'WEBP', method=0", 1000),
}


@pytest.mark.slow
@wants_peak_memory
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_50_megapixels_is_decoded_and_hashed_in_bounded_memory(tmp_path: Path, kind: str) -> None:
    make, options, megabytes = KINDS[kind]
    path = tmp_path / "large"
    # made in a process of its own: large pictures here would raise the peak that children of this one inherit
    making = (
        "import sys; import numpy as np; from PIL import Image\n"
        f"grey = Image.linear_gradient('L').resize((8000, 6200)); {make}.save(sys.argv[1], {options})\n"
    )
    subprocess.run([sys.executable, "-c", making, str(path)], check=True)
    code = (
        "import io; from core.datasets.pictures.decoder import *\n"
        "from core.datasets.copies import take_look\n"
        "p = decode(Path(sys.argv[1]), Limits(50_000_000, 2**26), 'large'); pixel_hash(p.image)\n"
        "take_look(p.image); write_thumbnail(p.image, io.BytesIO())"
    )
    assert run_for_peak(code, path)[1] < megabytes * 10**6


def distinct_items(count: int, classes: int) -> list[Item]:
    rng = np.random.default_rng(0)
    looks = rng.integers(0, 256, (count, 16, 16), dtype=np.uint8)
    return [Item(hashlib.sha256(look).hexdigest(), look.tobytes(), n % classes) for n, look in enumerate(looks)]


def still_camera_items(count: int, classes: int) -> list[Item]:
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (16, 16))
    frames = np.clip(scene + rng.normal(0, 3, (count, 16, 16)), 0, 255).astype(np.uint8)
    return [Item(hashlib.sha256(frame).hexdigest(), frame.tobytes(), n % classes) for n, frame in enumerate(frames)]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("make", [distinct_items, still_camera_items])
def test_25_000_pictures_are_split_in_seconds(make: Callable[[int, int], list[Item]]) -> None:
    items = make(25_000, 2)
    started = time.process_time()
    found = Counter(assign(items, SplitPlan().shares(), 0).splits)
    assert time.process_time() - started < 120  # of the processor; measured 10
    assert abs(found["test"] - 3750) < 100
    assert abs(found["val"] - 3750) < 100


def test_too_few_pictures_for_validation_get_a_sentence(settings: Settings) -> None:
    with pytest.raises(DatasetError, match="too few to keep some for validation"):
        list(
            import_dataset(
                settings, MemorySource("m", class_files({"a": 1, "b": 1})), name="x", plan=SplitPlan(), seed=0
            )
        )


def test_copies_across_given_splits_are_told(settings: Settings) -> None:
    files = [(f"train/{name}", data) for name, data in class_files({"a": 5, "b": 5})]
    files += [(f"val/{name}", data) for name, data in class_files({"a": 2, "b": 2}, start=50)]
    files += [("val/a/again.jpg", encoded(photo(0), "JPEG", quality=90))]  # photo 0 is train/a/0.png
    list(import_dataset(settings, MemorySource("m", files), name="x", plan=SplitPlan(), seed=0))
    notes = DatasetStore(settings).get("x").report().notes
    assert any(note.startswith("1 validation pictures look like copies") for note in notes)


def test_an_archive_that_lies_about_sizes_is_stopped_by_what_is_really_read(home: Path) -> None:
    settings = Settings.from_environment({"TUNEMYPETS_HOME": str(home), "TUNEMYPETS_MAX_DATASET_MB": "1"})

    class Lying(MemorySource):
        def entries(self) -> list[SourceEntry]:
            return [SourceEntry(entry.name, 1) for entry in super().entries()]

    junk = [(f"a/{n}.jpg", os.urandom(300_000)) for n in range(8)]
    with pytest.raises(DatasetError, match="more than 1 MB"):
        list(
            import_dataset(
                settings, Lying("m", class_files({"a": 3, "b": 3}) + junk), name="x", plan=SplitPlan(), seed=0
            )
        )
    assert list(settings.datasets_dir.iterdir()) == []


SLOW_IMPORT = """
import time
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.settings import Settings
from tests.support.images import class_files

class Slow(MemorySource):
    def read(self, entry, max_bytes):
        time.sleep(0.2)
        return super().read(entry, max_bytes)

for _ in import_dataset(Settings.from_environment(), Slow("s", class_files({"a": 500, "b": 500})), name="x",
                        plan=SplitPlan(), seed=0):
    pass
"""


def test_a_living_import_is_left_alone_and_a_killed_one_is_swept(settings: Settings) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW_IMPORT], cwd=PROJECT_ROOT)

    def leftovers() -> list[Path]:
        return sorted(settings.datasets_dir.glob(f"{DRAFT}*"))

    def import_another(name: str) -> None:
        for folder in leftovers():
            os.utime(folder, (time.time() - 60, time.time() - 60))
        source = MemorySource("m", class_files({"a": 5, "b": 5}))
        list(import_dataset(settings, source, name=name, plan=SplitPlan(), seed=0))

    try:
        wait_for(lambda: any((folder / "images").exists() for folder in leftovers()))
        import_another("one")
        assert len(leftovers()) == 1
    finally:
        process.kill()
        process.wait(10)
    assert len(leftovers()) == 1
    import_another("two")
    assert leftovers() == []


@pytest.mark.slow
@wants_peak_memory
def test_importing_odd_files_many_times_over_stays_under_a_gigabyte(home: Path, shared_data: Path) -> None:
    root = home.parent / "odd"
    for copy in range(8):
        for label in ("a", "b"):
            (root / label).mkdir(parents=True, exist_ok=True)
            for path in (shared_data / "odd_files").iterdir():
                shutil.copyfile(path, root / label / f"{copy}-{path.name}")
    for place, (name, data) in enumerate(class_files({"a": 5, "b": 5})):
        (root / name.split("/")[0] / f"own{place}.png").write_bytes(data)
    code = (
        "from core.datasets.importing import *\n"
        "from core.datasets.sources.opening import open_source; from core.datasets.splits import SplitPlan\n"
        "list(import_dataset(Settings.from_environment(), open_source(Path(sys.argv[1])), name='odd',\n"
        "                    plan=SplitPlan(), seed=0))"
    )
    assert run_for_peak(code, root)[1] < GIGABYTE
