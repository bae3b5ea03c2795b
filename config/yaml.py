"""Reads YAML into plain values that know their places: no tags that run code, no surprises of YAML 1.1.

Only true, false and null are typed. All else stays text as it was written, and the key's own type decides later:
so `no`, `0123` and `+15005550006` mean what they say.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from config.expand import expand
from config.place import Fault, Keys, Place, meant

MAX_BYTES = 1_000_000
"""Of one file."""
MAX_NODES = 20_000
"""Of all files together with aliases followed, so that a few lines cannot grow to billions."""

Value = str | bool | None | list["Value"] | dict[str, "Value"]

_BOOL, _NULL, _MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("bool", "null", "merge"))
_PLAIN_TAGS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "map", "seq"))


class _Loader(yaml.SafeLoader):
    """Types nothing but true, false, null and `<<`. The pure-Python parser: the C one has no limit on depth."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  PyYAML's own spelling


_Loader.add_implicit_resolver(_BOOL, re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_Loader.add_implicit_resolver(_NULL, re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(_MERGE, re.compile(r"<<\Z"), ["<"])


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a key and its value stand, and the value as written, before variables were filled in."""

    key: Place
    value: Place
    written: str = ""


@dataclass(slots=True)
class Document:
    """What was read, with all that is wrong so far."""

    value: Value = None
    spots: dict[Keys, Spot] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    """Every file that was read or looked for."""


def read(path: Path, environ: Mapping[str, str]) -> Document:
    """The file with its includes, secrets and variables filled in; never raises."""
    return _Reader(environ).document(path)


class _Wrong(Exception):
    """One fault; the value it stands for becomes null and reading goes on, so that all faults are found."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(problem)
        self.place = place
        self.problem = problem


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.result = Document()
        self.nodes = 0
        self.open: list[Path] = []

    def document(self, path: Path) -> Document:
        place = Place(shown(path))
        try:
            self.result.value = self.within(path, self.parse(path, place), ())
        except _Wrong as wrong:
            self.fault(wrong.place, (), wrong.problem)
        except RecursionError:
            self.fault(place, (), "is nested too deeply, or an alias (*name) holds itself")
        return self.result

    def fault(self, place: Place, keys: Keys, problem: str) -> None:
        self.result.faults.append(Fault(place, keys, problem))

    def parse(self, path: Path, asked_at: Place) -> yaml.Node:
        """The file's tree. A missing file is a fault at the place that asked for it."""
        if path not in self.result.files:
            self.result.files.append(path)
        file = shown(path)
        text = _text(path, file, asked_at)
        try:
            node = _Loader(text).get_single_node()
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            place = Place(file, before.count("\n") + 1, error.position - before.rfind("\n"))
            raise _Wrong(place, f"the character U+{ord(text[error.position]):04X} is not allowed in YAML") from None
        except yaml.MarkedYAMLError as error:
            raise _Wrong(_place(file, error.problem_mark or error.context_mark), _in_words(error)) from None
        if node is None:
            raise _Wrong(Place(file), "the file is empty")
        return node

    def within(self, path: Path, node: yaml.Node, keys: Keys) -> Value:
        self.open.append(path)
        try:
            return self.build(node, keys, None)
        finally:
            self.open.pop()

    def build(self, node: yaml.Node, keys: Keys, key_place: Place | None) -> Value:
        place = _place(shown(self.open[-1]), node.start_mark)
        written = node.value if isinstance(node, yaml.ScalarNode) else ""
        self.result.spots[keys] = Spot(key_place or place, place, written)
        self.count(place)
        try:
            if isinstance(node, yaml.ScalarNode):
                return self.scalar(node, keys, place)
            if node.tag not in _PLAIN_TAGS:
                raise _Wrong(place, _not_allowed(node.tag))
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item, (*keys, index), None) for index, item in enumerate(node.value)]
            return self.mapping(node, keys)
        except _TooLarge:
            raise
        except _Wrong as wrong:
            self.fault(wrong.place, keys, wrong.problem)
            return None

    def count(self, place: Place) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _TooLarge(place, f"aliases (*name) make this larger than {MAX_NODES:,} values")

    def mapping(self, node: yaml.Node, keys: Keys) -> dict[str, Value]:
        values: dict[str, Value] = {}
        first: dict[str, Place] = {}
        for key_node, value_node in sorted(node.value, key=lambda pair: bool(pair[0].tag != _MERGE)):
            place = _place(shown(self.open[-1]), key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self.fault(place, keys, "a key must be a plain word")
            elif key_node.tag == _MERGE:
                self.count(place)
                values = {**self.merge(value_node, keys, place), **values}
            elif key_node.value in first:
                problem = f"is given twice, first in line {first[key_node.value].line}"
                self.fault(place, (*keys, key_node.value), problem)
            else:
                first[key_node.value] = place
                values[key_node.value] = self.build(value_node, (*keys, key_node.value), place)
        return values

    def merge(self, node: yaml.Node, keys: Keys, place: Place) -> dict[str, Value]:
        parents = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Value] = {}
        for parent in parents:
            if not isinstance(parent, yaml.MappingNode):
                raise _Wrong(place, "<< takes an alias (*name) of keys with values")
            merged = {**self.mapping(parent, keys), **merged}
        return merged

    def scalar(self, node: yaml.ScalarNode, keys: Keys, place: Place) -> Value:
        if node.tag == "!include":
            return self.include(node.value, keys, place)
        if node.tag == "!secret":
            return self.secret(node.value, place)
        if node.tag == _NULL:
            return None
        if node.tag == _BOOL:
            return str(node.value).lower() == "true"
        if node.tag not in _PLAIN_TAGS:
            raise _Wrong(place, _not_allowed(node.tag))
        text, problems = expand(node.value, self.environ)
        for problem in problems:
            self.fault(place, keys, problem)
        return text

    def include(self, name: str, keys: Keys, place: Place) -> Value:
        if not name:
            raise _Wrong(place, "!include takes the name of a file: !include more.yaml")
        path = self.open[-1].parent / name
        if path.resolve() in (file.resolve() for file in self.open):
            raise _Wrong(place, f"{shown(path)} includes itself")
        return self.within(path, self.parse(path, place), keys)

    def secret(self, name: str, place: Place) -> str:
        """The named line of `secrets.yaml` beside the file that asks."""
        path = self.open[-1].parent / "secrets.yaml"
        node = self.parse(path, place)
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(node, node)]
        if not all(isinstance(item, yaml.ScalarNode) and key is not item for key, item in pairs):
            raise _Wrong(_place(shown(path), node.start_mark), "secrets are lines of `name: value`")
        known = {key.value: item.value for key, item in pairs}
        if name not in known:
            raise _Wrong(place, f"{shown(path)} has no '{name}'{meant(name, known)}")
        return str(known[name])


