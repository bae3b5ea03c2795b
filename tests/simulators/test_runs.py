"""A second run of a simulator is not taken for the first: the hub remembers ids for a day."""

from simulators.discord import DiscordSimulator
from simulators.slack import SlackSimulator
from simulators.telegram import TelegramSimulator
from simulators.twilio import TwilioSimulator


async def test_ids_of_one_run_do_not_come_again_in_the_next():
    for simulator in (TelegramSimulator, TwilioSimulator, DiscordSimulator, SlackSimulator):
        async with simulator() as first:
            known = await _ids(first)
        async with simulator() as second:
            assert known.isdisjoint(await _ids(second))


async def _ids(stage):
    """By which the hub knows a delivery again."""
    match stage:
        case TelegramSimulator():
            said = await stage.say("hello")
            await stage.press(said, "again")
            message, press = stage.queue.updates
            return {message["update_id"], message["message"]["message_id"], press["callback_query"]["id"]}
        case TwilioSimulator():
            return {stage.new_sid("SM")}
        case DiscordSimulator():
            return {(await stage.say("hello")).id}
        case SlackSimulator():
            return {stage._run}


async def test_each_press_has_an_id_of_its_own_however_long_the_wire_is():
    async with TelegramSimulator() as telegram:
        said = await telegram.say("hello")
        for _ in range(3):
            await telegram.press(said, "again")
        presses = [update["callback_query"]["id"] for update in telegram.queue.updates[1:]]
    assert len(set(presses)) == 3
