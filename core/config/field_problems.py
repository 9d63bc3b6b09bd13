"""What is wrong with a model's fields, in words: one sentence for each, with the values it accepts."""

import json
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError


class FieldProblem(ValueError):
    """A sentence about one field, carried through pydantic."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field, self.sentence = field, sentence
        super().__init__(sentence)


def describe_problems(error: ValidationError, model: type[BaseModel]) -> dict[str, str]:
    """One sentence for each field that a validation refused."""
    found: dict[str, str] = {}
    for item in error.errors():
        inner = item.get("ctx", {}).get("error")
        if isinstance(inner, FieldProblem):
            found.setdefault(inner.field, inner.sentence)
            continue
        field = str(item["loc"][0]) if item["loc"] else "configuration"
        found.setdefault(field, _describe(model, field, item["type"], item.get("input")))
    return found


def _describe(model: type[BaseModel], field: str, kind: str, given: Any) -> str:
    if kind == "json_invalid":
        return "The configuration is not valid JSON: write it again or remove it."
    known = model.model_fields
    if field not in known:
        return f"{field} is not a field of a training: leave it out (fields: {', '.join(known)})."
    if kind == "missing":
        return f"{field} is missing: give the {known[field].title or field}."
    shown = json.dumps(given, default=str, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else shown[:57] + "…"
    return f"{field} is {shown}: choose {allowed_values(model, field)}."


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    properties: dict[str, Any] = model.model_json_schema()["properties"]
    return properties


def allowed_values(model: type[BaseModel], field: str) -> str:
    """What a field accepts, in words: `a whole number from 1 to 1000`."""
    schema = _schema(model)[field]
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
        if "exclusiveMinimum" in schema:
            return f"{word} above {schema['exclusiveMinimum']:g}, at most {schema['maximum']:.10g}"
        return f"{word} from {schema['minimum']:g} to {schema['maximum']:.10g}"
    if "maxLength" in schema:
        return f"a text of at most {schema['maxLength']} characters"
    return "a text"
