"""With `links` set nothing outside the list can be followed, on any platform and however it is written."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.discord.adapter import DiscordAdapter
from adapters.discord.render import render as to_discord
from adapters.slack.adapter import SlackAdapter
from adapters.slack.render import render as to_slack
from adapters.telegram.adapter import TelegramAdapter
from adapters.telegram.render import render as to_telegram
from adapters.whatsapp.adapter import WhatsAppAdapter
from adapters.whatsapp.render import to_whatsapp
from core.bot import Turn
from core.delivery.answer import Answer, fit
from core.events import User

GOOD = ["good.example", "*.ok.example"]
FORMS = [
    # references, alone and used
    "[1]: http://evil.com",
    "[a][1]\n\n[1]: http://evil.com 'title'",
    "[1][]\n\n[1]: <http://evil.com>",
    "[1]\n\n> [1]: http://evil.com",
    "[a]\n\n[A]:\n  http://evil.com\n  'title'",
    "![a][1]\n\n[1]: http://evil.com/i.png",
    "word[^1]\n\n[^1]: http://evil.com",
    "[^1]: evil.com",
    # inline
    "[x](http://evil.com)",
    "[x](<http://evil.com> 'good.example')",
    "[x](//evil.com)",
    "[x](evil.com)",
    "[http://good.example](http://evil.com)",
    "[**x** `y`](http://evil.com)",
    "![i](http://evil.com/i.png)",
    "[![i](http://evil.com/i.png)](http://good.example)",
    "[![i](http://good.example/i.png)](http://evil.com)",
    "[a [b](http://evil.com) c](http://good.example)",
    "[`x](http://evil.com)`](http://good.example)",
    "[x]( http://evil.com )",
    "[x](http://evil.com",
    "[x] (http://evil.com)",
    # automatic
    "<http://evil.com>",
    "<mailto:a@evil.com>",
    "<a@evil.com>",
    "http://evil.com",
    "HTTP://EVIL.COM/",
    "www.evil.com",
    "evil.com",
    "evil.com/path?q=1",
    "evil.com:8080",
    "(evil.com)",
    "a@evil.com",
    "//evil.com",
    "\\\\evil.com\\share",
    "ftp://evil.com",
    "tg://resolve?domain=evil.com",
    "http:evil.com",
    "http:/evil.com",
    "http:///evil.com",
    "203.0.113.7",
    "http://203.0.113.7",
    "http://3405803783",
    "http://[2001:db8::7]/",
    # HTML
    '<a href="http://evil.com">x</a>',
    "<img src=//evil.com/i.png>",
    "<a href=evil.com>x",
    "evil<!-- -->.com",
    # escaped and encoded
    "http&#58;//evil&#46;com",
    "http&colon;&sol;&sol;evil&period;com",
    "[x](http&#58;//evil&#46;com)",
    "http\\://evil\\.com",
    "\\<http://evil.com\\>",
    "\\`http://evil.com\\`",
    "``http://evil.com`",
    "http://%65vil.com",
    "http://evil%2ecom",
    "[x](http://evil%2ecom)",
    "http://good.example%2f@evil.com",
    "http://good.example@evil.com",
    "http://good.example:pw@evil.com/",
    "http://good.example.evil.com",
    "http://good.example\\@evil.com",
    "http://good.example#@evil.com",
    "http://ok.example.evil.com",
    "https://good.example/?to=http://evil.com",
    # international
    "http://злой.рф",
    "злой.рф",
    "www.злой.рф/путь",
    "a@злой.рф",
    "xn--g1aeb1b.xn--p1ai",
    "http://ｅｖｉｌ．ｃｏｍ",
    "http://evil。com",
    "उदाहरण.भारत",
    "http://उदाहरण.भारत",
    "例子.中国",
    "i❤.ws",
    "evil.com-x",
    "https://good.example`.evil.com`",
    "good.example`.evil.com`",
    "http://gооd.example",
    # what nobody sees
    "http://ev\u200bil.com",
    "http:\u200b//evil.com",
    "http:/\u2060/evil.com",
    "ev\u00adil.com",
    "e\ue000vil.com",
    "http:\ue000//evil.com",
    "evil\ue001.com",
    "evil.\ue006com",
    "evil\uf8ff.com",
    "[x](http://evil\u200d.com)",
    "evil\u034f.com",
    # spread over formats and blocks
    "ev**il.com**",
    "http://**evil.com**",
    "e*vi*l._com_",
    "http://evil~~.~~com",
    "# http://evil.com",
    "> evil.com",
    "- [x](http://evil.com)",
    "| a |\n|---|\n| [x](http://evil.com) evil.com `evil.com` |",
    "a\\\nevil.com",
    "a http://\nevil.com",
]
LONG = "word " * 900
CODE = [
    "`http://evil.com`",
    "```\ncurl http://evil.com\n```",
    "    http://evil.com",
    "| a `http://evil.com` |\n|---|\n| b |",
    "> ```\n> http://evil.com\n> ```",
    "`" * 5000 + "\nhttp://evil.com\n" + "`" * 5000,
    f"| {'wide ' * 1000} | `http://evil.com` |\n|---|---|\n| a | `http://evil.com` |",
    "```\n" + "http://evil.com\n" * 4000 + "```",
]
EVIL = re.compile(
    r"evil[.．]com(?!_\w|[^\W_])|https?://(?:evil。com|ｅｖｉｌ|3405803783|\[2001|%65vil|evil%2e)|xn--g1aeb1b\.|❤\.ws(?!\w)|gооd\."
    r"|злой[.．]рф(?![a-z0-9])|उदाहरण\.भारत(?![a-z0-9])|例子\.中国(?![a-z0-9])|(?<![\w.])203\.0\.113\.7(?!\w|\.\w)",
    re.IGNORECASE,
)
ALLOWED_URL = re.compile(
    r"(?:https?://|(?<![\w.-]))(?:good\.example|[a-z.]+\.ok\.example)(?![\w.@:-]|%)(?:[/?#][^\s<>|)]*)?"
)


SCRAPS = st.sampled_from([*FORMS, *"`*_~[]()<>\\\n|!:/. ", "\n\n", "```\n", "good.example", "\ue000"])


class _Html(HTMLParser):
    """Targets of links, and text outside of code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.code = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.code += tag in ("code", "pre")
        self.found += [f" {value} " for name, value in attrs if name == "href" and value]
        self.found += [" "] * (tag in ("code", "pre"))

    def handle_endtag(self, tag):
        self.code -= tag in ("code", "pre")

    def handle_data(self, data):
        self.found += [] if self.code else [data]


