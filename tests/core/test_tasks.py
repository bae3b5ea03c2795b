"""Work beside its owner is held, found by its name, and ended."""

import asyncio
import gc
import weakref

from core.tasks import Tasks


class Waiting:
    """Work that waits until it is let go, and says when it began and how it ended."""

    def __init__(self):
        self.began, self.let_go, self.end = asyncio.Event(), asyncio.Event(), None

    async def run(self):
        self.began.set()
        try:
            await self.let_go.wait()
            self.end = "done"
        except asyncio.CancelledError:
            self.end = "cancelled"
            raise


async def test_what_nobody_else_holds_is_held_until_it_is_over():
    tasks, begun = Tasks(), asyncio.Event()

    async def work():
        begun.set()
        await asyncio.get_running_loop().create_future()  # nothing but its task knows of this

    task = weakref.ref(tasks.start(work()))
    await begun.wait()
    gc.collect()
    assert len(tasks) == 1
    assert task() is not None
    await tasks.end()
    assert len(tasks) == 0


async def test_it_is_found_by_its_name_while_it_runs():
    tasks, work = Tasks(), Waiting()
    tasks.start(work.run(), "a")
    assert "a" in tasks
    await tasks.settled("b")
    await tasks.settled("a", timeout=0)
    assert work.end is None
    work.let_go.set()
    await tasks.settled("a")
    assert work.end == "done"
    assert "a" not in tasks


async def test_the_end_waits_as_long_as_it_is_told_to():
    for grace, end in ((None, "done"), (30.0, "done"), (0.0, "cancelled")):
        tasks, work = Tasks(), Waiting()
        tasks.start(work.run())
        await work.began.wait()
        ending = asyncio.create_task(tasks.end(grace))
        for _ in range(20):  # more turns of the loop than a cancellation takes
            await asyncio.sleep(0)
        work.let_go.set()
        await ending
        assert work.end == end


async def test_what_was_raised_is_swallowed_at_the_end_and_a_second_end_is_nothing():
    tasks = Tasks()

    async def fail():
        raise ValueError

    tasks.start(fail())
    await tasks.end()
    await tasks.end()


async def test_what_swallows_its_cancellation_is_ended_all_the_same():
    tasks, begun = Tasks(), asyncio.Event()

    async def deaf():
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    tasks.start(deaf())
    await begun.wait()
    await tasks.end()
