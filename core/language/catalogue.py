"""Reads the translations, `locale/<language>/LC_MESSAGES/hub.po`, into gettext: nothing has to be compiled."""

import ast
import functools
import gettext
import io
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from core.language.names import DEFAULT, SPOKEN, base

LOCALE = Path(__file__).parent / "locale"

Entry = tuple[str, str, list[str]]
"""Message, its plural or '', and the translations, one for each plural form."""


@functools.cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The sentences of this language; English for one that the hub does not speak. Each file is read once."""
    spoken = base(language)
    if spoken == DEFAULT or spoken not in SPOKEN:
        return gettext.NullTranslations()
    return catalogue(spoken) if spoken != language else _read(path(spoken))


def preload() -> None:
    """Read all catalogues now, so that no message waits for a file."""
    for language in SPOKEN:
        catalogue(language)


def path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "hub.po"


def entries(text: str) -> Iterator[Entry]:
    """What a .po file holds, its header (of the message '') included. Unfinished ("fuzzy") entries are left out."""
    fields: dict[str, str] = {}
    key = ""
    is_fuzzy = False
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            is_fuzzy |= line.startswith("#,") and "fuzzy" in line
        elif line.startswith('"'):
            fields[key] += _literal(line)
        elif line.strip():
            key, _, literal = line.partition(" ")
            fields[key] = _literal(literal)
        else:
            translated = [value for name, value in fields.items() if name.startswith("msgstr")]
            if translated and all(translated) and not is_fuzzy:
                yield fields["msgid"], fields.get("msgid_plural", ""), translated
            fields, is_fuzzy = {}, False


def _literal(text: str) -> str:
    return str(ast.literal_eval(text.strip()))


def _read(file: Path) -> gettext.GNUTranslations:
    found: dict[str, str] = {}
    for message, plural, translated in entries(file.read_text(encoding="utf-8")):
        found[f"{message}\0{plural}" if plural else message] = "\0".join(translated)
    return gettext.GNUTranslations(io.BytesIO(_compiled(found)))


def _compiled(messages: Mapping[str, str]) -> bytes:
    """In the format of .mo files: two tables of length and place, then the strings, each with a zero behind it."""
    pairs = sorted((message.encode(), translated.encode()) for message, translated in messages.items())
    header = 7 * 4
    place = header + len(pairs) * 16
    tables: list[int] = []
    strings = b""
    for column in (0, 1):
        for pair in pairs:
            tables += [len(pair[column]), place + len(strings)]
            strings += pair[column] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), header, header + len(pairs) * 8, 0, 0)
    return head + struct.pack(f"<{len(tables)}I", *tables) + strings
