"""Slack, played on loopback: Web API, Events API, Socket Mode."""

from simulators.slack.workspace import SlackSimulator

__all__ = ["SlackSimulator"]
