"""What fields of a `TrainConfig` hold that are more than a number or a word: filters, names, notes, class weights."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

FilterCount = Annotated[int, Field(ge=1, le=1024)]
# a form gives 5, a command line "5"
KernelSize = Annotated[
    Literal[3, 5, 7], BeforeValidator(lambda given: int(given) if str(given).strip().isdigit() else given)
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


def _read_class_weights(text: str) -> str:
    """`none`, `balanced` or numbers above 0, in one form."""
    plain = text.strip().casefold()
    if plain in ("none", "balanced"):
        return plain
    try:
        numbers = [float(part) for part in plain.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) < 2 or not all(0 < number <= 1e6 for number in numbers):
        raise ValueError("write none, balanced, or a number above 0 for each class, such as 1, 2")
    return ", ".join(f"{number:g}" for number in numbers)


ClassWeights = Annotated[str, AfterValidator(_read_class_weights)]
