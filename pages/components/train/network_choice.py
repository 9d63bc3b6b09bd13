"""Choosing a network: where its weights are, how accurate and fast it is, and which one suits this dataset here."""

from core.formatting import format_bytes, format_rough_duration
from core.settings import Settings
from core.training.recommended import Recommendation, milliseconds_per_image
from models import weights
from models.catalog import CATALOG

HELP = (
    "“here” means that the pretrained weights are on this machine; ↓ stands before the size of the download. "
    "The percentage is the share of ImageNet’s pictures that the pretrained network classifies correctly. The "
    "milliseconds are the time for one picture on this machine, once it has been measured."
)


def network_names() -> list[str]:
    """Pretrained networks first, those that are here before those that need a download."""
    pretrained = [name for name in CATALOG if name != "scratch_cnn"]
    return [*sorted(pretrained, key=lambda name: weights.find(CATALOG[name]) is None), "scratch_cnn"]


def describe_choice(settings: Settings, name: str) -> str:
    """One line of the list."""
    entry = CATALOG[name]
    facts = [entry.title]
    if entry.weights is not None:
        facts.append("here" if weights.find(entry) else f"↓ {format_bytes(entry.weights.bytes)}")
    if entry.imagenet_top1 is not None:
        facts.append(f"{100 * entry.imagenet_top1:.0f} %")
    milliseconds = milliseconds_per_image(settings, entry)
    if milliseconds is not None:
        facts.append(f"{milliseconds:.2g} ms")
    return " · ".join(facts)


def explain_recommendation(chosen: str, recommended: Recommendation) -> str:
    """Why a network was chosen at first, or which other one suits these pictures on this machine."""
    title = "It is" if recommended.network.name == chosen else f"For these pictures, {recommended.network.title} is"
    quickest = recommended.network.name == weights.WITHOUT_DOWNLOAD
    reason = "the quickest network here" if quickest else "the most accurate of the quick networks here"
    takes = "" if recommended.seconds is None else f"; a head takes about {format_rough_duration(recommended.seconds)}"
    return f"{title} {reason}{takes}."
