"""The formats of exports: what each is, what it needs, and what it cannot hold. Imports no torch."""

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from core.errors import ExportError, ExtraMissingError
from core.formatting import join_names
from models.entry import NetworkEntry

INSTALL = "pip install -r"
TFLITE = "requirements-tflite.txt"
MACHINES = "Linux (x86-64) or a Mac with Apple's processor"
ONE_OUTPUT = 'It is never "not sure": it gives class scores alone.'
_LITERT_MACHINES = ("linux-x86_64", "darwin-arm64")
_LITERT = ("litert_torch", "ai_edge_litert", "flatbuffers")


@dataclass(frozen=True)
class ExportFormat:
    """A kind of file.

    Attributes:
        name: on the command line and in addresses.
        title: on pages.
        summary: what opens it, in a sentence or two.
        main: the file that is also given alone, if there is one; all others come as a zip.
        single: whether the main file is all there is.
        needs: modules of `requirements`.
        requirements: the file whose packages it needs.
        machines: that can make it, such as `linux-x86_64`; none: all.
        bare: the zip has the files themselves, not a folder of them.
        most_parameters: of a network that it holds.
        version: of what the writer makes; an export of another version is made again.
    """

    name: str
    title: str
    summary: str
    main: str | None = None
    needs: tuple[str, ...] = ()
    version: int = 1
    single: bool = False
    requirements: str = "requirements-export.txt"
    machines: tuple[str, ...] = ()
    bare: bool = False
    most_parameters: int | None = None

    @property
    def endings(self) -> tuple[str, ...]:
        """Of the files that people take."""
        if self.main is None:
            return (".zip",)
        suffix = Path(self.main).suffix
        return (suffix,) if self.single else (".zip", suffix)

    def check_installed(self) -> None:
        """Refuse what this machine cannot make.

        Raises:
            ExtraMissingError: with the command that installs what is missing.
        """
        if self.machines and f"{sys.platform}-{platform.machine()}" not in self.machines:
            raise ExtraMissingError(
                f"{self.title} cannot be made on this computer: carry the run to {MACHINES}, and export it there."
            )
        missing = [name for name in self.needs if find_spec(name) is None]
        if missing:
            raise ExtraMissingError(f"{self.title} needs {join_names(missing)}: run {INSTALL} {self.requirements}")

    def check_holds(self, entry: NetworkEntry) -> None:
        """Refuse a network that is too large for the format.

        Raises:
            ExportError: with its size and what to do instead.
        """
        if self.most_parameters is not None and entry.backbone_parameters > self.most_parameters:
            raise ExportError(
                f"{entry.title} has {entry.backbone_parameters / 1e6:.0f} million parameters, too many for a "
                f"{self.title.lower()} (at most {self.most_parameters / 1e6:.0f} million): choose another format, or "
                "train MobileNetV2 or PetNet."
            )


_FORMATS = (
    ExportFormat(
        "phone",
        "Phone page",
        "One HTML file that classifies photos in the browser of a phone, offline: nothing leaves it.",
        "page.html",
        single=True,
        version=4,
        most_parameters=15_000_000,
    ),
    ExportFormat(
        "pytorch",
        "PyTorch",
        "A zip with weights, labels and a script that predicts: needs torch, not this app.",
        version=4,
    ),
    ExportFormat(
        "onnx",
        "ONNX",
        "One file for ONNX Runtime, OpenCV, browsers and C++.",
        "model.onnx",
        ("onnx", "onnxscript", "onnxruntime"),
        version=4,
    ),
    ExportFormat(
        "tflite",
        "TensorFlow Lite",
        f"For phone apps, robots and MediaPipe, in the form of Teachable Machine's files. {ONE_OUTPUT}",
        "model_unquant.tflite",
        _LITERT,
        version=4,
        requirements=TFLITE,
        machines=_LITERT_MACHINES,
        bare=True,
    ),
    ExportFormat(
        "tflite-int8",
        "TensorFlow Lite, 8 bits",
        f"A quarter of the size, for small boards. {ONE_OUTPUT}",
        "model.tflite",
        (*_LITERT, "ai_edge_quantizer"),
        version=4,
        requirements=TFLITE,
        machines=_LITERT_MACHINES,
        bare=True,
    ),
    ExportFormat(
        "notebook",
        "Notebook",
        "Trains this network again, on Colab or any computer with torch: add the pictures.",
        "notebook.ipynb",
        ("nbformat",),
        single=True,
        requirements="requirements-notebook.txt",
    ),
    ExportFormat(
        "notebook-features",
        "Notebook of features",
        "Trains the head again in seconds, with numpy and scikit-learn: the features of its pictures are inside.",
        "notebook.ipynb",
        ("nbformat",),
        version=3,
        single=True,
        requirements="requirements-notebook.txt",
    ),
    ExportFormat(
        "huggingface",
        "Hugging Face",
        "A folder for the Hugging Face Hub, with a model card.",
        version=4,
    ),
)
FORMATS: Mapping[str, ExportFormat] = MappingProxyType({item.name: item for item in _FORMATS})


def get_format(name: str) -> ExportFormat:
    """The format of this name.

    Raises:
        ExportError: there is none.
    """
    if name not in FORMATS:
        raise ExportError(f"Format {name!r} is unknown: choose one of {', '.join(FORMATS)}.")
    return FORMATS[name]
