"""Loads `hub.yaml`: all faults at once, each with its place, or a configuration that is whole and valid."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast

from dotenv import dotenv_values
from pydantic import BaseModel

from config import yaml
from config.check import check
from config.place import Fault, Keys, Place, meant
from config.schema import REFERENCES, Config, HubSettings, sections
from core.adapter import Settings
from core.bot import BotSettings
from core.errors import ConfigError
from core.limits.settings import LimitsSettings
from core.model.settings import ModelSettings
from core.persona.settings import Personality

_KINDS = {"channels": "platform", "bots": "use"}


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
    checked = check(document, sections(platforms, bots))
    faults = checked.faults + _dangling(document, {"channels": platforms, "bots": bots})
    if document.faults or faults:
        raise _wrong(document, faults)
    return Config(
        hub=cast(HubSettings, checked.single["hub"]),
        limits=cast(LimitsSettings, checked.single["limits"]),
        channels=MappingProxyType(cast(dict[str, Settings], checked.named["channels"])),
        bots=MappingProxyType(cast(dict[str, BotSettings], checked.named["bots"])),
        models=MappingProxyType(cast(dict[str, ModelSettings], checked.named["models"])),
        personalities=MappingProxyType(cast(dict[str, Personality], checked.named["personalities"])),
        files=tuple(document.files),
    )


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


def _dangling(document: yaml.Document, models: Mapping[str, Mapping[str, type[BaseModel]]]) -> list[Fault]:
    """Names of entries that are not there; looked up as written, so that another mistake beside it hides nothing."""
    unread = {fault.keys for fault in document.faults}
    faults = []
    for keys, named, target in (*_references(document, models), *_fallbacks(document)):
        known = sorted(_entries(document, target))
        if (target,) in unread or not isinstance(named, str) or named in known:
            continue
        place = document.spots[keys].value if keys in document.spots else document.spots[keys[:-1]].key
        problem = f"'{named}' is none of {', '.join(known)}{meant(named, known)}"
        faults.append(Fault(place, keys, problem if known else f"there is no {keys[2]} '{named}'"))
    return faults


def _references(
    document: yaml.Document, models: Mapping[str, Mapping[str, type[BaseModel]]]
) -> Iterator[tuple[Keys, yaml.Value, str]]:
    """Where a key names an entry of another section, and which."""
    for section, key, target in REFERENCES:
        for name, entry in _entries(document, section).items():
            model = models[section].get(str(entry.get(_KINDS[section]))) if isinstance(entry, dict) else None
            if isinstance(entry, dict) and model is not None and key in model.model_fields:
                yield (section, name, key), entry.get(key, model.model_fields[key].default), target


def _fallbacks(document: yaml.Document) -> Iterator[tuple[Keys, yaml.Value, str]]:
    for name, model in _entries(document, "models").items():
        others = model.get("fallback") if isinstance(model, dict) else None
        for position, other in enumerate(others if isinstance(others, list) else []):
            yield ("models", name, "fallback", position), other, "models"


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
