"""The JSON Schema of `hub.yaml`, with which editors complete keys and underline mistakes while they are typed."""

from collections.abc import Mapping

from pydantic import BaseModel, JsonValue

from config.schema import NAME, Kinds, Named, Section, sections
from core.adapter import Settings
from core.bot import BotSettings

Node = dict[str, JsonValue]

_VARIABLE: Node = {"type": "string", "pattern": r"\$\{"}
"""A value that comes from the environment, whatever type the key takes."""


def schema(platforms: Mapping[str, type[Settings]], bots: Mapping[str, type[BotSettings]]) -> Node:
    """The schema in draft 2020-12. A little more lenient than the hub, which sees what the variables hold."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Switchboard",
        "type": "object",
        "properties": {name: _section(section) for name, section in sections(platforms, bots).items()},
        "additionalProperties": False,
    }


def properties(model: type[BaseModel]) -> dict[str, Node]:
    """Key -> its schema with description and default."""
    found = model.model_json_schema()
    return {key: _resolved(value, found.get("$defs", {})) for key, value in found["properties"].items()}


def _section(section: Section) -> Node:
    if isinstance(section, Named):
        return _entries({**_keys(section.model), "type": "object"})
    if not isinstance(section, Kinds):
        return {**_keys(section), "type": ["object", "null"]}
    kinds = sorted(section.models)
    entry: Node = {
        "type": "object",
        "properties": {section.key: {"enum": list[JsonValue](kinds)}},
        "required": [section.key],
        "allOf": [
            {
                "if": {"properties": {section.key: {"const": kind}}, "required": [section.key]},
                "then": _keys(section.models[kind]),
            }
            for kind in kinds
        ],
    }
    return _entries(entry)


def _entries(entry: Node) -> Node:
    return {"type": ["object", "null"], "propertyNames": {"pattern": NAME}, "additionalProperties": entry}


def _keys(model: type[BaseModel]) -> Node:
    required = [key for key, info in model.model_fields.items() if info.is_required()]
    return {
        "description": model.__doc__ or "",
        "properties": {key: _lenient(value) for key, value in properties(model).items()},
        "required": list[JsonValue](required),
        "additionalProperties": False,
    }


def _lenient(node: Node) -> Node:
    """Text may be written as a number (`+15005550006`), and anything may come from the environment."""
    about: Node = {key: node[key] for key in ("description", "default") if key in node}
    asked: Node = {
        key: value for key, value in node.items() if key not in ("description", "default", "title", "writeOnly")
    }
    if asked.get("type") == "string" and "enum" not in asked:
        return {**about, "type": ["string", "number"]}
    return {**about, "anyOf": [asked, _VARIABLE]}


def _resolved(node: JsonValue, definitions: Mapping[str, JsonValue]) -> Node:
    """The same without references, so that each key's schema stands for itself."""

    def resolve(value: JsonValue) -> JsonValue:
        if isinstance(value, list):
            return [resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if isinstance(reference := value.get("$ref"), str):
            value = {**value, **_resolved(definitions[reference.rpartition("/")[2]], definitions)}
        return {key: resolve(item) for key, item in value.items() if key != "$ref"}

    resolved = resolve(node)
    return resolved if isinstance(resolved, dict) else {}