def followed_on_telegram(markdown: str) -> str:
    return "".join(_Html(to_telegram(markdown)).found)


def followed_on_slack(markdown: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]+`", " ", to_slack(markdown), flags=re.DOTALL)


def followed_on_discord(markdown: str) -> str:
    """An address goes on to the next blank, also into code."""
    code = r"```.*?```|(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)"
    parts = re.compile(rf"<https?://[^\s<>]+>|https?://[^\s<]+|\\(?P<sign>[^a-zA-Z0-9\s])|{code}", re.DOTALL)
    return parts.sub(lambda found: found["sign"] or (" " if found[0][0] == "`" else found[0]), to_discord(markdown))


def followed_on_whatsapp(markdown: str) -> str:
    """A sign with a space on its inner side, be it of no width, has no effect; three of them have it always."""
    return re.sub(r"```.*?```|`(?![\s\u200b])[^`\n]+(?<![\s\u200b])`", " ", to_whatsapp(markdown), flags=re.DOTALL)


PLATFORMS = {
    "telegram": (TelegramAdapter, followed_on_telegram),
    "slack": (SlackAdapter, followed_on_slack),
    "discord": (DiscordAdapter, followed_on_discord),
    "whatsapp": (WhatsAppAdapter, followed_on_whatsapp),
}


def turn(links):
    made = Turn("hi", User("u"), "c", "c/r", direct=True)
    made.links = links
    return made


def shown(platform: str, text: str, links=GOOD) -> list[str]:
    """The messages in which an answer is sent, as Markdown."""
    kind, _ = PLATFORMS[platform]
    adapter = kind.__new__(kind)  # measures without a connection
    answer = Answer(turn(links))
    answer.add(text)
    return [part.text for part in fit(answer.parts(), adapter, answer.links)]


def bad(platform: str, text: str) -> list[str]:
    _, followed = PLATFORMS[platform]
    left = [ALLOWED_URL.sub("w", followed(message)) for message in shown(platform, text)]
    return [each for each in left if EVIL.search(each)]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("form", FORMS + CODE)
def test_no_form_of_a_link_to_elsewhere_can_be_followed(platform, form):
    for text in (form, f"see {form}\n\nand", f"{LONG}\n\n{form}\n\n{LONG}", f"{LONG}{form} {LONG}", "a" * 1995 + form):
        assert not bad(platform, text), text[-200:]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_allowed_links_can_be_followed(platform):
    _, followed = PLATFORMS[platform]
    (message,) = shown(platform, "See [this](https://good.example/a) and https://x.ok.example/b.")
    assert "https://good.example/a" in followed(message)
    assert "https://x.ok.example/b" in followed(message)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_address_that_is_cut_leads_nowhere_else(platform):
    _, followed = PLATFORMS[platform]
    for length in range(1000, 4200, 7):
        for message in shown(platform, "a" * length + "(https://evil.community.ok.example/path)"):
            assert not re.search(r"evil\.com(?!munity\.ok\.example/path)", followed(message)), length


@pytest.mark.parametrize("platform", PLATFORMS)
@given(st.lists(SCRAPS, max_size=8).map("".join))
@example("[`x](http://evil.com)`](http://good.example)")
def test_nor_can_any_mixture_of_them(platform, text):
    assert not bad(platform, text)
