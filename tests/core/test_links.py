import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.links import defanged, is_allowed, plain
from core.markdown import Renderer

ALLOWED = ["good.example", "*.ok.example", "port.example:8443", "münchen.example"]
TRICKY = {
    "https://evil.example/x?d=SECRET": "`hxxps://evil[.]example/x?d=SECRET`",
    "HTTPS://EVIL.EXAMPLE": "`HXXPS://EVIL[.]EXAMPLE`",
    "[x](https://evil.example/p)": "x (`hxxps://evil[.]example/p`)",
    "[](https://evil.example/p)": "`hxxps://evil[.]example/p`",
    "![i](https://evil.example/p.png?d=SECRET)": "i (`hxxps://evil[.]example/p.png?d=SECRET`)",
    "[![i](https://evil.example/i.png)](https://good.example)": "[i (`hxxps://evil[.]example/i.png`)](<https://good.example>)",
    "[a][1]\n\n[1]: https://evil.example 't'": "a (`hxxps://evil[.]example`)",
    "[1][]\n\n[1]: <https://evil.example>": "1 (`hxxps://evil[.]example`)",
    "[1]\n\n[1]:\nhttps://evil.example": "1 (`hxxps://evil[.]example`)",
    "![a][1]\n\n[1]: https://evil.example/i.png": "a (`hxxps://evil[.]example/i.png`)",
    "<https://evil.example/>": "`hxxps://evil[.]example/`",
    "<mailto:a@evil.example>": "`mailto[:]a[@]evil[.]example`",
    "a@evil.example": "`a[@]evil[.]example`",
    "evil.example/path, www.evil.example.": "`evil[.]example/path`, `www[.]evil[.]example`.",
    "//evil.example/x": "`//evil[.]example/x`",
    "[x](//evil.example)": "x (`//evil[.]example`)",
    "[x](/\\evil.example)": "x (`/%5Cevil[.]example`)",
    "https://good.example@evil.example/": "`hxxps://good[.]example[@]evil[.]example/`",
    "[x](https://good.example@evil.example/)": "x (`hxxps://good[.]example[@]evil[.]example/`)",
    "[x](https://good.example%40evil.example/)": "x (`hxxps://good[.]example%40evil[.]example/`)",
    "https://good.example:pw@evil.example": "`hxxps://good[.]example:pw[@]evil[.]example`",
    "[x](https://good.example\\@evil.example)": "x (`hxxps://good[.]example[@]evil[.]example`)",
    "https://good.example.evil.example": "`hxxps://good[.]example[.]evil[.]example`",
    "https://evilgood.example": "`hxxps://evilgood[.]example`",
    "https://ok.example": "`hxxps://ok[.]example`",
    "https://evilok.example": "`hxxps://evilok[.]example`",
    "https:/evil.example": "`hxxps:/evil[.]example`",
    "https:\\\\evil.example": "`hxxps:\\evil[.]example`",
    "https:evil.example": "https:`evil[.]example`",
    "https&colon;//evil.example": "`hxxps://evil[.]example`",
    "&#104;ttps://evil.example": "`hxxps://evil[.]example`",
    "https://evil&period;example": "`hxxps://evil[.]example`",
    "ev*il*.example": "`evil[.]example`",
    "javascript:alert(1)": "`javascript[:]alert(1`)",
    "[x](javascript:alert%281%29)": "\\[x\\](`javascript[:]alert%281%29`)",
    "[x](data:text/html;base64,AAAA)": "\\[x\\](`data[:]text/html;base64,AAAA`)",
    "data:text/html,x": "`data[:]text/html,x`",
    "[x](vbscript:x)": "\\[x\\](`vbscript[:]x`)",
    ".evil.example and 看evil.example谢谢": ".`evil[.]example` and `看evil[.]example`谢谢",
    "[x](https://good.example).See (https://good.example/a).https://evil.example": (
        "x (https://good.example).See (https://good.example/a).`hxxps://evil[.]example`"
    ),
    "https://good.example/?to=https://evil.example": "`hxxps://good[.]example/?to=https[:]//evil.example`",
    "ftp://evil.example": "`ftp://evil[.]example`",
    "app://open?x=1": "`app://open?x=1`",
    "https://xn--80ak6aa92e.example": "`hxxps://xn--80ak6aa92e[.]example`",
    "https://gооd.example/": "`hxxps://gооd[.]example/`",
    "[x](https://gооd.example/)": "x (`hxxps://xn--gd-fmca[.]example/`)",
    "https://good。example/": "`hxxps://good。example/`",
    "https://ｇood.example/": "`hxxps://ｇood[.]example/`",
    "https://good%2eexample/": "`hxxps://good%2eexample/`",
    "http://2130706433/": "`hxxp://2130706433/`",
    "http://127.0.0.1:80/x": "`hxxp://127[.]0[.]0[.]1:80/x`",
    "http://[::1]/": "`hxxp://[::1]/`",
    "https://good.example:8443/": "`hxxps://good[.]example:8443/`",
    "https://port.example/": "`hxxps://port[.]example/`",
    "[https://good.example](https://evil.example)": "https://good.example (`hxxps://evil[.]example`)",
    "[https://evil.example](https://good.example)": "`hxxps://evil[.]example` (<https://good.example>)",
    "[x](evil.html)": "x (`evil[.]html`)",
    "[1]: https://evil.example": "\\[1\\]: `hxxps://evil[.]example`",
    "[1]: https://evil.example\n\nyes": "yes",
    "злой.рф उदाहरण.भारत 例子.中国": "`злой[.]рф` `उदाहरण[.]भारत` `例子[.]中国`",
    "i❤.ws and evil.example-x": "`i❤[.]ws` and `evil[.]example`-x",
    "203.0.113.7, 1.2.3.4:80": "`203[.]0[.]113[.]7`, `1[.]2[.]3[.]4:80`",
    "| [q](https://evil.example) |\n|---|\n| z |": "| q |\n|---|\n| z |",
    "- [x](https://evil.example)\n  - b": "- x (`hxxps://evil[.]example`)\n  - b",
    "> **a** https://evil.example\n> b": "> **a** `hxxps://evil[.]example`\n> b",
    "```\ncode\n```\n\nevil.example": "```\ncode\n```\n\n`evil[.]example`",
}
FINE = [
    "See https://good.example/a_b?c=1#d, and [this](https://good.example/x 'title').",
    "[a][1]\n\n[1]: https://good.example/z",
    "<https://good.example>",
    "HTTPS://GOOD.EXAMPLE/ https://good.example:443/ https://good.example./x",
    "https://a.ok.example https://a.b.ok.example/x",
    "https://port.example:8443/x",
    "[x](https://münchen.example/) https://münchen.example",
    "`https://evil.example` and\n\n```\ncurl https://evil.example\n```",
    "self.my_var, 120.0.6099.109, 1.2.3.4.5, v1.2.3.4-rc, конец",
    "e.g. this, i.e. that; v1.2.3, 3.14, 16:9, 10:30, a/b, and/or, Node.js, app.json",
    "Nothing here.",
    "good.example/x",
]
SCRAPS = st.sampled_from(
    [
        *TRICKY,
        *FINE,
        *".`[])<>*_\\\n@&#!|\t ",
        "https://",
        "evil",
        "example",
        "://",
        "//",
        "good.example",
        "](",
        "**",
        "~~",
    ]
)


