import asyncio

from core.cancel import cancelled


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again():
    seen = []

    async def deaf():
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("swallowed")
        await asyncio.Event().wait()

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await cancelled([task], again=0.01)
    assert task.cancelled()
    assert len(seen) == 2


async def test_whoever_ends_tasks_ends_them_all_before_he_is_ended_himself():
    async def slow():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)

    task = asyncio.create_task(slow())
    await asyncio.sleep(0)
    ending = asyncio.create_task(cancelled([task]))
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait([ending])
    assert task.done()
    assert ending.cancelled()
