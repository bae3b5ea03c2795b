"""Holds what was read against the sections, and tells each fault in words that say what to do."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.place import Fault, Keys, Place, meant
from config.schema import NAME, Kinds, Named, Section
from config.yaml import Document, Spot, Value


@dataclass(slots=True)
class Checked:
    """Section -> its settings, or entry names -> settings; and what is wrong."""

    single: dict[str, BaseModel] = field(default_factory=dict)
    named: dict[str, dict[str, BaseModel]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def check(document: Document, sections: Mapping[str, Section]) -> Checked:
    """Every section as typed settings; what is wrong is left out and told in `faults`."""
    return _Checker(document.spots).top(document.value, sections)


class _Checker:
    def __init__(self, spots: Mapping[Keys, Spot]) -> None:
        self.spots = spots
        self.result = Checked()

    def top(self, value: Value, sections: Mapping[str, Section]) -> Checked:
        given = self.mapping(value, ())
        for key in given.keys() - sections.keys():
            self.fault((key,), _unknown(key, sections), at_key=True)
        for name, section in sections.items():
            content = self.mapping(given.get(name), (name,))
            if isinstance(section, Kinds | Named):
                entries = ((entry, self.entry(section, name, entry, value)) for entry, value in content.items())
                self.result.named[name] = {entry: settings for entry, settings in entries if settings is not None}
            elif (settings := self.settings(section, content, (name,))) is not None:
                self.result.single[name] = settings
        return self.result

    def entry(self, section: Kinds | Named, name: str, entry: str, value: Value) -> BaseModel | None:
        keys = (name, entry)
        if not re.match(NAME, entry):
            self.fault(keys, "a name is made of letters, digits, - and _, at most 64", at_key=True)
        if value is not None and not isinstance(value, dict):
            self.fault(keys, f"expected keys with values, not {self.word(keys, value)}")
            return None
        content = value or {}
        if isinstance(section, Named):
            return self.settings(section.model, content, keys)
        kind = content.get(section.key)
        if isinstance(kind, str) and kind in section.models:
            return self.settings(section.models[kind], content, keys)
        known = f"none of {', '.join(sorted(section.models))}"
        if section.key not in content and (misspelt := get_close_matches(section.key, content, 1)):
            self.fault((*keys, misspelt[0]), _unknown(misspelt[0], [section.key]), at_key=True)
        elif section.key not in content:
            self.fault((*keys, section.key), f"is required, and must be {known.replace('none', 'one', 1)}")
        else:
            word = self.word((*keys, section.key), kind)
            self.fault((*keys, section.key), f"{word} is {known}{meant(str(kind), section.models)}")
        return None

    def mapping(self, value: Value, keys: Keys) -> dict[str, Value]:
        """The keys with values here; nothing at all is as good as none."""
        if isinstance(value, dict):
            return value
        if value is not None:
            self.fault(keys, f"expected keys with values, not {self.word(keys, value)}")
        return {}

    def settings(self, model: type[BaseModel], content: dict[str, Value], keys: Keys) -> BaseModel | None:
        try:
            return model.model_validate(content)
        except ValidationError as error:
            wrong: dict[Keys, list[ErrorDetails]] = {}
            for detail in error.errors(include_url=False, include_input=False):
                wrong.setdefault(_within(content, detail["loc"]), []).append(detail)
        for inner, details in wrong.items():
            unknown = details[0]["type"] == "extra_forbidden"
            problem = (
                _unknown(str(inner[-1]), _fields(model, inner[:-1]))
                if unknown
                else self.problem((*keys, *inner), _at(content, inner), details)
            )
            self.fault((*keys, *inner), problem, at_key=unknown or not inner)
        return None

    def problem(self, keys: Keys, value: Value, details: list[ErrorDetails]) -> str:
        if details[0]["type"] == "missing":
            return "is required"
        told = [detail["msg"].removeprefix("Value error, ") for detail in details if not _expected(detail)]
        if told:
            return "; ".join(told)
        expected = list(dict.fromkeys(choice for detail in details for choice in _expected(detail)))
        choices = [choice.strip("'") for choice in expected if choice.startswith("'") or choice in ("true", "false")]
        near = meant(value, choices) if isinstance(value, str) else ""
        return f"expected {_either(expected)}, not {self.word(keys, value)}{near}"

    def word(self, keys: Keys, value: Value) -> str:
        """What stands there, as it was written: a variable by its name, for it may hold a secret."""
        if isinstance(value, dict):
            return "keys with values"
        if isinstance(value, list):
            return "a list"
        written = self.spots[keys].written if keys in self.spots else ""
        if value is None:
            return "nothing"
        if "${" in written:
            return f"what {written} holds"
        return f"'{written}'" if isinstance(value, str) else written

    def fault(self, keys: Keys, problem: str, *, at_key: bool = False) -> None:
        self.result.faults.append(Fault(self.place(keys, at_key), keys, problem))

    def place(self, keys: Keys, at_key: bool) -> Place:
        """Of the value, or of the nearest key above where it is missing."""
        if (spot := self.spots.get(keys)) is not None:
            return spot.key if at_key else spot.value
        return self.place(keys[:-1], at_key=True)


def _expected(detail: ErrorDetails) -> list[str]:
    """What could stand there, where pydantic's error is of a kind that can be said in few words."""
    limits = detail.get("ctx", {})
    match detail["type"]:
        case "literal_error":
            return re.findall(r"'[^']*'", str(limits["expected"]))
        case "bool_type" | "bool_parsing":
            return ["true", "false"]
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            return ["a whole number"]
        case "float_type" | "float_parsing" | "finite_number":
            return ["a number"]
        case "greater_than_equal":
            return [f"{limits['ge']:g} or more"]
        case "greater_than":
            return [f"more than {limits['gt']:g}"]
        case "less_than_equal":
            return [f"{limits['le']:g} or less"]
        case "string_type" | "path_type":
            return ["text"]
        case "list_type" | "tuple_type":
            return ["a list"]
        case "dict_type" | "model_type":
            return ["keys with values"]
    return []


def _either(words: list[str]) -> str:
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _unknown(key: str, known: Iterable[str]) -> str:
    known = sorted(known)
    return "there is no such key" + (meant(key, known) or f"; there are {', '.join(known)}")


def _within(content: Value, loc: tuple[str | int, ...]) -> Keys:
    """The part of pydantic's location that is a way through the file; the rest names its own types."""
    keys: list[str | int] = []
    for step, key in enumerate(loc):
        if isinstance(content, dict) and isinstance(key, str):
            if key not in content and step < len(loc) - 1:
                continue
            content = content.get(key)
        elif isinstance(content, list) and isinstance(key, int):
            content = content[key]
        else:
            continue
        keys.append(key)
    return tuple(keys)


def _at(content: Value, keys: Keys) -> Value:
    for key in keys:
        if isinstance(content, dict) and isinstance(key, str):
            content = content.get(key)
        elif isinstance(content, list) and isinstance(key, int):
            content = content[key]
    return content


def _fields(model: type[BaseModel], keys: Keys) -> Iterable[str]:
    for key in keys:
        info = model.model_fields.get(str(key))
        if info is not None and isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            model = info.annotation
    return model.model_fields
