"""Discord on loopback: REST API, gateway, and the people of one guild."""

from simulators.discord.simulator import DiscordSimulator

__all__ = ["DiscordSimulator"]