class _TooLarge(_Wrong):
    """Reading stops here."""


def _text(path: Path, file: str, asked_at: Place) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _Wrong(asked_at, f"there is no file {file}") from None
    except OSError as error:
        raise _Wrong(asked_at, f"{file} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise _Wrong(Place(file), f"is larger than {MAX_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Wrong(Place(file, line), "is not UTF-8 text: save the file as UTF-8") from None


def shown(path: Path) -> str:
    """The file's name as people know it: from where they stand, if it is below."""
    full = path.absolute()
    return str(full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else path)


def _place(file: str, mark: yaml.Mark | None) -> Place:
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)


def _not_allowed(tag: str) -> str:
    name = tag.replace("tag:yaml.org,2002:", "!!")
    near = "" if name.startswith("!!") else meant(name, ("!include", "!secret"))
    return f"{name} is not allowed: there are only !include and !secret{near}"


def _in_words(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or str(error.context)
    if "'\\t'" in problem:
        return "a tab stands here: YAML is indented with spaces"
    if problem.startswith("mapping values are not allowed"):
        return "a ':' too many or wrong indentation: quote text that holds ': ', line up keys with their neighbours"
    if problem.startswith(("expected <block end>", "could not find expected ':'")):
        return "does not line up with the lines above: check the indentation and that each key ends with ':'"
    if problem.startswith("expected ','") and problem.endswith("got '{'"):
        return "something before this '{' is missing; between { } and [ ] a variable needs quotes: \"${NAME}\""
    if problem.startswith("found unexpected end of stream"):
        return "a quote or bracket that was opened is never closed"
    return f"is not YAML: {problem}"
