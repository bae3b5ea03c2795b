"""What waited for a channel is taken up when that is back."""

from core.engine.hasten import hasten


async def waiting(engine, conversation, kind="wait"):
    await engine.accept(conversation, b"1", [conversation])
    (claim,) = (await engine.claim("w", 1)).claims
    await engine.fail(claim, kind, delay=60)


async def test_what_waited_is_due_at_once_and_nothing_else(engine):
    for conversation in ("chat/1", "chat/2", "other/1", "chatter/1"):
        await waiting(engine, conversation)
    assert await hasten(engine, "chat/") == 2
    found = (await engine.claim("w", 10)).claims
    assert sorted(claim.conversation for claim in found) == ["chat/1", "chat/2"]
    assert {claim.tries for claim in found} == {1}


async def test_what_the_platform_told_to_wait_keeps_its_time(engine):
    await waiting(engine, "chat/1", kind="release")
    assert await hasten(engine, "chat/") == 0
    assert not (await engine.claim("w", 10)).claims


async def test_names_are_taken_as_they_are_written(engine):
    for conversation in ("a*[b]?/1", "axb/1"):
        await waiting(engine, conversation)
    assert await hasten(engine, "a*[b]?/") == 1


async def test_it_tells_the_worker_and_finds_all_of_many(engine):
    for number in range(700):
        await waiting(engine, f"chat/{number}")
    told = []
    engine.nudge = told.append
    assert await hasten(engine, "chat/") >= 700
    assert told == [0]
    assert len((await engine.claim("w", 1000)).claims) == 700
