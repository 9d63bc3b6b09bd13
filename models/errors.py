"""The root of the exception tree and the errors of networks; `core.errors` draws the whole tree.

It lives here because arrows run `pages -> core -> models`: models cannot import core.
"""


class TuneMyPetsError(Exception):
    """Base of every error that people see: one plain sentence with its remedy."""


class NetworkError(TuneMyPetsError):
    """A network is unknown, or an option or freeze point does not fit it."""


class WeightsError(TuneMyPetsError):
    """Pretrained weights are missing, damaged or cannot be downloaded."""
