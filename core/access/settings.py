"""The YAML keys of a channel that say who is answered in it."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

Account = Annotated[str, BeforeValidator(lambda id_: str(id_) if type(id_) is int else id_)]
"""Where ids are numbers they may stand in the file as such."""


class AccessSettings(BaseModel):
    """Keys that every channel has."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    access: Literal["open", "allowlist", "pairing"] = "open"
    """Who is answered: everybody | those in `allow` | those in `allow`, and all whom an admin let in: a first direct
    message is answered with a code for that."""
    allow: tuple[Account, ...] = ()
    """Accounts that are always answered, by the platform's own ids. Names do not count: anybody can take one."""
