"""Answers with a language model: in character, with tools, from documents, and openly when the model is out."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import structlog
from pydantic import Field

from bots._assistant.answer import Pieces, asker, context
from bots._assistant.reflect import reflected
from bots._assistant.talk import Talk
from bots._assistant.toolbox import Toolbox, own_tools
from bots._tools import ToolName
from bots.knowledge import Bot as KnowledgeBot
from bots.knowledge import DocumentsSettings, KnowledgeSettings
from core import bot as port
from core.conversation.exact import counts
from core.conversation.settings import ContextSettings
from core.conversation.summary import Summary
from core.errors import ConfigError
from core.events import Part
from core.language.sentences import Sentence, say, when
from core.limits.errors import OverBudget
from core.limits.purse import Purse
from core.model import consent
from core.model.consent import Pending, Verdict
from core.model.converse import settle
from core.model.errors import ModelError, ModelUnavailable
from core.model.mcp import MCPServers, MCPSettings
from core.model.metered import Metered
from core.model.port import ChatMessage, Model
from core.model.tools import declined

log = structlog.get_logger(__name__)

_AROUND = 6000
"""Bytes of a prompt beside what was said: who the bot is, its tools, a summary."""
_BYTES_A_TOKEN = 4
"""Of most languages; a call that needs more sets more aside by itself."""


class AssistantSettings(DocumentsSettings):
    model: str = "default"
    """Which of the models answers. While it has no key, the documents do."""
    personality: str = "technical-assistant"
    """Which of the personalities it has."""
    personas: list[str] = Field(default_factory=list)
    """Personalities that users may choose instead, with `/persona`. Left empty: none."""
    tools: list[ToolName] = Field(default_factory=list)
    """The tools that ship with the hub and that the model may call."""
    tools_from: list[str] = Field(default_factory=list)
    """Python files with tools of your own, from the folder that the hub was started in."""
    mcp: dict[str, MCPSettings] = Field(default_factory=dict)
    """Programs and servers with tools, by the Model Context Protocol, under names of your own."""
    context: ContextSettings = ContextSettings()
    """What of the conversation the model gets to read."""
    links: list[str] | None = None
    """Hosts that answers may link to, beside those under `sources`; others are shown as text. Without it all may."""


class Bot(port.Bot[AssistantSettings]):
    settings_type = AssistantSettings

    def __init__(
        self,
        settings: AssistantSettings,
        resources: port.Resources | None = None,
    ) -> None:
        super().__init__(settings, resources or port.Resources())
        self.calibrations = self.resources.calibrations
        self._model: Model | None = self.resources.models.get(settings.model)
        named = settings.context.summary_model
        self._summarist = self.resources.models.get(named) if named else self._model
        if unknown := [name for name in settings.personas if name not in self.resources.personalities]:
            raise ConfigError([f"personas: there is no personality '{name}'" for name in unknown])
        self._documents = _documents(settings, self.resources)
        self._mcp = MCPServers(settings.mcp)
        self._links = _allowed(settings)

    async def start(self) -> None:
        """Open documents and tools. Raises ConfigError where one of them is not as it should be."""
        models = {each.name: each.served_as for each in (self._model, self._summarist) if each is not None}
        counting = self.settings.context.count
        self._counts = await asyncio.to_thread(counts, self.calibrations, counting, tuple(models.items()))
        documents = self._documents
        if documents is not None:
            await documents.start()
        find = documents.find if documents else None
        own = await asyncio.to_thread(own_tools, self.settings.tools, self.settings.tools_from, find)
        try:
            await self._mcp.start()
            self._toolbox = Toolbox(own, {"mcp": self._mcp})
        except BaseException:
            await self.stop()
            raise
        self._talk = Talk(
            self.resources.personalities,
            self.settings.personality,
            self.settings.personas,
            self.settings.context,
            self._toolbox,
            self.calibrations,
            self._counts,
            documents.sources if documents else None,
        )

    async def stop(self) -> None:
        if self._documents is not None:
            await self._documents.stop()
        await self._mcp.stop()

    def tool_servers(self) -> Mapping[str, Mapping[str, str | int]]:
        return self._mcp.health()

    def personas(self) -> Mapping[str, str]:
        names = dict.fromkeys((self.settings.personality, *self.settings.personas))
        return {name: self.resources.personalities[name].name for name in names}

    def most(self, turn: port.Turn) -> float:
        if self._model is None:
            return 0.0
        # In bytes, as a call is covered: a vocabulary has no token shorter than one.
        said = sum(len(text.encode()) for text in (turn.text, *(each.text for each in turn.history)))
        return self._model.most(_AROUND + min(said, _BYTES_A_TOKEN * self.settings.context.budget))

    async def respond(self, turn: port.Turn) -> Pieces:
        turn.links = self._links
        pending = consent.decode(turn.notes.pending)
        now = time.time()
        match consent.verdict(turn.text, asker(turn), pending, now, turn.language, is_next=_goes_on(turn)):
            case Verdict.FOREIGN:
                return
            case Verdict.EXPIRED:
                if pending is not None and now >= pending.until:
                    turn.note(pending="")
                turn.off_record()
                yield say(Sentence.EXPIRED, turn.language)
            case Verdict.REFUSED if pending is not None:
                turn.note(pending="")
                language = _language(turn, pending)
                turn.text = say(Sentence.NO, language)
                yield say(Sentence.DECLINED, language)
            case Verdict.AGREED if pending is not None:
                turn.note(pending="")
                async for piece in self._agreed(turn, pending):
                    yield piece
            case Verdict.PASSED_OVER if pending is not None:
                turn.note(pending="")
                untold = (*pending.asked.messages, *declined(pending.asked.calls))
                async for piece in self._answered(turn, untold):
                    yield piece
            case _:
                async for piece in self._answered(turn, ()):
                    yield piece

    async def reflect(
        self,
        history: Sequence[port.Remembered],
        summary: Summary | None,
        first: int,
        notes: port.Notes,
        purse: Purse,
    ) -> Summary | None:
        if self._summarist is None:
            return None
        return await reflected(
            Metered(self._summarist, purse), self.settings.context, self._counts, history, summary, first
        )

    def _model_of(self, turn: port.Turn) -> Model | None:
        """Which model answers a turn, which is told what it took; the one place where a turn gets it."""
        return Metered(self._model, turn.purse) if self._model else None

    async def _agreed(self, turn: port.Turn, pending: Pending) -> Pieces:
        """Do what the user agreed to; the session learns of it, however the answer ends."""
        language = _language(turn, pending)
        turn.text = say(Sentence.YES, language)
        told = context(turn, language, pending.id)
        done = (await settle(self._toolbox.tools, pending.asked, agreed=True, context=told)).messages
        try:
            model = self._model_of(turn)
            if model is None:
                raise ModelUnavailable("no model has a key")
            async for piece in self._talk.answer(model, turn, language, since=done):
                yield piece
        except ModelError as error:
            await log.awarning("no model answered", reference=turn.reference, error=str(error))
            turn.problem = f"no model answered: {error}"
            yield port.Restart()
            yield say(Sentence.NO_MODEL, language, reference=turn.reference)
            turn.off_record()
        except OverBudget as error:
            yield port.Restart()
            yield say(error.refused.line, language, when=when(error.refused.resets_in, language))
            turn.off_record()
        if not turn.kept:
            turn.kept = True
            yield f"\n\n{consent.report(pending, done)}"

    async def _answered(self, turn: port.Turn, untold: Sequence[ChatMessage]) -> Pieces:
        """`untold`: calls and results that the model has not read yet."""
        language = turn.language
        model = self._model_of(turn)
        if model is None:
            async for piece in self._without_model(turn, language, labelled=False):
                yield piece
            return
        try:
            async for piece in self._talk.answer(model, turn, language, untold=untold):
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


def _goes_on(turn: port.Turn) -> bool:
    """Whether nobody else was answered since the same user was."""
    last = next((said for said in reversed(turn.history) if said.role == "user"), None)
    return last is None or last.author in ("", asker(turn))


def _language(turn: port.Turn, pending: Pending) -> str:
    """Of an answer to a question of ours: a word or a pressed button does not tell one."""
    return turn.notes.language or turn.user.locale or pending.language


def _allowed(settings: AssistantSettings) -> list[str] | None:
    """Hosts that answers may link to: the documents' own are among them."""
    if settings.links is None:
        return None
    return [*settings.links, *(urlsplit(url).netloc for url in settings.sources.values())]


def _documents(settings: AssistantSettings, resources: port.Resources) -> KnowledgeBot | None:
    if not settings.knowledge:
        return None
    keys = {name: getattr(settings, name) for name in DocumentsSettings.model_fields if name != "use"}
    return KnowledgeBot(KnowledgeSettings(use="knowledge", **keys), resources)
