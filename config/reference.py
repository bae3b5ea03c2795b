"""The page `docs/configuration.md`, written from the settings themselves."""

import json
from collections.abc import Mapping

from pydantic import BaseModel, JsonValue

from config.editor import Node, properties
from config.schema import Kinds, Named, sections
from core.adapter import Settings
from core.bot import BotSettings

_TOP = """\
# Configuration

Everything an admin sets stands in `config/hub.yaml`. Saving the file applies it; `python3 run.py check` only looks.
This page is written from the code.

```yaml
# yaml-language-server: $schema=schema.json
hub:
  public_url: ${PUBLIC_URL:-}
channels:
  community-telegram:
    platform: telegram
    bot_token: ${TELEGRAM_BOT_TOKEN:-}
bots:
  assistant: {use: echo}
```

## How the file is read

- `${NAME}` is filled in from the environment, and from the file `.env` beside `run.py` for what the environment lacks.
  `${NAME:-default}` has a default, `${NAME:?message}` says what to do when it is missing, `$${` is a plain `${`.
  A value that was filled in is not looked at again, so it may hold anything.
- `!include file.yaml` puts another file in this place; `!secret name` takes the line `name: …` of `secrets.yaml`. Both
  are looked for beside the file that names them. (In VS Code: `"yaml.customTags": ["!include", "!secret"]`.)
- Text needs no quotes: `no`, `0123` and `+15005550006` stay as they are written. Only `true`, `false` and an empty
  value are special.
- A key may be given once, and unknown keys are refused. All mistakes are told together, each with its file, line and
  column; nothing starts before all is well, and a running hub keeps what it has.
"""

_ABOUT = {
    "hub": "The hub itself. All keys may be left out.",
    "channels": "Name of the channel -> its settings. The name is yours; it is part of the webhook's address.",
    "bots": "Name of the bot -> its settings. A channel names the bot that answers in it.",
    "models": "Name of the model -> its settings. Any server that speaks the OpenAI chat completions API.",
    "limits": "How much may be said and spent. A key that is left out sets no limit.",
    "personalities": "Name of the personality -> what it is like. Three ship in `config/personalities.yaml`.",
}


def reference(platforms: Mapping[str, type[Settings]], bots: Mapping[str, type[BotSettings]]) -> str:
    """The whole page, in Markdown."""
    parts = [_TOP]
    for name, section in sections(platforms, bots).items():
        parts.append(f"## `{name}`\n\n{_ABOUT[name]}\n")
        if isinstance(section, Named):
            parts.append(_table(section.model, "Usually `${{{}}}`."))
            continue
        if not isinstance(section, Kinds):
            parts.append(_table(section, "From the environment's `{}` where it is not given."))
            continue
        base = Settings if name == "channels" else BotSettings
        parts.append(_table(base))
        for kind, model in sorted(section.models.items()):
            parts.append(f"### `{section.key}: {kind}`\n")
            parts.append(_table(model, "Usually `${{{}}}`.", base, section.key))
    return "\n".join(parts)


def _table(model: type[BaseModel], source: str = "", base: type[BaseModel] | None = None, told: str = "") -> str:
    """Its keys, without those of the base and the one that was `told` in the heading."""
    environment: Mapping[str, str] = getattr(model, "environment", {})
    known = properties(base) if base else {}
    rows = []
    for key, node in properties(model).items():
        if known.get(key) == node or key == told:
            continue
        about = " ".join(str(node.get("description", "")).split())
        if key in environment:
            about = f"{about} {source.format(environment[key])}".strip()
        default = "required" if model.model_fields[key].is_required() else _literal(node.get("default"))
        cells = (f"`{key}`", _either(_takes(node)), default, about)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if not rows:
        return "No keys of its own.\n"
    return "\n".join(("| key | takes | default | |", "|---|---|---|---|", *rows, ""))


def _literal(value: JsonValue) -> str:
    if value in ("", None, []):
        return ""
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _either(words: list[str]) -> str:
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _takes(node: Node) -> list[str]:
    """What may be given, in words."""
    if isinstance(choices := node.get("anyOf"), list):
        return [word for choice in choices if isinstance(choice, dict) for word in _takes(choice)]
    if isinstance(words := node.get("enum"), list):
        return [f"`{word}`" for word in words]
    match node.get("type"), node.get("format"), node.get("items"):
        case "boolean", _, _:
            return ["`true`", "`false`"]
        case "integer", _, _:
            return ["a whole number"]
        case "number", _, _:
            return ["a number"]
        case "string", "password", _:
            return ["a secret"]
        case "string", _, _:
            return [f"`{node['const']}`"] if "const" in node else ["text"]
        case "array", _, dict() as items:
            return [f"a list: {_either(_takes(items))}"]
        case "object", _, _:
            return ["keys with values"]
    return ["a value"]
