"""What the port of a platform brings along for every adapter."""

from typing import ClassVar

from pydantic import SecretStr

from core.adapter import Settings


class Plain(Settings):
    platform: str = "plain"
    secret: SecretStr = SecretStr("")
    number: str = ""
    environment: ClassVar = {"secret": "PLAIN_SECRET", "number": "PLAIN_NUMBER"}


def test_what_has_a_name_in_the_environment_is_needed_and_white_space_is_no_secret():
    assert Plain().missing() == Plain(secret=" ", number="\n").missing() == ("secret", "number")
    assert Plain(secret="FAKE", number="7").missing() == ()


def test_what_is_needed_may_hang_on_other_settings():
    class Quiet(Plain):
        needed: ClassVar = ("secret",)

    assert Quiet().missing() == ("secret",)
    assert Quiet(secret="FAKE").missing() == ()
