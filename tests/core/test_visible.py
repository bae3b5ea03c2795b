"""Text without what cannot be seen."""

from core import visible as module
from core.visible import visible


def test_every_character_that_is_looked_for_is_seen_at_the_first_glance():
    harmless = [chr(code) for code in range(0x110000) if not module._SUSPECT.match(chr(code))]
    for text in ("x".join(harmless), " ".join(harmless), "".join(harmless)):
        assert not any(pattern.search(text) for pattern in (module.BREAK, module._HIDDEN, module._TAGS, module._JOINER))


def test_text_with_nothing_to_hide_stays_the_very_same():
    for text in ("plain", "two\nlines\tand a tab", "größer 天気 مرحبا", ""):
        assert visible(text) is text
