"""People in the store: where a direct chat's events belong, and how accounts are joined and separated."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import redis.asyncio

from core.engine.engine import Claim, Engine, Stale
from core.errors import HubError, StoreError
from core.people.codes import Answer, Codes, Question
from core.people.known import Known
from core.people.person import Chat, Move, Person, alone, arrived, joined, left
from core.people.plan import Held, Place, Plan, place, shard

BUSY_LIMIT = 20.0
"""Seconds to wait for turns in conversations that are to move."""
_PAUSE = 0.05
_MARK_LIFE = 86_400_000
"""Milliseconds for which an event that joined or separated accounts is known to have done so."""

_encode = msgspec.json.Encoder().encode
_person = msgspec.json.Decoder(Person).decode


class Busy(HubError):
    """A conversation that is to move has a turn for too long: try again later."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who an event of a direct chat is from: the chat, and its conversation where nobody is joined."""

    chat: Chat
    key: str


class _Read(msgspec.Struct, frozen=True):
    """What the store says of an account, and the words in which it does."""

    account: str
    person: Person | None = None
    record: str = ""

    @property
    def id(self) -> str:
        return self.person.id if self.person else ""


class People:
    """Knows nothing of channels: `sender` tells of a waiting event which direct chat it came from."""

    def __init__(
        self,
        engine: Engine,
        sender: Callable[[bytes], Sender | None],
        *,
        codes: Codes | None = None,
        known: Known | None = None,
    ) -> None:
        self.codes = codes or Codes(engine)
        self.known = known or Known()
        self._engine = engine
        self._sender = sender
        self._channel = f"{engine.prefix}:people"
        self._keys = (f"{engine.prefix}:person", f"{engine.prefix}:persons")
        self._changing: dict[str, asyncio.Event] = {}

    async def listen(self, client: redis.asyncio.Redis) -> None:
        """Hear of what other processes change, until cancelled."""
        await self.known.listen(client, self._channel)

    async def person(self, account: str) -> str:
        """The id of the person; empty for an account that stands on its own. Raises StoreError."""
        found = await self._find(account)
        return found.id if found else ""

    async def payer(self, account: str) -> str:
        """The account that the person's limits lie with: one of theirs, so that joining anew makes no new ones.

        Raises StoreError."""
        found = await self._find(account)
        return found.accounts[0] if found else account

    async def accounts(self, account: str) -> set[str]:
        """All accounts of the person, this one included. Raises StoreError."""
        found = await self._find(account)
        return {account, *found.accounts} if found else {account}

    async def conversations(self, account: str) -> set[str]:
        """All that the person's direct chats are, as far as they are joined. Raises StoreError."""
        found = await self._find(account)
        return {*found.chats, *found.homes.values()} if found else set()

    async def messages(self, account: str, bot: str, key: str) -> int:
        """How many messages the session of this chat has had. Raises StoreError."""
        conversation = await self.home(account, bot, key)
        at = shard(self._engine.shards, conversation)
        return int(await self._engine.command("HGET", at.note + conversation, "c") or 0)

    async def home(self, account: str, bot: str, key: str) -> str:
        """Under which conversation to put an event of this direct chat; with its own the turn looks again.

        Raises StoreError."""
        while changing := self._changing.get(account):
            await changing.wait()
        person = await self._find(account)
        return (person and person.home(key, Chat(account, bot))) or key

    async def forward(self, claim: Claim, account: str, bot: str, key: str) -> bool:
        """Send the events of a claim to where they belong, when that is elsewhere. True: the claim is over.

        To be asked when a turn begins that has staged nothing yet. Raises Stale or StoreError."""
        chat = Chat(account, bot)
        person = await self._find(account)
        if claim.conversation == (person.home(key, chat) if person else key):
            return False
        while True:
            read = await self._read(account)
            if (plan := self._forwarding(claim, read, key, chat)) is None:
                return False
            if await self._do(plan, claim):
                return plan.claim is not msgspec.UNSET and plan.claim.ends

    async def join(self, question: Question, account: str, bot: str, key: str, claim: Claim, event: str) -> Answer:
        """Make one person of two accounts, as agreed to by this event. The claim goes on, and must remember nothing.

        Raises Stale, Busy or StoreError."""
        mark = self.codes.asked(account)
        marked = _encode(msgspec.structs.replace(question, event=event)).decode()
        offer = question.offer
        deadline = asyncio.get_running_loop().time() + BUSY_LIMIT
        while True:
            now = await self.codes.question(account)
            if now is None or now.id != question.id or now.event not in ("", event):
                return "gone"
            if now.event:
                return "joined"
            first, second = await self._read(offer.account), await self._read(account)
            both, moves = _together(first, offer.key, Chat(offer.account, offer.bot), second, key, Chat(account, bot))
            target = _end(claim.conversation, moves)
            plan = self._plan(
                [first, second],
                both,
                moves,
                claim=self._held(claim, ends=False),
                rest=place(self._engine.shards, target),
                code=question.code,
                codes=self.codes.made_by(offer.account),
                mark=mark,
                marked=marked,
                mark_ms=_MARK_LIFE,
            )
            try:
                if await self._do(plan, claim):
                    return "joined"
            except _Gone:
                return "gone"
            except Busy:
                await _wait(deadline)

    async def leave(self, account: str, claim: Claim, event: str) -> bool:
        """Let this account stand on its own again, with an empty session; False where it does.

        The claim goes on, and must remember nothing. Raises Stale, Busy or StoreError."""
        mark = f"{self._engine.prefix}:left:{account}"
        deadline = asyncio.get_running_loop().time() + BUSY_LIMIT
        while True:
            read = await self._read(account)
            if read.person is None:
                return bool(await self._engine.command("GET", mark) == event.encode())
            rest, moves = left(read.person, account)
            waiting = await self._waiting(claim)
            plan = self._plan(
                [read],
                rest,
                moves,
                gone=account,
                claim=self._held(claim, ends=False, count=len(waiting)),
                events=[None, *(self._after(envelope, rest) for envelope in waiting[1:])],
                mark=mark,
                marked=event,
                mark_ms=_MARK_LIFE,
            )
            try:
                if await self._do(plan, claim):
                    return True
            except Busy:
                await _wait(deadline)

    async def forget(self, account: str) -> None:
        """Dissolve the whole person: nothing says any more that these accounts were one. Raises StoreError.

        Sessions are not touched; whoever erases them asks for `conversations` first."""
        while (read := await self._read(account)).person is not None:
            if await self._do(self._plan([read], msgspec.structs.replace(read.person, accounts=()), [])):
                return

    async def _find(self, account: str) -> Person | None:
        is_known, person = self.known.get(account)
        if is_known:
            return person
        mark = self.known.mark
        person = (await self._read(account)).person
        self.known.put(account, person, mark)
        return person

    async def _read(self, account: str) -> _Read:
        people, persons = self._keys
        for _ in range(10):
            found = await self._engine.command("HGET", people, account)
            if found is None:
                return _Read(account)
            record = await self._engine.command("HGET", persons, found)
            if record is not None:  # else it was dissolved in between
                return _Read(account, _person(record), record.decode())
        raise StoreError("the record of a person is missing")

    def _forwarding(self, claim: Claim, read: _Read, key: str, chat: Chat) -> Plan | None:
        """What brings the events of a claim to where they belong; None when that is where they are."""
        at, person = claim.conversation, read.person
        home = person.home(key, chat) if person else key
        if home is None and at == key and person:
            after, moves = arrived(person, key, chat)
            to = place(self._engine.shards, _end(at, moves))
            return self._plan([read], after, moves, claim=self._held(claim, ends=to.name != at), rest=to)
        home = home or key
        if home == at:
            return None
        to = place(self._engine.shards, home)
        if at == key:  # events that came here late, and what a late turn remembered here
            return self._plan([read], person, [(at, home)], claim=self._held(claim, ends=True), rest=to)
        # somebody's who has left, or was never here: this one alone
        return self._plan([read], person, [], claim=self._held(claim, ends=True), events=[to])

    def _after(self, envelope: bytes, rest: Person) -> Place | None:
        """Where a waiting event goes when somebody has left; None: it stays, and its turn will tell."""
        sender = self._sender(envelope)
        if sender is None:
            return None
        return place(self._engine.shards, rest.home(sender.key, sender.chat) or sender.key)

    async def _waiting(self, claim: Claim) -> list[bytes]:
        at = shard(self._engine.shards, claim.conversation)
        found: list[bytes] = await self._engine.command("LRANGE", at.mb + claim.conversation, 0, -1)
        return found

    def _held(self, claim: Claim, *, ends: bool, count: int = 0) -> Held:
        at, name = self._engine.shards[claim.shard], claim.conversation
        return Held(place(self._engine.shards, name), claim.token, at.done + name, at.st + name, ends, count)

    def _plan(
        self, before: list[_Read], after: Person | None, moves: list[Move], *, gone: str = "", **more: object
    ) -> Plan:
        """From what was read to `after`; a person of one account is dissolved, and the sessions stay where they are."""
        shards = self._engine.shards
        were = {read.account: read.id for read in before}
        read = {found.id: found.record for found in before if found.person}
        accounts = {account for found in before if found.person for account in found.person.accounts} | set(were)
        is_one = after is not None and len(after.accounts) > 1
        is_changed = after is not None and any(found.person != after for found in before)
        are = {account: after.id if after and is_one and account != gone else "" for account in accounts}
        write = dict.fromkeys(read, "") | ({after.id: _encode(after).decode()} if after and is_one else {})
        return msgspec.structs.replace(
            Plan(self._channel, list(were.items()), list(read.items())),
            are=list(are.items()) if is_changed else [],
            write=list(write.items()) if is_changed else [],
            moves=[(place(shards, source), place(shards, target)) for source, target in moves],
            changed=sorted(accounts) if is_changed else [],
            **more,
        )

    async def _do(self, plan: Plan, claim: Claim | None = None) -> bool:
        """Carry a plan out; False when it is not up to date. Raises Busy, _Gone, Stale or StoreError."""
        changed = asyncio.Event()
        self._changing |= dict.fromkeys(plan.changed, changed)
        try:
            result = await self._engine.call("regroup", self._keys, (_encode(plan),))
        finally:
            self.known.forget(plan.changed)
            for account in plan.changed:
                if self._changing.get(account) is changed:
                    del self._changing[account]
            changed.set()
        if result == -1 and claim:
            raise Stale(claim.conversation)
        if result == -2:
            raise Busy("a conversation that is to move is busy")
        if result == -3:
            raise _Gone
        return bool(result)


class _Gone(HubError):
    """The code was used, or has expired."""


def _together(
    first: _Read, first_key: str, first_chat: Chat, second: _Read, second_key: str, second_chat: Chat
) -> tuple[Person, list[Move]]:
    """The one person that two accounts become, each with the chat that it was in."""
    ours = first.person or alone(secrets.token_hex(16), first_key, first_chat)
    ours, moves = arrived(ours, first_key, first_chat)
    if second.person and second.person.id == ours.id:
        both, more = arrived(ours, second_key, second_chat)
        return both, [*moves, *more]
    theirs = second.person or alone(secrets.token_hex(16), second_key, second_chat)
    theirs, more = arrived(theirs, second_key, second_chat)
    both, last = joined(ours, theirs)
    return both, [*moves, *more, *last]


def _end(conversation: str, moves: list[Move]) -> str:
    """Where a conversation is after the moves."""
    for source, target in moves:
        if source == conversation:
            conversation = target
    return conversation


async def _wait(deadline: float) -> None:
    if asyncio.get_running_loop().time() > deadline:
        raise Busy("a conversation that is to move is busy")
    await asyncio.sleep(_PAUSE)
