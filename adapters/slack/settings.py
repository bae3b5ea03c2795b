"""The YAML keys of a Slack channel."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from core.adapter import Settings


class SlackSettings(Settings):
    mode: Literal["socket", "http"] = "socket"
    """socket: the hub calls out, no public address needed | http: Slack posts to `/webhooks/<channel>`."""
    bot_token: SecretStr = SecretStr("")
    """`xoxb-…`, from OAuth & Permissions."""
    app_token: SecretStr = SecretStr("")
    """`xapp-…` with the scope connections:write, from Basic Information; only for `mode: socket`."""
    signing_secret: SecretStr = SecretStr("")
    """From Basic Information; only for `mode: http`."""
    api_url: str = Field("https://slack.com/api/", pattern=r"^https?://[^\s]+$")
    """The Web API: Slack's own, a proxy's or a simulator's."""

    environment: ClassVar[Mapping[str, str]] = {
        "bot_token": "SLACK_BOT_TOKEN",
        "app_token": "SLACK_APP_TOKEN",
        "signing_secret": "SLACK_SIGNING_SECRET",
    }

    @property
    def needed(self) -> tuple[str, ...]:
        return ("bot_token", "app_token" if self.mode == "socket" else "signing_secret")
