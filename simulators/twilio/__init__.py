"""Twilio's WhatsApp channel, played on loopback."""

from simulators.twilio.simulator import TwilioSimulator

__all__ = ["TwilioSimulator"]
