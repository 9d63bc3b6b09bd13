"""From what people give to a TrainConfig: every field that is wrong gets one sentence with what it accepts."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from core.config.train_config import FieldProblem, TrainConfig
from core.errors import ConfigError


def parse_config(values: Mapping[str, Any]) -> TrainConfig:
    """Check values that a person gave.

    Raises:
        ConfigError: one sentence for every field that is wrong.
    """
    try:
        return TrainConfig.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(_sentences(error)) from error


def load_config(text: str) -> TrainConfig:
    """Read the JSON that `TrainConfig.model_dump_json` wrote.

    Raises:
        ConfigError: if it is not JSON, or a field is wrong.
    """
    try:
        return TrainConfig.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(_sentences(error)) from error


def _sentences(error: ValidationError) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in error.errors():
        inner = item.get("ctx", {}).get("error")
        if isinstance(inner, FieldProblem):
            found.setdefault(inner.field, inner.sentence)
            continue
        field = str(item["loc"][0]) if item["loc"] else "configuration"
        found.setdefault(field, _sentence(field, item["type"], item.get("input")))
    return found


def _sentence(field: str, kind: str, given: Any) -> str:
    if kind == "json_invalid":
        return "The configuration is not valid JSON: write it again or remove it."
    known = TrainConfig.model_fields
    if field not in known:
        return f"{field} is not a field of a training: leave it out (fields: {', '.join(known)})."
    if kind == "missing":
        return f"{field} is missing: give the {known[field].title or field}."
    shown = json.dumps(given, default=str, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else shown[:57] + "…"
    return f"{field} is {shown}: choose {allowed_values(field)}."


@cache
def _schema() -> dict[str, Any]:
    properties: dict[str, Any] = TrainConfig.model_json_schema()["properties"]
    return properties


def allowed_values(field: str) -> str:
    """What a field accepts, in words: `a whole number from 1 to 1000`."""
    schema = _schema()[field]
    for option in schema.get("anyOf", []):
        if option.get("type") != "null":
            schema = {**option, **{k: v for k, v in schema.items() if k != "anyOf"}}
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    kind = schema.get("type")
    if kind == "boolean":
        return "true or false"
    if kind == "array":
        return "1 to 8 whole numbers from 1 to 1024, separated by commas"
    if kind in ("integer", "number"):
        word = "a whole number" if kind == "integer" else "a number"
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        edge = "above" if "exclusiveMinimum" in schema else "from"
        return (
            f"{word} {edge} {low:g} to {schema['maximum']:.10g}"
            if edge == "from"
            else (f"{word} above {low:g}, at most {schema['maximum']:.10g}")
        )
    if "maxLength" in schema:
        return f"a text of at most {schema['maxLength']} characters"
    return "a text"
