"""A server of the OpenAI chat completions API on loopback."""

from simulators.openai.scripts import Call, Exchange, Fault, Misbehaviour, Script
from simulators.openai.simulator import OpenAISimulator

__all__ = ["Call", "Exchange", "Fault", "Misbehaviour", "OpenAISimulator", "Script"]
