"""One answer as it comes from the model, over all its rounds of tool calls, watched while it is shown."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from bots._assistant.told import Told
from core.bot import Restart, Turn
from core.conversation.calibration import Calibrations
from core.conversation.tokens import measure, measure_prompt
from core.events import Part
from core.language.sentences import Sentence, say
from core.model.consent import Pending, is_too_large, opened, too_long
from core.model.converse import MAX_ROUNDS, Confirm, Round, converse
from core.model.errors import BrokenStream
from core.model.port import ChatMessage, End, Model, TextPiece
from core.model.tools import RunContext, Tools
from core.safety import leaks

log = structlog.get_logger(__name__)

Pieces = AsyncIterator[str | Part | Restart]

_LEAK_CHECK_EVERY = 200
"""Characters of an answer between two looks for the system prompt in it."""
_TOOLS_SHARE = 0.1
"""What of a prompt its tools may be for the bill to say how the model counts: each server writes them otherwise."""


@dataclass(slots=True)
class Answer:
    """Read `pieces` to the end; then it says how it went."""

    model: Model
    told: Told
    tools: Tools
    described: str
    """The tools, in words."""
    turn: Turn
    context: RunContext
    """For whom tools run; with the turn's name as its key."""
    calibrations: Calibrations
    mark: str
    """By which the system prompt is known in an answer."""
    since: list[ChatMessage] = field(default_factory=list)
    """What was called in this turn so far, with the results."""
    pending: Pending | None = field(default=None, init=False)
    """What the user has to be asked first."""
    is_spoilt: bool = field(default=False, init=False)
    """It broke off, or had to be withheld."""
    rounds: int = 0
    """Of tool calls, so far."""
    _asked: Sequence[ChatMessage] = field(default=(), init=False)
    """What the model was told last."""
    _before: str = field(default="", init=False)
    """The text of the rounds that are over."""
    _heard: list[str] = field(default_factory=list, init=False)

    @property
    def text(self) -> str:
        return self._before + "".join(self._heard)

    async def pieces(self) -> Pieces:
        """The text piece by piece. A stream that breaks is begun anew once, with the tools' results; then it is marked.

        Raises ModelError where nothing can be shown."""
        for is_last in (False, True):
            try:
                async for piece in self._until_asked():
                    yield piece
                return
            except BrokenStream as error:
                await log.awarning("the answer broke off", reference=self.turn.reference, error=str(error))
                if is_last and not self.text:
                    raise
                if is_last:
                    self.is_spoilt = True
                    self.turn.problem = f"the answer broke off: {error}"
                    yield f"\n\n*{say(Sentence.BROKEN_OFF, self.context.language)}*"
                    return
                self._heard.clear()
                yield Restart()
                if self._before:
                    yield self._before

    async def _until_asked(self) -> Pieces:
        """All rounds; a question that nobody could read is answered in the user's place."""
        while True:
            asks: Confirm | None = None
            looked_at = 0
            steps = converse(
                self.model,
                self._prompt,
                self.tools,
                context=self.context,
                since=self.since,
                rounds=MAX_ROUNDS - self.rounds,
            )
            async with aclosing(steps):
                async for step in steps:
                    match step:
                        case TextPiece():
                            piece = f"\n\n{step.text}" if self._before and not self._heard else step.text
                            self._heard.append(piece)
                            looked_at += len(piece)
                            if looked_at > _LEAK_CHECK_EVERY:
                                looked_at = 0
                                if leaks(self.text, self.mark):
                                    self.is_spoilt = True
                                    yield Restart()
                                    yield self._withheld()
                                    return
                            yield piece
                        case End():
                            self._learn(step)
                        case Round():
                            self._over(step.messages)
                        case Confirm():
                            asks = step
            if asks is None:
                return
            self.pending = opened(asks, asker(self.turn), self.context.language, time.time())
            if not is_too_large(self.pending):
                return
            self.pending = None
            self._over((*asks.messages, *too_long(asks.calls)))

    def _prompt(self, since: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
        self._asked = self.told.messages(since)
        return self._asked

    def _over(self, messages: Sequence[ChatMessage]) -> None:
        self.rounds += 1
        self.since += messages
        self._before = self.text
        self._heard.clear()

    def _withheld(self) -> str:
        self.turn.problem = "the answer was withheld: it gave the instructions away"
        return say(Sentence.WITHHELD, self.context.language, reference=self.turn.reference)

    def _learn(self, end: End) -> None:
        """What the bill says of how this model counts."""
        if end.estimated or not self.calibrations.wants(self.model.name):
            return
        units = measure_prompt([f"{message.text}{_written(message)}" for message in self._asked])
        if self.tools and sum(measure(self.described)) > _TOOLS_SHARE * sum(units):
            return
        self.calibrations.learn(self.model.name, end.model, units, end.prompt_tokens)


def asker(turn: Turn) -> str:
    """Who may agree to what is done in this turn."""
    return turn.account or turn.user.id


def context(turn: Turn, language: str, key: str) -> RunContext:
    """For whom tools run. `key`: names the turn, or the question that was agreed to."""
    key = f"{turn.conversation} {key}"
    return RunContext(key, asker(turn), turn.user.name, turn.conversation, language, turn.purse)


def _written(message: ChatMessage) -> str:
    return "".join(f" {call.name} {call.arguments}" for call in message.calls)
