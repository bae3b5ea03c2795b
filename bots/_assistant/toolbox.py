"""The tools that the YAML names: those that ship, those of the author's own files, those of other programs."""

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from bots._tools import Find, ToolName, shipped
from core.errors import ConfigError
from core.model.tools import Tools, ToolSource

log = structlog.get_logger(__name__)


class Toolbox:
    """All tools of one bot. Those of other programs come and go while it runs."""

    def __init__(self, own: Mapping[str, Tools], sources: Mapping[str, ToolSource]) -> None:
        """Raises ConfigError where two tools go by one name."""
        self._own = own
        self._sources = sources
        self._seen = [source.tools for source in sources.values()]
        self._tools = self._merged()
        self._described = described(self._tools)

    @property
    def tools(self) -> Tools:
        """What there is now."""
        self._look()
        return self._tools

    @property
    def described(self) -> str:
        """The same in words: what they take of a prompt."""
        self._look()
        return self._described

    def _look(self) -> None:
        seen = [source.tools for source in self._sources.values()]
        if all(now is before for now, before in zip(seen, self._seen, strict=True)):
            return
        self._seen = seen
        try:
            self._tools = self._merged()
        except ConfigError as error:
            log.warning("the tools stay as they were", faults=error.faults)
        self._described = described(self._tools)

    def _merged(self) -> Tools:
        return Tools.merged({**self._own, **{name: source.tools for name, source in self._sources.items()}})


def described(tools: Tools) -> str:
    """The tools as the model may read them."""
    return "\n".join(f"{spec.name} {spec.description} {json.dumps(spec.parameters)}" for spec in tools.specs)


def own_tools(names: Sequence[ToolName], files: Sequence[str], find: Find | None) -> dict[str, Tools]:
    """Where they are from -> the tools. Reads files. Raises ConfigError with all that is wrong."""
    found: dict[str, Tools] = {}
    faults: list[str] = []
    ours = shipped(find)
    if missing := [name for name in names if name not in ours.names]:
        faults += [f"tools: '{name}' needs documents: name them under knowledge" for name in missing]
    else:
        found["the hub's own"] = ours.only(list(dict.fromkeys(names)))
    for file in dict.fromkeys(files):
        try:
            found[file] = _own(Path(file))
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(faults)
    return found


def _own(file: Path) -> Tools:
    if not file.is_file():
        raise ConfigError([f"tools_from: '{file}': there is no such file"])
    name = f"tools_from:{file.resolve()}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError([f"tools_from: '{file}': expected a Python file"])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pydantic look for what their annotations name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        # Whatever is wrong with the file, the admin is told in one line where to look.
        raise ConfigError([f"{file}: {type(error).__name__}: {error}"]) from error
    tools = getattr(module, "tools", None)
    if not isinstance(tools, Tools):
        raise ConfigError([f"{file}: expected `tools = Tools()` and functions under `@tools.add`"])
    return tools
