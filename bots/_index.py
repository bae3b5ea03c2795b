"""Markdown files by section, and the search over them by SQLite's full-text index, all in memory."""

import hashlib
import math
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from markdown_it import MarkdownIt

_KEY_BYTES = 60
"""What is left of a button's 64 bytes for a section's key, with room for a prefix."""
_CANDIDATES = 20
_MOST_WORDS = 32
"""Words of a question that are looked for."""
_LONG_WORD = 5
"""Letters from which on a word also finds the words that begin with it."""
_WEIGHTS = (6.0, 3.0, 1.0)
"""Of a word in the heading, in the headings above, in the text."""
_OPENING = 0.25
"""What a document's first section is worth above the others, which go into detail."""
_STOP_WORDS = frozenset(
    """a about after again all also am an and any anyone anything are as ask at be because been before being but by can
    could d did do does doing done each explain find for from get gets give go goes going got had has have having he
    her here him his how i if in into is it its just know let like ll look m make makes many may me mean might more
    most much must my need no nor of off ok on or other our ours out over please possible re really required s say
    see set shall she should show so some someone something such t tell than that the their them then there these
    they thing things this those to too try under up us use used uses using ve very want wants was way we were what
    when where which while who whom whose why will with work works would yes you your yours aren couldn didn doesn
    don hasn haven isn wasn won wouldn""".split()  # noqa: SIM905
)
_parse = MarkdownIt("commonmark").parse


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it up to the next heading."""

    file: str
    path: tuple[str, ...]
    """The headings above it and its own, outermost first."""
    key: str
    """`<file>#<heading>`, at most 60 bytes, unique in the index."""
    body: str

    @property
    def label(self) -> str:
        return self.path[-1]

    def is_within(self, other: "Section") -> bool:
        return self.file == other.file and self.path[: len(other.path)] == other.path


@dataclass(frozen=True, slots=True)
class Hit:
    section: Section
    coverage: float
    """The share of the question that the section holds, 0 to 1; rare words count for more."""
    score: float


class Index:
    """Immutable: changed files make a new one."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self.sections = tuple(sections)
        self.by_key = {section.key: section for section in self.sections}
        self._db = sqlite3.connect(":memory:", check_same_thread=False)  # built in a thread, asked from the loop
        self._db.execute(
            "CREATE VIRTUAL TABLE s USING fts5(heading, above, body, tokenize='porter unicode61 remove_diacritics 2')"
        )
        self._db.executemany(
            "INSERT INTO s(rowid, heading, above, body) VALUES (?, ?, ?, ?)",
            [(row, s.label, " ".join(s.path[:-1]), s.body) for row, s in enumerate(self.sections)],
        )

    @classmethod
    def of_files(cls, roots: Sequence[str], files: Sequence[Path]) -> Self:
        """Read the files; one that cannot be read is left out."""
        folders = [Path(root) for root in roots if Path(root).is_dir()]
        sections: list[Section] = []
        taken: set[str] = set()
        for file in files:
            try:
                text = file.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            folder = next((folder for folder in folders if file.is_relative_to(folder)), file.parent)
            sections += _sections(file.relative_to(folder).as_posix(), text.removeprefix("\ufeff"), taken)
        return cls(sections)

    @cached_property
    def topics(self) -> list[Section]:
        """The first section of each file."""
        return list({section.file: section for section in reversed(self.sections)}.values())[::-1]

    def search(self, question: str) -> list[Hit]:
        """The sections that say most of what was asked, best first. Any text may be asked."""
        terms = _terms(question)
        if not terms or not self.sections:
            return []
        weights = {term: self._weight(term) for term in terms}
        rows = self._db.execute(
            f"SELECT rowid, bm25(s, {', '.join(map(str, _WEIGHTS))}) AS rank FROM s WHERE s MATCH ?"  # noqa: S608
            " ORDER BY rank LIMIT ?",
            (" OR ".join(terms), _CANDIDATES),
        ).fetchall()
        covered = dict.fromkeys((row for row, _ in rows), 0.0)
        for term, weight in weights.items():
            for row in self._rows(term) & covered.keys():
                covered[row] += weight
        total = sum(weights.values())
        asked = _stems(question)
        hits = [
            Hit(
                self.sections[row],
                share := covered[row] / total,
                -rank * share * _standing(self.sections[row], asked),
            )
            for row, rank in rows
        ]
        return sorted(hits, key=lambda hit: -hit.score)

    def beside(self, section: Section) -> list[Section]:
        """What stands under the section, then what comes after it in its file."""
        here = self.sections.index(section)
        after = [other for other in self.sections[here + 1 :] if other.file == section.file]
        return sorted(after, key=lambda other: not other.is_within(section))

    def text(self, section: Section, limit: int) -> tuple[str, list[Section]]:
        """The section with what stands under it, as far as whole blocks fit, and the sections that were begun."""
        here = self.sections.index(section)
        blocks: list[str] = []
        told: list[Section] = []
        for part in self.sections[here:]:
            if not part.is_within(section):
                break
            wanted = [f"{'#' * min(6, 2 + len(part.path) - len(section.path))} {part.label}", *_blocks(part.body)]
            for number, block in enumerate(wanted):
                with_next = wanted[:2] if number == 0 else [block]  # no heading without a text under it
                if len(blocks) > 1 and sum(map(len, [*blocks, *with_next])) > limit:
                    return "\n\n".join([*blocks, "…"] if number else blocks), told
                blocks.append(block)
                told += [part] if number <= 1 and part not in told else []
        return "\n\n".join(blocks), told

    def _rows(self, term: str) -> set[int]:
        return {row for (row,) in self._db.execute("SELECT rowid FROM s WHERE s MATCH ?", (term,))}

    def _weight(self, term: str) -> float:
        return math.log(1 + (len(self.sections) + 0.5) / (len(self._rows(term)) + 0.5))


