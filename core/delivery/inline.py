"""A paragraph's inside as a row of runs, of which any stretch can be written as Markdown that stands on its own."""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from typing import Literal, Self

from markdown_it.tree import SyntaxTreeNode

from core.markdown import Renderer

_SPECIAL = re.compile(r"[\\`*_\[\]<>~|#]|&(?=#?\w+;)")
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_LINE_START = re.compile(r"^(?:(?=[+=-])|(\d{1,9})(?=[.)]))", re.MULTILINE)
_TARGET_SPECIAL = re.compile(r"[\\<>()]|&(?=#?\w+;)")
_LINK = "\ufffc"
"""Stands in `Inline.text` for a link as a whole, so that no place to cut is inside it."""


@dataclass(frozen=True, slots=True)
class _Run:
    kind: Literal["text", "code", "break", "link"]
    text: str
    marks: tuple[tuple[int, str], ...] = ()
    """The formatting around it, outermost first: which, and its mark."""
    source: str = ""
    """A link as Markdown."""


class Inline:
    def __init__(self, runs: list[_Run]) -> None:
        self._runs = runs
        self._measure()

    @classmethod
    def of_node(cls, inline: SyntaxTreeNode, line_break: str = "\\\n") -> Self:
        """From the tree of a paragraph or heading."""
        return cls(_runs(inline, (), line_break))

    @classmethod
    def of_text(cls, literal: str) -> Self:
        """From text that means nothing but itself."""
        return cls([_Run("text", literal)])

    def loosen(self, fits: Callable[[str], bool]) -> None:
        """Turn links that do not fit into plain text, which can be cut."""
        for index, run in enumerate(self._runs):
            if run.kind == "link" and not fits(Inline([run]).markdown(0, 1)):
                self._runs[index] = replace(run, kind="text", text=Renderer().render(run.source))
        self._measure()

    def markdown(self, start: int, end: int) -> str:
        """The characters `start` to `end` of `text`, without blanks at both ends, in their formatting."""
        while start < end and self.text[start].isspace():
            start += 1
        while start < end and self.text[end - 1].isspace():
            end -= 1
        written: list[str] = []
        opened: tuple[tuple[int, str], ...] = ()
        index = bisect_right(self._ends, start)
        while start < end:
            run = self._runs[index]
            begin = self._ends[index] - len(run.text)
            stop = min(end, self._ends[index])
            common = sum(1 for a, b in zip(opened, run.marks, strict=False) if a == b)
            written += [mark for _, mark in reversed(opened[common:])]
            written += [mark for _, mark in run.marks[common:]]
            opened = run.marks
            written.append(_write(run, run.text[start - begin : stop - begin]))
            start = stop
            index += 1
        written += [mark for _, mark in reversed(opened)]
        return _LINE_START.sub(r"\1\\", _INDENT.sub("", "".join(written)))

    def _measure(self) -> None:
        self.text = "".join(run.text for run in self._runs)
        self._ends = list(accumulate(len(run.text) for run in self._runs))


def _runs(parent: SyntaxTreeNode, marks: tuple[tuple[int, str], ...], line_break: str) -> list[_Run]:
    runs: list[_Run] = []
    for node in parent.children:
        match node.type:
            case "strong" | "em" | "s":
                runs += _runs(node, (*marks, (id(node), node.markup)), line_break)
            case "link":
                inner = Inline(_runs(node, (), line_break))
                label = inner.markdown(0, len(inner.text))
                runs.append(_Run("link", _LINK, marks, f"[{label}]({_target(node.attrs['href'])})"))
            case "image":
                label = _SPECIAL.sub(r"\\\g<0>", " ".join(words(node).split()))
                runs.append(_Run("link", _LINK, marks, f"![{label}]({_target(node.attrs['src'])})"))
            case "code_inline":
                runs.append(_Run("code", node.content, marks))
            case "softbreak":
                runs.append(_Run("text", "\n", marks))
            case "hardbreak":
                runs.append(_Run("break", "\n", marks, line_break))
            case _:
                runs.append(_Run("text", node.content, marks))
    return _merged(runs)


def _merged(runs: list[_Run]) -> list[_Run]:
    """Without empty runs, and one run for neighbours that are written the same way."""
    merged: list[_Run] = []
    for (kind, marks), same in groupby(runs, lambda run: (run.kind, run.marks)):
        group = list(same)
        if kind == "text":
            merged.append(_Run(kind, "".join(run.text for run in group), marks))
        else:
            merged += group
    return [run for run in merged if run.text]


def _write(run: _Run, text: str) -> str:
    match run.kind:
        case "link" | "break":
            return run.source
        case "code":
            longest = max(map(len, re.findall("`+", text)), default=0)
            ticks = "`" * (longest + 1)
            pad = " " if "`" in (text[0], text[-1]) or (text[0] == text[-1] == " " and text.strip()) else ""
            return f"{ticks}{pad}{text}{pad}{ticks}"
        case _:
            return _SPECIAL.sub(r"\\\g<0>", text)


def _target(href: object) -> str:
    return _TARGET_SPECIAL.sub(r"\\\g<0>", str(href)) or "<>"


def words(node: SyntaxTreeNode) -> str:
    """The words of a node, without any markup."""
    return "".join(map(words, node.children)) if node.children else node.content or " "
