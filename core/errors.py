"""Every error that a person may see, as one tree.

    TuneMyPetsError
    ├── SettingsError        an environment variable or setting is unusable
    ├── ImageError           one picture cannot be used
    ├── DatasetError         a dataset cannot be imported, found or used
    │   └── LabelColumnError several columns could hold the labels (holds their names)
    ├── CollectionError      a collection is not there, or cannot take what was sent
    │   └── NotNowError      it is closed or busy: what was sent may be sent again later
    ├── ConfigError          a TrainConfig field is wrong (holds one sentence per field)
    ├── NetworkError         a network, option or freeze point is unknown (models/errors.py)
    ├── WeightsError         pretrained weights are missing, damaged or cannot be downloaded
    ├── RunError             a run cannot be found, started, stopped or used
    │   └── DivergedError    the loss stopped being finite
    ├── ComparisonError      runs that cannot be compared fairly
    ├── PeopleError          a nickname, passcode or secret is refused
    ├── GameError            a bet, a hunt or a test of the room cannot be started, or does not take what was given
    ├── RightsError          a person asked for what only others may do
    ├── QuotaError           a person has too much already, or the disk is too full
    ├── ClusterError         a Ray cluster, or a node of it, cannot be used
    ├── CarryError           a room cannot be exported or imported
    ├── ReportError          a report cannot be written
    ├── BatchError           a batch of pictures cannot be predicted, found or sorted
    ├── ExportError          a run cannot be exported, or its file answers otherwise than the run
    ├── ExtraMissingError    an optional package is needed: names the command that installs it
    └── PredictorError       the predictor process cannot answer

The text of each is one plain sentence with the remedy, naming the file or field. Tracebacks go to the log.
"""

from collections.abc import Sequence

from models.errors import NetworkError, TuneMyPetsError, WeightsError

__all__ = [
    "BatchError",
    "CarryError",
    "ClusterError",
    "CollectionError",
    "ComparisonError",
    "ConfigError",
    "DatasetError",
    "DivergedError",
    "ExportError",
    "ExtraMissingError",
    "GameError",
    "ImageError",
    "LabelColumnError",
    "NetworkError",
    "NotNowError",
    "PeopleError",
    "PredictorError",
    "QuotaError",
    "ReportError",
    "RightsError",
    "RunError",
    "SettingsError",
    "TuneMyPetsError",
    "WeightsError",
]


class SettingsError(TuneMyPetsError):
    """A setting cannot be used."""


class ImageError(TuneMyPetsError):
    """A picture cannot be used; the text gives the reason and the remedy."""


class DatasetError(TuneMyPetsError):
    """A dataset cannot be imported, found or used."""


class LabelColumnError(DatasetError):
    """Several columns of a table could hold the labels, and none was chosen.

    Args:
        place: what holds the table, as people call it.
        candidates: names of the columns, the likeliest first.
    """

    def __init__(self, place: str, candidates: Sequence[str]) -> None:
        self.candidates = tuple(candidates)
        super().__init__(
            f"{place} has several columns that could hold the labels ({', '.join(self.candidates)}): "
            "choose one with --label-column."
        )


class CollectionError(TuneMyPetsError):
    """A collection is not there, or cannot take what was sent."""


class NotNowError(CollectionError):
    """A collection is closed or busy: what was sent may be sent again later."""


class ConfigError(TuneMyPetsError):
    """Fields of a configuration are wrong.

    Args:
        problems: field name -> one sentence.
    """

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems.values()))


class RunError(TuneMyPetsError):
    """A run cannot be found, started, stopped or used."""


class DivergedError(RunError):
    """The loss stopped being finite."""


class SweepError(TuneMyPetsError):
    """A sweep is not there, or cannot do what was asked."""


class ComparisonError(TuneMyPetsError):
    """Runs that cannot be compared fairly."""


class PeopleError(TuneMyPetsError):
    """A nickname, passcode or secret is refused."""


class GameError(TuneMyPetsError):
    """A bet, a hunt or a test of the room cannot be started, or does not take what was given."""


class RightsError(TuneMyPetsError):
    """A person asked for what only others may do."""


class QuotaError(TuneMyPetsError):
    """A person has too much already, or the disk is too full."""


class ClusterError(TuneMyPetsError):
    """A Ray cluster, or a node of it, cannot be used."""


class CarryError(TuneMyPetsError):
    """A room cannot be exported to a file, or imported from one."""


class ReportError(TuneMyPetsError):
    """A report cannot be written to a file."""


class BatchError(TuneMyPetsError):
    """A batch of pictures cannot be predicted, found or sorted into folders."""


class ExportError(TuneMyPetsError):
    """A run cannot be exported, or the file answers otherwise than the run."""


class ExtraMissingError(TuneMyPetsError):
    """An optional package is missing; the text names the install command."""


class PredictorError(TuneMyPetsError):
    """The predictor process cannot answer."""