@pytest.mark.parametrize(("text", "safe"), TRICKY.items())
def test_a_link_that_is_not_allowed_is_shown_as_code(text, safe):
    assert defanged(text, ALLOWED) == safe


@pytest.mark.parametrize("text", FINE)
def test_text_without_such_a_link_is_left_exactly_as_it_is(text):
    assert defanged(text, ALLOWED) == text


class _Links(Renderer):
    """All that an app could make a link of: targets, and addresses in text outside of code."""

    def code(self, literal):
        return " "

    def fence(self, literal, language):
        return " "

    def link(self, inner, href):
        return f"{inner} {href} "


@given(st.lists(SCRAPS | st.text(max_size=3), max_size=10).map("".join))
@example("ev**il.exam**ple")
@example("https://*evil.example*")
@example("a@evil.example//[x](https://evil.example/p)")
@example("злой.рф उदाहरण.भारत 例子.中国https://evil.example/x?d=SECRET")
def test_nothing_but_allowed_hosts_is_left_to_follow(text):
    done = defanged(text, ALLOWED)
    hosts = frozenset([*ALLOWED, "xn--mnchen-3ya.example"])
    left = _Links().convert(done)
    for url in re.findall(r"(?i)\bhttps?://[^\s<>()\[\]*_~\"']+", left):
        assert is_allowed(url.rstrip(".,;:!?"), hosts), (url, done)
    left = re.sub(r"(?i)\bhttps?://[^\s<>()\[\]*_~\"']+", "", left)
    left = re.sub(r"(?<![\w.-])good\.example[/?#]\S*", "", left)  # what follows an allowed host is a part of its path
    assert not re.search(r"evil\.example(?![a-z0-9_-])", left.lower())
    assert defanged(done, ALLOWED) == done


@given(st.text())
def test_any_text_comes_out_and_without_links_unchanged_in_its_words(text):
    assert isinstance(defanged(text, []), str)
    assert plain(text) is not None


def test_a_host_with_two_ascii_forms_is_taken_at_its_word():
    assert defanged("https://strasse.example", ["straße.example"]) != "https://strasse.example"
    assert defanged("https://straße.example", ["strasse.example"]) != "https://straße.example"


def test_long_text_takes_no_long_time():
    for text in ("a." * 20_000, "a+" * 20_000, "[" * 2_000, "a:" * 20_000, "a@" * 20_000, "//" * 20_000, "1." * 20_000):
        defanged(text + " evil.example", ALLOWED)
