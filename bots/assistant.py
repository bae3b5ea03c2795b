"""Answers with a language model: in character, from documents where it has them, and openly when the model is out."""

import datetime
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import structlog
from pydantic import Field

from bots.knowledge import Bot as KnowledgeBot
from bots.knowledge import KnowledgeSettings
from core import bot as port
from core.context.calibration import Calibration
from core.context.entry import Entry
from core.context.settings import ContextSettings
from core.context.tokens import measure_prompt
from core.context.window import fit
from core.errors import HubError
from core.events import Part
from core.language.sentences import Sentence, say
from core.model.errors import BrokenStream, ModelError
from core.model.port import ChatMessage, End, Model, TextPiece
from core.persona.consistency import check, repair_hint
from core.persona.prompt import prompt
from core.persona.tone import adjust
from core.safety import canary, checked, fenced, leaks, shown

log = structlog.get_logger(__name__)

_LEAK_CHECK_EVERY = 200
"""Characters of an answer between two looks for the system prompt in it."""

Pieces = AsyncIterator[str | Part | port.Restart]


class AssistantSettings(port.BotSettings):
    model: str = "default"
    """Which of the models answers. While it has no key, the documents do."""
    personality: str = "technical-assistant"
    """Which of the personalities it has."""
    knowledge: list[str] = Field(default_factory=list)
    """Markdown files, and folders of them, that it answers from."""
    context: ContextSettings = ContextSettings()
    """What of the conversation the model gets to read."""
    links: list[str] | None = None
    """Hosts that answers may link to; others are shown as text. Without it all may."""


class Bot(port.Bot[AssistantSettings]):
    settings_type = AssistantSettings

    def __init__(self, settings: AssistantSettings, resources: port.Resources | None = None) -> None:
        super().__init__(settings, resources or port.Resources())
        self.calibration = Calibration()
        """How the model counts tokens, as far as its server has told since the bot was started."""
        self._secret = secrets.token_hex(16)
        self._model: Model | None = self.resources.models.get(settings.model)
        self._personality = self.resources.personalities[settings.personality]
        knowledge = KnowledgeSettings(use="knowledge", knowledge=settings.knowledge) if settings.knowledge else None
        self._documents = KnowledgeBot(knowledge) if knowledge else None

    async def start(self) -> None:
        if self._documents is not None:
            await self._documents.start()

    async def respond(self, turn: port.Turn) -> Pieces:
        language = turn.language
        if self._model is None:
            async for piece in self._without_model(turn, language, labelled=False):
                yield piece
            return
        try:
            if self.settings.links is None:
                async for piece in self._with_model(self._model, turn, language):
                    yield piece
            else:  # no link may be seen before it was looked at
                held: list[str | Part | port.Restart] = [p async for p in self._with_model(self._model, turn, language)]
                for piece in held:
                    yield piece
        except ModelError as error:
            await log.awarning("no model answered", reference=turn.reference, error=str(error))
            turn.off_record()
            yield port.Restart()
            async for piece in self._without_model(turn, language, labelled=True):
                yield piece

    async def _without_model(self, turn: port.Turn, language: str, *, labelled: bool) -> Pieces:
        """What the documents say; where the model should have spoken, labelled as that."""
        if self._documents is None:
            turn.off_record()
            yield say(Sentence.NO_MODEL, language, reference=turn.reference)
            return
        async for piece in self._documents.respond(turn):
            if labelled and isinstance(piece, Part):
                yield Part(f"*{say(Sentence.FROM_DOCUMENTS, language)}*\n\n{piece.text}", piece.choices)
            else:
                yield piece

    async def _with_model(self, model: Model, turn: port.Turn, language: str) -> Pieces:
        """The model's answer as it comes; then, where that was not as it should be, set right."""
        mark = canary(f"{self._secret}:{turn.conversation}")
        messages = await self._messages(turn, language, mark)
        heard: list[str] = []
        async for piece in self._stream(model, messages, turn, language, mark, heard):
            yield piece
        first_contact = not turn.history
        findings = check("".join(heard), self._personality, language=language, first_contact=first_contact)
        if findings:
            log.info("out of character", findings=[finding.name for finding in findings], reference=turn.reference)
        if findings and self._personality.repair and turn.kept:
            again = [*messages, ChatMessage("assistant", "".join(heard)), ChatMessage("user", repair_hint(findings))]
            heard.clear()
            yield port.Restart()
            async for piece in self._stream(model, again, turn, language, mark, heard):
                yield piece
        said = "".join(heard)
        toned = shown(adjust(said, self._personality.tone, language), canary=mark, links=self.settings.links)
        if toned.text != said and turn.kept:
            yield port.Restart()
            yield toned.text or say(Sentence.WITHHELD, language, reference=turn.reference)

    async def _stream(
        self,
        model: Model,
        messages: Sequence[ChatMessage],
        turn: port.Turn,
        language: str,
        mark: str,
        heard: list[str],
    ) -> Pieces:
        """The text piece by piece, also into `heard`. A stream that breaks is begun anew once; then it is marked."""
        for is_last in (False, True):
            length = looked_at = 0
            try:
                async with aclosing(model.stream(messages)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, End):
                            self._learn(messages, piece)
                        if not isinstance(piece, TextPiece):
                            continue
                        heard.append(piece.text)
                        length += len(piece.text)
                        if length - looked_at > _LEAK_CHECK_EVERY:
                            looked_at = length
                            if leaks("".join(heard), mark):
                                turn.off_record()
                                yield port.Restart()
                                yield say(Sentence.WITHHELD, language, reference=turn.reference)
                                return
                        yield piece.text
                return
            except BrokenStream as error:
                await log.awarning("the answer broke off", reference=turn.reference, error=str(error))
                if is_last and heard:
                    turn.off_record()
                    yield f"\n\n*{say(Sentence.BROKEN_OFF, language)}*"
                    return
                if is_last:
                    raise
                heard.clear()
                yield port.Restart()

    def _learn(self, messages: Sequence[ChatMessage], end: End) -> None:
        if not end.estimated:
            units = measure_prompt([message.text for message in messages])
            self.calibration = self.calibration.observe(units, end.prompt_tokens)

    async def _messages(self, turn: port.Turn, language: str, mark: str) -> list[ChatMessage]:
        """What the model is told: who it is, what the documents say, what was said before, and the question."""
        system = prompt(
            self._personality,
            language=language,
            channel_kind="direct" if turn.direct else "group",
            first_contact=not turn.history,
            date=datetime.datetime.now(datetime.UTC).date(),
            canary=mark,
        )
        if self._documents is not None:
            found = await self._documents.find(turn.text)
            if found:
                system += "\nAnswer from these documents where they fit, and name the file as your source:\n\n"
                system += "\n\n".join(fenced(text, f"document {title}", file) for title, file, text in found)
        history = [
            Entry(said.role, checked(said.text).text, "" if turn.direct else said.name, said.time)
            for said in turn.history
        ]
        newest = Entry("user", checked(turn.text).text, "" if turn.direct else turn.user.name)
        context = self.settings.context
        window = fit(system, history, newest, context.budget, context, count=self.calibration.count)
        told = [_labelled(entry) for entry in (*window.history, window.newest)]
        return [ChatMessage("system", window.system), *told]


def _labelled(entry: Entry) -> ChatMessage:
    """In groups with who said it, in words: not every server takes a name beside the text."""
    if entry.role not in ("user", "assistant"):
        raise HubError(f"a session holds no {entry.role} messages")
    text = f"{entry.name}: {entry.text}" if entry.name and entry.role == "user" else entry.text
    return ChatMessage(entry.role, text)
