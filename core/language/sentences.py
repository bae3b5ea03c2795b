"""Everything the hub itself says to a user, in English; the other languages stand in `locale/<language>/…/hub.po`."""

import math
from collections.abc import Iterable
from enum import StrEnum

from core.adapter import CommandSpec
from core.language.catalogue import catalogue
from core.language.names import DEFAULT


class Sentence(StrEnum):
    """Each is its own key in the catalogues; `say` fills in the names in braces."""

    HELP = "Ask me anything in plain words."
    UNKNOWN_COMMAND = "I do not know `/{name}`. `/help` shows what I can do."
    FORGOTTEN = "Forgotten. We start anew."
    WAIT = "One moment please: I am still busy with your earlier messages."
    READ_TEXT = "I can only read text so far. Please tell me in words what you need."
    TOO_LONG = "That is too long for me. Please keep it under {limit} characters."
    THINKING = "One moment…"

    APOLOGY = "Sorry, something went wrong here and I could not answer. Reference: `{reference}`"
    NO_MODEL = "Sorry, I cannot reach my language model at the moment. Please try again later. Reference: `{reference}`"
    FROM_DOCUMENTS = "I cannot reach my language model at the moment. This is what my documents say:"
    BROKEN_OFF = "(The answer broke off here.)"
    WITHHELD = "Sorry, I cannot show that answer. Please ask in another way. Reference: `{reference}`"
    NOT_IN_DOCUMENTS = "I do not know. My documents say nothing about that."
    DOCUMENTS_HELLO = "Hello! I answer questions from my documents."
    TOPICS = "You can ask me about:"
    NEAREST = "The nearest that I have:"
    SOURCE = "Source: {source}"
    WELCOME = "You are welcome."

    STOPPED = "Stopped."
    NOTHING_TO_STOP = "There is nothing to stop."
    QUIET = "All right, I will stay quiet here until somebody mentions me."
    PINNED = "Noted. I will keep that in mind."
    NOTHING_TO_PIN = "Tell me what to keep in mind: `/remember <text>`"

    CONFIRM = "Shall I do this? {action}"
    YES = "Yes"
    NO = "No"
    DECLINED = "All right, I have left everything as it is."
    EXPIRED = "That question is no longer open. Please ask again."

    RATE_LIMIT = "Those were many messages at once. I will answer again {when}."
    RATE_LIMIT_SHARED = "Many people are writing here at the moment. I will answer again {when}."
    BUDGET = "Your budget is used up. I will answer again {when}."
    BUDGET_SHARED = "The budget for this place is used up. I will answer again {when}."
    USAGE = "Messages: {messages}. Tokens: {tokens}. Cost: {cost}."
    USAGE_OF = "Messages: {messages} of {limit}. Tokens: {tokens}. Cost: {cost} of {budget}."
    USAGE_RESET = "The count starts anew {when}."

    LINK_CODE = "Write `/link {code}` to me from your other account. The code expires {when}."
    LINK_CONSENT = "{first} and {second} will be one person to me, with one shared history. Do you agree?"
    LINKED = "Done: {first} and {second} are now one person to me."
    LINK_WRONG = "I do not know this code, or it has expired. `/link` gives you a new one."
    LINK_SELF = "You asked for this code with the same account. Please enter it on the other one."
    LINK_TOO_MANY = "Too many codes are still open. Please try again {when}."
    LINK_IN_PRIVATE = "Please write that to me in a private message."
    UNLINKED = "Done: this account stands on its own again."
    NOT_LINKED = "This account is not joined with any other."

    LANGUAGE_SET = "Language: {language}"
    LANGUAGE_NOW = "Language: {language}. Change it with `/language <name>`, or let me find out with `/language auto`."
    LANGUAGE_AUTO = "I will answer in the language you write in."
    LANGUAGE_UNKNOWN = "I do not know the language '{name}'. For example: {languages}"

    PERSONA_NOW = "I am {name}. You can choose: {names}"
    PERSONA_SET = "From now on you are talking with {name}."
    PERSONA_UNKNOWN = "There is nobody called '{name}' here. You can choose: {names}"
    PERSONA_FIXED = "I am {name}, and that cannot be changed here."

    NOT_ALLOWED = "I may not answer you here."
    PAIRING = "I may not answer you yet. Please give this code to an administrator: `{code}`"

    # What the commands do, as platforms list them.
    DOES_AI = "Ask me something"
    DOES_HELP = "What I can do"
    DOES_RESET = "Forget this conversation and start anew"
    DOES_STOP = "Stop the answer I am giving"
    DOES_LANGUAGE = "Show or change my language"
    DOES_PERSONA = "Show or change who I am"
    DOES_REMEMBER = "Keep something in mind"
    DOES_USAGE = "What you have used today"
    DOES_LINK = "Join your accounts on several platforms"
    DOES_UNLINK = "Separate this account again"

    # The words for what follows a command.
    A_QUESTION = "question"
    A_NAME = "name"
    A_TEXT = "text"
    A_CODE = "code"


