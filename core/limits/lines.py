"""What the limits say to a user, in their language. Pure."""

from core.language.sentences import Sentence, say, when
from core.limits.errors import Refused
from core.limits.money import shown
from core.limits.usage import Usage

NO_LIMIT = "∞"


def refusal(refused: Refused, language: str) -> str:
    """That a limit was reached, and until when."""
    return say(refused.line, language, when=when(refused.resets_in, language))


def usage_text(usage: Usage, language: str) -> str:
    """What `/usage` says."""
    limit = NO_LIMIT if usage.limit is None else usage.limit
    budget = NO_LIMIT if usage.budget is None else shown(usage.budget)
    is_limited = usage.limit is not None or usage.budget is not None
    text = say(
        Sentence.USAGE_OF if is_limited else Sentence.USAGE,
        language,
        messages=usage.messages,
        tokens=usage.tokens,
        cost=shown(usage.cost),
        limit=limit,
        budget=budget,
    )
    return f"{text} {say(Sentence.USAGE_RESET, language, when=when(usage.resets_in, language))}"
