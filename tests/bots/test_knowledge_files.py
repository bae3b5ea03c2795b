"""Documents of every format are read, and one that is broken or built to hurt is left out with its name and reason."""

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bots._knowledge import apart, reading
from bots._knowledge.apart import read_apart
from bots._knowledge.files import look
from bots._knowledge.library import Library, Paces
from bots._knowledge.page import to_markdown
from bots._knowledge.passages import blocks, of_markdown, of_text
from bots._knowledge.reading import Unreadable, read
from tests.bots.documents import bomb_pdf, deep_pdf, endless_outline_pdf, endless_pdf, pdf

PATIENT = Paces(look=0, share=0, wait=30, start=30)
PAGE = """<html><head><title>Shop</title><style>h1 {}</style><script>evil()</script></head><body>
<nav><a href="/">menu</a></nav><main><h1>Refunds</h1><p>Within <b>30</b> days, see <a href="https://x.example/a">this</a>
and <code>a|b</code>.</p><ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul>
<table><tr><th>item</th><th>days</th></tr>
<tr><td>shoes</td><td>14 | 15</td></tr></table><pre><code>if x[1] *:
    pass</code></pre></main><footer>imprint</footer></body></html>"""


@pytest.fixture
async def library(tmp_path):
    """Reads `tmp_path`, and tells what it left out."""
    library = Library([str(tmp_path)], paces=PATIENT)
    yield library
    await library.stop()


async def test_every_format_is_read(tmp_path, library):
    (tmp_path / "a.md").write_text("---\ntitle: no text\n---\n# Apples\n\nRed.\n")
    (tmp_path / "b.txt").write_text("Bananas are *yellow*.\n\nAnd bent.")
    (tmp_path / "c.html").write_text("<h1>Cherries</h1><p>Sweet.")
    (tmp_path / "d.pdf").write_bytes(pdf("Dates are dry.", "From the desert.", outline=[("All about dates", 1)]))
    (tmp_path / "e.bin").write_text("no document")
    await library.start()
    assert {section.file: section.path for section in library.index.sections} == {
        "a.md": ("Apples",),
        "b.txt": ("B",),
        "c.html": ("Cherries",),
        "d.pdf": ("D", "All about dates, p. 2"),
    }
    _, [hit] = await library.search("desert")
    assert (hit.section.anchor, hit.section.body) == ("#page=2", "From the desert.")
    assert "title" not in library.index.sections[0].body
    assert not library.faults


def test_a_page_keeps_what_can_be_read_of_it():
    text = to_markdown(PAGE)
    assert text.startswith("# Refunds\n\nWithin 30 days, see [this](https://x.example/a) and `a|b`.")
    assert "- one\n   - inner\n- two" in text
    assert "| item | days |\n| --- | --- |\n| shoes | 14 \\| 15 |" in text
    assert "```\nif x[1] *:\n    pass\n```" in text
    assert not any(word in text for word in ("evil", "menu", "imprint", "h1 {}"))


def test_a_page_without_a_heading_is_headed_by_its_title():
    assert to_markdown("<title>A *star*</title><p>x") == "# A \\*star\\*\n\nx"


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("a.pdf", b"%PDF-1.4 nothing", "no whole PDF"),
        ("b.pdf", b"", "no whole PDF"),
        ("c.pdf", bomb_pdf(90), "unpacks to more"),
        ("d.pdf", endless_pdf(), "no whole PDF"),
        ("e.pdf", deep_pdf(), "no whole PDF"),
        ("f.pdf", pdf("", ""), "is it a scan?"),
        ("g.md", b"caf\xe9 \xff", "not in UTF-8"),
        ("h.txt", b"a\0b", "no text"),
        ("i.html", b"<meta charset=martian><p>x", "not in MARTIAN"),
        ("j.md", b"", "no text was found"),
        ("k.html", b"<script>only()</script>", "no text was found"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
async def test_a_broken_file_is_named_once_with_the_reason_and_the_others_stay(tmp_path, library, name, body, reason):
    (tmp_path / "good.md").write_text("# Good\n\nStill here.\n")
    (tmp_path / name).write_bytes(body)
    with capture_logs() as logs:
        await library.start()
        await library.search("still")
        await library.settled()
    assert [(log["event"], log["file"]) for log in logs] == [("document left out", str(tmp_path / name))]
    assert reason in logs[0]["reason"]
    assert [section.file for section in library.index.sections] == ["good.md"]


async def test_a_mended_file_is_read_and_its_fault_forgotten(tmp_path, library):
    (tmp_path / "a.pdf").write_bytes(b"broken")
    await library.start()
    assert library.faults
    (tmp_path / "a.pdf").write_bytes(pdf("Mended"))
    await library.settled()
    assert not library.faults
    assert library.index.sections[0].body == "Mended"


def test_an_outline_without_an_end_does_no_harm(tmp_path):
    (tmp_path / "a.pdf").write_bytes(endless_outline_pdf())
    assert read(tmp_path / "a.pdf", "a.pdf")[0].body == "Hello"


async def test_a_file_that_takes_too_long_is_left_out_and_the_next_is_read(tmp_path):
    (tmp_path / "slow.pdf").write_bytes(bomb_pdf(60))
    (tmp_path / "good.pdf").write_bytes(pdf("Hello"))
    files = [(tmp_path / "slow.pdf", "slow"), (tmp_path / "good.pdf", "good")]
    results = [result async for _, result in read_apart(files, limit=2)]
    assert results[0].fault == "reading it takes too long"
    assert results[1].passages[0].body == "Hello"


async def test_a_reader_that_dies_costs_one_file(tmp_path, monkeypatch):
    monkeypatch.setattr(apart, "_ROOT", tmp_path)
    (tmp_path / "bots/_knowledge").mkdir(parents=True)
    (tmp_path / "bots/_knowledge/apart.py").write_text("import os, sys; sys.stdin.buffer.read(); os._exit(9)")
    results = [result async for _, result in read_apart([(tmp_path / "a", "a"), (tmp_path / "b", "b")])]
    assert ["reader down" in result.fault for result in results] == [True, True]


async def test_the_reader_is_told_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-obviously-fake")
    monkeypatch.setattr(apart, "_ROOT", tmp_path)
    (tmp_path / "bots/_knowledge").mkdir(parents=True)
    (tmp_path / "bots/_knowledge/apart.py").write_text(
        f"import os; open({str(tmp_path / 'seen')!r}, 'w').write(' '.join(os.environ))"
    )
    assert [result async for _, result in read_apart([(tmp_path / "a", "a")])]
    assert "OPENAI_API_KEY" not in (tmp_path / "seen").read_text()


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "a.md").open("wb") as file:
        file.truncate(200 << 20)
    with pytest.raises(Unreadable, match="larger than 10 MB"):
        read(tmp_path / "a.md", "a.md")


@pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")
def test_links_in_a_circle_links_out_and_pipes_are_left_out(tmp_path):
    home = tmp_path / "docs"
    (home / "inner").mkdir(parents=True)
    (home / "inner/a.md").write_text("# A")
    (home / ".hidden").mkdir()
    (home / ".hidden/b.md").write_text("# B")
    (tmp_path / "secret.md").write_text("# Secret")
    (home / "inner/again").symlink_to(home)
    (home / "loop.md").symlink_to(home / "loop.md")
    (home / "out.md").symlink_to(tmp_path / "secret.md")
    (home / "same.md").symlink_to(home / "inner/a.md")
    os.mkfifo(home / "pipe.md")
    seen = look([str(home)])
    assert [found.name for found in seen.found.values()] == ["same.md", "inner/a.md"]
    assert {path.name: reason.split(":")[0] for path, reason in seen.faults.items()} == {
        "again": "it links to a folder that is read already",
        "loop.md": "it cannot be opened",
        "out.md": "it links out of the folder",
        "pipe.md": "it is no ordinary file",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes")
def test_a_pipe_is_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(Unreadable, match="no ordinary file"):
        read(tmp_path / "pipe.md", "pipe.md")


def test_documents_of_other_encodings_that_say_so_are_read(tmp_path):
    (tmp_path / "a.txt").write_bytes("Grüße".encode("utf-16"))
    (tmp_path / "b.html").write_bytes('<meta charset="iso-8859-1"><p>Grüße'.encode("latin-1"))
    assert read(tmp_path / "a.txt", "a.txt")[0].body == "Grüße"
    assert read(tmp_path / "b.html", "b.html")[0].body == "Grüße"


def test_a_pdf_of_too_many_words_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_WORDS", 5)
    (tmp_path / "a.pdf").write_bytes(pdf("More than five"))
    with pytest.raises(Unreadable, match="more than 5 characters"):
        read(tmp_path / "a.pdf", "a.pdf")


@given(st.text())
def test_no_page_breaks_the_reader(text):
    to_markdown(text)


TAGS = st.one_of(
    st.sampled_from(["p", "ul", "li", "table", "tr", "td", "pre", "h2", "nav", "br", "code", "main", "title", "a"])
    .flatmap(lambda tag: st.sampled_from([f"<{tag}>", f"</{tag}>", f"<{tag} href='http://x'>"])),
    st.sampled_from(["word", "*x*", "[1]", "|", "`", "```", "\n", "# ", "- ", "1. "]),
)  # fmt: skip


@given(st.lists(TAGS).map("".join))
def test_no_tangle_of_tags_breaks_the_reader(html):
    of_markdown(to_markdown(html), "x.html")


PIECES = st.sampled_from(["# A\n", "## B\n", "\n", "text\n", "- x\n", "```\n", "long " * 900, "\n\n"])


@given(st.lists(PIECES).map("".join))
def test_no_word_of_a_document_is_lost_between_its_passages(text):
    passages = of_markdown(text, "x.md")
    headings = {name for passage in passages for name in passage.path}
    kept = " ".join([*(passage.body for passage in passages), *headings])
    assert kept.count("long") >= text.count("long")
    assert all(len(passage.body) <= 6100 for passage in passages)


@given(st.text(max_size=300))
def test_plain_text_is_shown_as_it_is_written(text):
    for passage in of_text(text, "x.txt"):
        assert "<" not in passage.body.replace("\\<", "")
        assert all(not block.startswith(("#", ">")) for block in blocks(passage.body))
