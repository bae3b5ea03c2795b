"""The tools that ship with the hub: the time, sums, and a look into the documents. None has side effects."""

import ast
import math
import operator
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal
from fractions import Fraction
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from core.limits.purse import Purse
from core.model.tools import RunContext, ToolError, Tools
from core.safety import fenced

ToolName = Literal["now", "calculate", "search_documents"]

Find = Callable[[str, Purse | None], Awaitable[Sequence[tuple[str, str, str]]]]
"""Sections that may hold the answer: (heading, file, text)."""

_LARGEST = 4096
"""Bits of a number on either side of the line of a fraction."""
_DIGITS = 15
"""Of a result that is no whole number."""
_MOST_PLACES = 300
"""That a number may be rounded to."""
_OPERATORS: Mapping[type[ast.AST], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: operator.mod,
}
_FUNCTIONS: Mapping[str, Callable[..., Fraction]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "round": lambda number, digits=Fraction(0): round(number, _places(digits)),
    "floor": lambda number: Fraction(math.floor(number)),
    "ceil": lambda number: Fraction(math.ceil(number)),
    "sqrt": lambda number: Fraction(math.sqrt(number)),
}
_NAMES = {"pi": Fraction(math.pi), "e": Fraction(math.e)}


def shipped(find: Find | None) -> Tools:
    """The tools; without documents none that looks into them."""
    tools = Tools()

    @tools.add
    def now(
        timezone: Annotated[str, Field(description="IANA name such as Europe/Berlin", max_length=60)] = "UTC",
    ) -> str:
        """The date, the weekday and the time in a time zone."""
        try:
            zone = ZoneInfo(timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ToolError(f"there is no time zone '{timezone}'; use a name such as Europe/Berlin") from error
        return datetime.now(zone).strftime("%A, %Y-%m-%d %H:%M %Z (UTC%z)")

    @tools.add
    def calculate(
        expression: Annotated[str, Field(description="Such as (12.50 + 3) * 4 or round(2 ** 0.5, 3)", max_length=300)],
    ) -> str:
        """Work out a sum exactly: + - * / // % ** and abs, min, max, round, floor, ceil, sqrt, pi, e."""
        return calculated(expression)

    if find is not None:

        @tools.add
        async def search_documents(
            question: Annotated[str, Field(description="What to look for, in a few words", max_length=300)],
            context: RunContext,
        ) -> str:
            """Look something up in the documents that this bot answers from. Name the file as your source."""
            found = await find(question, context.purse)
            texts = (fenced(text, f"document {title}", file) for title, file, text in found)
            return "\n\n".join(texts) or "The documents say nothing about that."

    return tools


def calculated(expression: str) -> str:
    """What the expression comes to. Raises ToolError where it is none, or too large."""
    try:
        return _written(_value(ast.parse(expression.strip(), mode="eval").body))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ToolError(f"this is no sum: {str(error)[:100]}") from error
    except ZeroDivisionError as error:
        raise ToolError("division by zero") from error
    except OverflowError as error:
        raise ToolError("the numbers are too large") from error


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=bool()):
            raise ValueError("True and False are no numbers")
        case ast.Constant(value=int() | float() as number):
            value = Fraction(str(number))  # 0.1 as it was written, not as a binary fraction
        case ast.Name(id=name) if name in _NAMES:
            value = _NAMES[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            value = _value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            value = _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            value = _OPERATORS[type(sign)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as given, keywords=[]) if name in _FUNCTIONS:
            value = Fraction(_FUNCTIONS[name](*map(_value, given)))
        case _:
            raise ValueError(f"'{ast.unparse(node)}' is not understood")
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _LARGEST:
        raise OverflowError
    return value


def _places(digits: Fraction) -> int:
    if abs(digits) > _MOST_PLACES:
        raise OverflowError
    return int(digits)


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        if base < 0:
            raise ValueError("a root of a negative number")
        return Fraction(float(base) ** float(exponent))
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits > 1 and abs(exponent) * bits > _LARGEST:
        raise OverflowError
    return Fraction(base ** int(exponent))


def _written(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    decimal = Context(prec=_DIGITS).divide(Decimal(value.numerator), Decimal(value.denominator))
    return f"{decimal.normalize():f}" if abs(decimal.adjusted()) < 30 else f"{decimal:E}"