PLURALS = (
    ("in {count} second", "in {count} seconds"),
    ("in {count} minute", "in {count} minutes"),
    ("in {count} hour", "in {count} hours"),
    ("in {count} day", "in {count} days"),
)
_SECONDS = (1, 60, 3600, 86400)

_AGREED = {
    "en": "yes y yeah yep ok okay sure confirm",
    "de": "ja j jo jawohl gerne klar einverstanden",
    "es": "sí si s claro vale",
    "fr": "oui o ouais d'accord",
    "pt": "sim s claro",
    "ru": "да д ага конечно",
    "ar": "نعم أجل موافق",
    "hi": "हाँ हां जी ठीक",
    "zh": "是 是的 好 好的 可以 确认",
    "ja": "はい うん ええ お願いします",
}
_REFUSED = {
    "en": "no n nope cancel",
    "de": "nein n nee nö abbrechen",
    "es": "no n cancelar",
    "fr": "non n annuler",
    "pt": "não nao n cancelar",
    "ru": "нет н отмена",
    "ar": "لا كلا إلغاء",
    "hi": "नहीं ना मत",
    "zh": "不 不是 不要 否 取消",
    "ja": "いいえ いや やめて",
}


def say(sentence: Sentence, language: str, /, **values: object) -> str:
    """The sentence in this language (a tag), in English where there is no translation."""
    return catalogue(language).gettext(sentence.value).format(**values)


def when(seconds: float, language: str) -> str:
    """How long it is until then: "in 5 minutes". Rounded up, so that nobody comes too early."""
    whole = max(1, math.ceil(seconds))
    unit = 0 if whole < 90 else 1 if whole <= 90 * 60 else 2 if whole <= 48 * 3600 else 3
    count = math.ceil(whole / _SECONDS[unit])
    return catalogue(language).ngettext(*PLURALS[unit], count).format(count=count)


def help_text(commands: Iterable[CommandSpec], language: str) -> str:
    """What `/help` says; what the commands do is translated where it is one of the sentences above."""
    words = catalogue(language).gettext
    lines = [
        f"- `/{command.name}{f' <{words(command.argument)}>' if command.argument else ''}` {words(command.summary)}"
        for command in commands
    ]
    return say(Sentence.HELP, language) + "\n\n" + "\n".join(lines)


def agreed(text: str, language: str) -> bool | None:
    """Whether this is a yes or a no to a question of ours, in the user's language or in English; None: neither."""
    word = text.strip(" \n.!,。！،").casefold()
    for spoken in (language.partition("-")[0].partition("_")[0].lower(), DEFAULT):
        if word in _AGREED.get(spoken, "").split():
            return True
        if word in _REFUSED.get(spoken, "").split():
            return False
    return None
