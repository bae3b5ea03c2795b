"""Telegram on loopback, as a bot and the people around it see it."""

from simulators.telegram.simulator import TelegramSimulator

__all__ = ["TelegramSimulator"]
