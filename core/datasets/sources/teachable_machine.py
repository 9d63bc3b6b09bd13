"""Projects of Teachable Machine as a source: what its menu saves as a file, `project.tm`.

Such a file is a zip. At its top lie `manifest.json` and every sample of every class, the class in the file's name:
`Class 1-!-0.png`. Found in files that people shared, as the format has no published description.
"""

import json
import re
from contextlib import suppress

from core.datasets.sources.labelled import Given, LabelledSource
from core.datasets.sources.source import Source
from core.errors import DatasetError, ImageError

MANIFEST = "manifest.json"
SAMPLE = re.compile(r"(.+)-!-\d+(?:\.\w+)?", re.DOTALL)
MAX_MANIFEST_BYTES = 2**20


def open_project(source: Source) -> Source:
    """The samples of a project with their classes; the source itself where it is no project.

    Raises:
        DatasetError: it is a project of sounds.
    """
    entries = source.entries()
    manifest = next((entry for entry in entries if f"/{entry.name}".endswith(f"/{MANIFEST}")), None)
    if manifest is None:
        return source
    folder = manifest.name.removesuffix(MANIFEST)  # a project that was unpacked lies in a folder
    with suppress(ImageError, ValueError, AttributeError):
        kind = json.loads(source.read(manifest, MAX_MANIFEST_BYTES)).get("type")
        if kind == "audio" and source.title.lower().endswith(".tm"):
            raise DatasetError(
                f"{source.title} is a Teachable Machine project of sounds: save an image project and import that."
            )

    def label_of(name: str) -> Given | None:
        found = SAMPLE.fullmatch(name.removeprefix(folder)) if name.startswith(folder) else None
        return Given(found[1]) if found else None

    if not any(label_of(entry.name) for entry in entries):
        return source
    return LabelledSource(source, label_of, notes=["The classes are those of a Teachable Machine project."])
