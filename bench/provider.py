"""A language model that answers at once, in a process of its own: so many words as the question's last word says."""

import asyncio
import sys

from simulators.openai import OpenAISimulator, Script
from simulators.openai.scripts import Exchange


def answer(exchange: Exchange) -> Script:
    """The model's words."""
    wanted = exchange.said.rpartition(" ")[2]
    return Script("word " * (int(wanted) if wanted.isdigit() else 1))


async def main() -> None:
    async with OpenAISimulator() as provider:
        provider.answer = answer
        print(f"ready {provider.url} {provider.api_key}", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
