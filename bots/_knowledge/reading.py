"""One file into passages, by its format; or why it cannot be read."""

import codecs
import io
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bots._knowledge.page import to_markdown
from bots._knowledge.passages import Passage, of_markdown, of_pages, of_text

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_TEXT = 10 << 20
"""Bytes of a text file."""
MAX_PDF = 100 << 20
"""Bytes of a PDF."""
MAX_WORDS = 10_000_000
"""Characters that a PDF may hold once unpacked."""
MAX_PAGES = 5000
FORMATS = frozenset((".md", ".markdown", ".txt", ".text", ".rst", ".html", ".htm", ".pdf"))
"""Endings of the files that are read in a folder."""
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_-]{1,40})", re.IGNORECASE)


class Unreadable(Exception):
    """The file is left out; the message says why, in words for an admin."""


def read(file: Path, name: str) -> list[Passage]:
    """`name`: what the document is called where it does not say it. Raises Unreadable."""
    ending = file.suffix.lower()
    body = _bytes(file, MAX_PDF if ending == ".pdf" else MAX_TEXT)
    try:
        found = _of(ending, body, name)
    except RecursionError as error:
        raise Unreadable("it is nested too deep") from error
    except MemoryError as error:
        raise Unreadable("it needs too much memory") from error
    if not any(passage.body for passage in found):
        raise Unreadable("no text was found in it" + (": is it a scan?" if ending == ".pdf" else ""))
    return found


def _of(ending: str, body: bytes, name: str) -> list[Passage]:
    match ending:
        case ".pdf":
            return of_pages(_pages(body), name)
        case ".html" | ".htm":
            return of_markdown(to_markdown(_text(body, is_html=True)), name)
        case ".md" | ".markdown":
            return of_markdown(_text(body), name)
    return of_text(_text(body), name)


def _bytes(file: Path, most: int) -> bytes:
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # opening a pipe would wait for its writer
            raise Unreadable("it is no ordinary file")
        with file.open("rb") as opened:
            body = opened.read(most + 1)
    except OSError as error:
        raise Unreadable(f"it cannot be opened: {error.strerror}") from error
    if len(body) > most:
        raise Unreadable(f"it is larger than {most >> 20} MB")
    return body


def _text(body: bytes, *, is_html: bool = False) -> str:
    encoding = next((name for mark, name in _BOMS if body.startswith(mark)), "utf-8")
    if encoding == "utf-8" and is_html and (named := _CHARSET.search(body[:4096])):
        encoding = named[1].decode()
    try:
        text = body.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise Unreadable(f"it is not in {encoding.upper()}: save it as UTF-8") from error
    if "\0" in text:
        raise Unreadable("it is no text")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _pages(body: bytes) -> list[tuple[str, str]]:
    """Each page's chapter and text."""
    from pypdf import PdfReader  # 0.2 s and 20 MB: only where there is a PDF
    from pypdf.errors import LimitReachedError, PyPdfError

    try:
        document = PdfReader(io.BytesIO(body))
        if document.is_encrypted and not document.decrypt(""):
            raise Unreadable("it is locked with a password")
        if len(document.pages) > MAX_PAGES:
            raise Unreadable(f"it has more than {MAX_PAGES} pages")
        chapters = _chapters(document)
        pages: list[tuple[str, str]] = []
        chapter, size = "", 0
        for number, page in enumerate(document.pages):
            text = page.extract_text()
            chapter = chapters.get(number, chapter)
            size += len(text)
            if size > MAX_WORDS:
                raise Unreadable(f"it unpacks to more than {MAX_WORDS} characters")
            pages.append((chapter, text))
    except (Unreadable, RecursionError, MemoryError):
        raise
    except LimitReachedError as error:
        raise Unreadable("it unpacks to more than any document needs") from error
    except PyPdfError as error:
        raise Unreadable(f"it is no whole PDF: {error}"[:200]) from error
    except Exception as error:
        raise Unreadable(f"it is no whole PDF: {type(error).__name__}") from error
    return pages


def _chapters(document: "PdfReader") -> dict[int, str]:
    """Page -> the outline's last heading on it; without an outline that can be read, none."""
    found: dict[int, str] = {}
    try:
        left: list[Any] = list(document.outline)[::-1]
    except Exception:  # noqa: BLE001 - as above; the pages can be read without it
        return found
    while left and len(found) < MAX_PAGES:
        entry = left.pop()
        if isinstance(entry, list):
            left += entry[::-1]
            continue
        number = document.get_destination_page_number(entry)
        if number is not None and entry.title:
            found[number] = " ".join(str(entry.title).split())
    return found