def _terms(question: str) -> list[str]:
    """The question's telling words, each quoted: nothing in it is an operator."""
    return [f'"{word}"*' if len(word) >= _LONG_WORD else f'"{word}"' for word in _telling(question)[:_MOST_WORDS]]


def _telling(text: str) -> list[str]:
    words = dict.fromkeys(re.findall(r"[^\W_]+", text.casefold()))
    return [word for word in words if word not in _STOP_WORDS and (len(word) > 1 or not word.isascii())]


def _stems(text: str) -> set[str]:
    return {word[:_LONG_WORD] for word in _telling(text)}


def _standing(section: Section, asked: set[str]) -> float:
    """More for a section whose heading is what was asked about, and for one that opens its document."""
    heading = _stems(section.label)
    named = len(heading & asked) / len(heading) if heading else 0.0
    return 1 + named + (_OPENING if len(section.path) == 1 else 0)


def _sections(file: str, text: str, taken: set[str]) -> list[Section]:
    lines = text.splitlines(keepends=True)
    tokens = _parse(text)
    headings = [
        (token.map[0], token.map[1], int(token.tag[1]), tokens[index + 1].content.strip())
        for index, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0 and token.map
    ]
    name = Path(file).stem.replace("-", " ").replace("_", " ").strip().capitalize() or file
    if not headings or "".join(lines[: headings[0][0]]).strip():
        headings.insert(0, (0, 0, 1, name))
    sections: list[Section] = []
    above: list[tuple[int, str]] = []
    for (_, begin, level, heading), (end, *_) in zip(headings, [*headings[1:], (len(lines), 0, 0, "")], strict=True):
        above = [*(pair for pair in above if pair[0] < level), (level, heading or name)]
        path = tuple(title for _, title in above)
        body = "".join(lines[begin:end]).strip()
        sections.append(Section(file, path, _key(file, path[-1], taken), body))
    return [
        section for section in sections if section.body or any(o.is_within(section) for o in sections if o != section)
    ]


def _key(file: str, heading: str, taken: set[str]) -> str:
    """Cut to its length with a digest of the whole, so that it still means one section."""
    slug = re.sub(r"\W+", "-", heading.casefold()).strip("-")
    whole = f"{file.removesuffix('.md')}#{slug}"
    key, count = whole, 1
    while key in taken or len(key.encode()) > _KEY_BYTES:
        digest = hashlib.sha256(f"{whole}\n{count}".encode()).hexdigest()[:8]
        key = whole.encode()[: _KEY_BYTES - 9].decode(errors="ignore") + "~" + digest
        count += 1
    taken.add(key)
    return key


def _blocks(markdown: str) -> list[str]:
    lines = markdown.splitlines()
    spans = [token.map for token in _parse(markdown) if token.level == 0 and token.map and token.nesting >= 0]
    return ["\n".join(lines[start:end]).rstrip() for start, end in spans]
