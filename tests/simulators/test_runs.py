"""A second run of a simulator is not taken for the first: the hub remembers ids for a day."""

from simulators.discord import DiscordSimulator
from simulators.slack import SlackSimulator
from simulators.telegram import TelegramSimulator
from simulators.twilio import TwilioSimulator


async def test_ids_of_one_run_do_not_come_again_in_the_next():
    for simulator in (TelegramSimulator, TwilioSimulator, DiscordSimulator, SlackSimulator):
        async with simulator() as first:
            one = await _event_id(first)
        async with simulator() as second:
            assert await _event_id(second) != one


async def _event_id(stage):
    match stage:
        case TelegramSimulator():
            await stage.say("hello")
            return stage.queue.updates[0]["update_id"]
        case TwilioSimulator():
            return stage.new_sid("SM")
        case DiscordSimulator():
            return (await stage.say("hello")).id
        case SlackSimulator():
            return stage._run
