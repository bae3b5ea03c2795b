"""The search over passages by SQLite's full-text index, all in memory."""

import hashlib
import math
import re
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bots._knowledge.passages import Passage, blocks
from bots._knowledge.words import LONG_WORD, spread, stems, telling
from core.language.detect import detect

_KEY_BYTES = 60
"""What is left of a button's 64 bytes for a section's key, with room for a prefix."""
_CANDIDATES = 20
_MOST_WORDS = 32
"""Words of a question that are looked for."""
_WEIGHTS = (6.0, 3.0, 1.0)
"""Of a word in the heading, in the headings above, in the text."""
_OPENING = 0.25
"""What a document's first section is worth above the others, which go into detail."""
_FOREIGN = 0.15
"""What a word that no document has weighs in a question of another language than theirs."""
_SAMPLE = 2000
"""Characters by which the documents' language is told."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read."""

    name: str
    place: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A passage in its document."""

    row: int
    file: str
    place: str
    """Where the file is, as the configuration would name it."""
    key: str
    """`<file>#<heading>`, at most 60 bytes, unique in the index."""
    path: tuple[str, ...]
    """The headings above it and its own, outermost first."""
    body: str
    anchor: str = ""
    continues: bool = False
    """It goes on with what stands before it, under the same heading."""

    @property
    def label(self) -> str:
        return self.path[-1]

    @property
    def text(self) -> str:
        """All of it, as it is compared by its meaning."""
        return f"{' › '.join(self.path)}\n\n{self.body}"

    @property
    def digest(self) -> bytes:
        """Of the text."""
        return hashlib.blake2b(self.text.encode(errors="surrogatepass"), digest_size=16).digest()

    def is_within(self, other: "Section") -> bool:
        return self.file == other.file and self.path[: len(other.path)] == other.path


@dataclass(frozen=True, slots=True)
class Hit:
    section: Section
    coverage: float
    """The share of the question that the section holds, 0 to 1; rare words count for more."""
    score: float
    stands_out: bool = False
    """It means about what was asked, whatever its words."""


class Index:
    """Immutable: changed files make a new one. May be asked from several threads."""

    def __init__(self, documents: Sequence[Document]) -> None:
        taken: set[str] = set()
        sections: list[Section] = []
        for document in documents:
            for each in document.passages:
                key = _key(document.name, each.path[-1], taken)
                sections.append(
                    Section(
                        len(sections), document.name, document.place, key, each.path, each.body, each.anchor,
                        each.continues,
                    )
                )  # fmt: skip
        self.sections = tuple(sections)
        self.by_key = {section.key: section for section in self.sections}
        self._lock = threading.Lock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        self._db.execute(
            "CREATE VIRTUAL TABLE s USING fts5(heading, above, body, tokenize='porter unicode61 remove_diacritics 2')"
        )
        self._db.executemany(
            "INSERT INTO s(rowid, heading, above, body) VALUES (?, ?, ?, ?)",
            ((s.row, spread(s.label), spread(" ".join(s.path[:-1])), spread(s.body)) for s in self.sections),
        )

    @cached_property
    def topics(self) -> list[Section]:
        """The first section of each file."""
        return list({section.file: section for section in reversed(self.sections)}.values())[::-1]

    @cached_property
    def by_digest(self) -> dict[bytes, Section]:
        """By what they say."""
        return {section.digest: section for section in reversed(self.sections) if section.body}

    @cached_property
    def language(self) -> str | None:
        """What the documents are written in; None where that cannot be told."""
        step = max(1, len(self.sections) // 10)
        return detect(" ".join(section.body[: _SAMPLE // 10] for section in self.sections[::step]))

    def search(self, question: str) -> list[Hit]:
        """The sections that say most of what was asked, best first. Any text may be asked."""
        words = telling(question)
        asked_in = detect(question)
        is_foreign = bool(asked_in and self.language and asked_in != self.language)
        if is_foreign:  # their short words look like other words of ours
            words = [word for word in words if len(word) > 3 or not word.isascii()]
        terms = [f'"{word}"*' if len(word) >= LONG_WORD else f'"{word}"' for word in words[:_MOST_WORDS]]
        if not terms or not self.sections:
            return []
        with self._lock:
            rows = self._ranked(terms)
            holding = {term: self._rows(term) for term in terms}
        count = len(self.sections)
        weights = {
            term: math.log(1 + (count + 0.5) / (len(found) + 0.5)) * (_FOREIGN if is_foreign and not found else 1)
            for term, found in holding.items()
        }
        covered = dict.fromkeys((row for row, _ in rows), 0.0)
        for term, weight in weights.items():
            for row in holding[term] & covered.keys():
                covered[row] += weight
        total = sum(weights.values())
        asked = stems(question)
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
        after = [
            other
            for other in self.sections[section.row + 1 : section.row + 200]
            if other.file == section.file and not other.continues
        ]
        return sorted(after, key=lambda other: not other.is_within(section))

    def text(self, section: Section, limit: int) -> tuple[str, list[Section]]:
        """The section with what stands under it, as far as whole blocks fit, and the sections that were begun."""
        said: list[str] = []
        told: list[Section] = []
        for part in self.sections[section.row :]:
            if not part.is_within(section) or part.file != section.file:
                break
            has_heading = part is section or not part.continues
            heading = [f"{'#' * min(6, 2 + len(part.path) - len(section.path))} {part.label}"] if has_heading else []
            wanted = [*heading, *map(unwrapped if part.file.endswith(".md") else str, blocks(part.body))]
            for number, block in enumerate(wanted):
                with_next = wanted[:2] if number == 0 and has_heading else [block]  # no heading without a text under it
                if len(said) > 1 and sum(map(len, [*said, *with_next])) > limit:
                    return "\n\n".join([*said, "…"] if number or not has_heading else said), told
                said.append(block)
                told += [part] if number <= 1 and part not in told else []
        return "\n\n".join(said), told

    def _ranked(self, terms: Sequence[str]) -> list[tuple[int, float]]:
        return self._db.execute(
            f"SELECT rowid, bm25(s, {', '.join(map(str, _WEIGHTS))}) AS rank FROM s WHERE s MATCH ?"  # noqa: S608
            " ORDER BY rank LIMIT ?",
            (" OR ".join(terms), _CANDIDATES),
        ).fetchall()

    def _rows(self, term: str) -> set[int]:
        return {row for (row,) in self._db.execute("SELECT rowid FROM s WHERE s MATCH ?", (term,))}


def _standing(section: Section, asked: set[str]) -> float:
    """More for a section whose heading is what was asked about, and for one that opens its document."""
    heading = stems(section.label)
    named = len(heading & asked) / len(heading) if heading else 0.0
    return 1 + named + (_OPENING if len(section.path) == 1 else 0)


def _key(file: str, heading: str, taken: set[str]) -> str:
    """Cut to its length with a digest of the whole, so that it still means one section."""
    slug = re.sub(r"\W+", "-", heading.casefold()).strip("-")
    whole = f"{file.removesuffix('.md')}#{slug}"
    key, count = whole, 1
    while key in taken or len(key.encode(errors="replace")) > _KEY_BYTES:
        digest = hashlib.sha256(f"{whole}\n{count}".encode(errors="replace")).hexdigest()[:8]
        key = whole.encode(errors="replace")[: _KEY_BYTES - 9].decode(errors="ignore") + "~" + digest
        count += 1
    taken.add(key)
    return key


_OPENS = re.compile(r"\s*(?:[-*+>|#<]|\d+[.)]|\[\^?\w+\]:)")
"""Begins a line that stands for itself: a list's item, a quote, a table's row, a definition."""


def unwrapped(block: str) -> str:
    """A block of Markdown without the breaks that only its file needs: chats show each as a new line."""
    if "```" in block or "~~~" in block or block.startswith(("    ", "\t", "|")):
        return block
    first, *rest = block.split("\n")
    lines = [first]
    for line in rest:
        if _OPENS.match(line) or lines[-1].endswith(("  ", "\\")):
            lines.append(line)
        else:
            lines[-1] += f" {line.strip()}"
    return "\n".join(lines)
