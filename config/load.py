"""Loads `hub.yaml`: all faults at once, each with its place, or a configuration that is whole and valid."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast

from dotenv import dotenv_values
from pydantic import BaseModel

from config import yaml
from config.check import check
from config.place import Fault, Keys, Place, meant
from config.schema import CODE, REFERENCES, Config, HubSettings, Kinds, Named, Reference, Section, sections
from core.adapter import Settings
from core.bot import BotSettings
from core.errors import ConfigError
from core.limits.settings import LimitsSettings
from core.model.settings import ModelSettings
from core.persona.settings import Personality


def environment(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, filled up from the file `.env` in the folder; what is set for real wins."""
    try:
        from_file = dotenv_values(folder / ".env", interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{folder / '.env'}: cannot be read: {error}"]) from error
    return {name: value for name, value in from_file.items() if value is not None} | dict(environ)


def load(
    path: Path,
    platforms: Mapping[str, type[Settings]],
    bots: Mapping[str, type[BotSettings]],
    environ: Mapping[str, str],
) -> Config:
    """The configuration in this file. `bots`: the name of a file in `bots/` -> its settings.

    Raises ConfigError with all faults."""
    document = yaml.read(path, environ)
    if document.value is None and document.faults:
        raise _wrong(document, [])
    _fill(document, environ)
    known = sections(platforms, bots)
    checked = check(document, known)
    faults = checked.faults + _dangling(document, known)
    if document.faults or faults:
        raise _wrong(document, faults)
    named = cast(dict[str, BotSettings], checked.named["bots"])
    code = {file: _digest(Path(file)) for bot in named.values() for key in CODE for file in getattr(bot, key, ())}
    return Config(
        hub=cast(HubSettings, checked.single["hub"]),
        limits=cast(LimitsSettings, checked.single["limits"]),
        channels=MappingProxyType(cast(dict[str, Settings], checked.named["channels"])),
        bots=MappingProxyType(named),
        models=MappingProxyType(cast(dict[str, ModelSettings], checked.named["models"])),
        personalities=MappingProxyType(cast(dict[str, Personality], checked.named["personalities"])),
        files=(*document.files, *map(Path, code)),
        code=MappingProxyType(code),
    )


def _digest(file: Path) -> str:
    try:
        return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
    except OSError:  # the bot that needs it tells
        return ""


def _fill(document: yaml.Document, environ: Mapping[str, str]) -> None:
    """Give the hub's keys that were left out what the environment has for them under their usual names."""
    if not isinstance(document.value, dict):
        return
    hub = document.value.get("hub") or {}
    if not isinstance(hub, dict):
        return
    document.value["hub"] = hub
    place = Place(yaml.shown(document.files[0]))
    for key, name in HubSettings.environment.items():
        if key not in hub and environ.get(name):
            hub[key] = environ[name]
            document.spots["hub", key] = yaml.Spot(place, place, f"${{{name}}}")


def _dangling(document: yaml.Document, sections: Mapping[str, Section]) -> list[Fault]:
    """Names of entries that are not there; looked up as written, so that another mistake beside it hides nothing."""
    unread = {fault.keys for fault in document.faults}
    faults = []
    for reference in REFERENCES:
        known = sorted(_entries(document, reference.target))
        if (reference.target,) in unread:
            continue
        for keys, named in _names(document, reference, sections[reference.section]):
            if named not in known:
                problem = f"'{named}' is none of {', '.join(known)}{meant(named, known)}"
                told = problem if known else f"there is no {reference.what} '{named}'"
                faults.append(Fault(_place(document, keys), keys, told))
    return faults


def _names(document: yaml.Document, reference: Reference, section: Section) -> Iterator[tuple[Keys, str]]:
    """Where this reference is made, and the names given there; an empty one that is the default names nothing."""
    for entry, content in _entries(document, reference.section).items():
        model = _model(section, content)
        given, default = _value(content, model, reference.key)
        keys = (reference.section, entry, *reference.key)
        for position, named in enumerate(given) if isinstance(given, list) else [(None, given)]:
            if isinstance(named, str) and (named or default != ""):
                yield keys if position is None else (*keys, position), named


def _model(section: Section, content: yaml.Value) -> type[BaseModel] | None:
    """What the entry is, where it says so."""
    if isinstance(section, Kinds):
        return section.models.get(str(content.get(section.key))) if isinstance(content, dict) else None
    return section.model if isinstance(section, Named) else section


def _value(content: yaml.Value, model: type[BaseModel] | None, way: tuple[str, ...]) -> tuple[yaml.Value, object]:
    """What the entry has there, and what it has when nothing is given; None where it has no such key."""
    for key in way[:-1]:
        content = content.get(key) if isinstance(content, dict) else None
        annotation = model.model_fields[key].annotation if model and key in model.model_fields else None
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    field = model.model_fields.get(way[-1]) if model else None
    if field is None:
        return None, None
    return content.get(way[-1], field.default) if isinstance(content, dict) else field.default, field.default


def _place(document: yaml.Document, keys: Keys) -> Place:
    """Of the value, or of the nearest key above where it is a default."""
    if keys in document.spots:
        return document.spots[keys].value
    while keys not in document.spots:
        keys = keys[:-1]
    return document.spots[keys].key


def _entries(document: yaml.Document, section: str) -> dict[str, yaml.Value]:
    entries = document.value.get(section) if isinstance(document.value, dict) else None
    return entries if isinstance(entries, dict) else {}


def _wrong(document: yaml.Document, faults: list[Fault]) -> ConfigError:
    """All faults in the order of the files; what was not even read is not also held against its type."""
    unread = {fault.keys for fault in document.faults}
    told = [fault for fault in faults if not any(fault.keys[: len(keys)] == keys for keys in unread)]
    files = [yaml.shown(file) for file in document.files]
    order = sorted(
        document.faults + told, key=lambda fault: (files.index(fault.place.file), fault.place.line, fault.place.column)
    )
    return ConfigError([str(fault) for fault in order])
