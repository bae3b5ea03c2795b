"""Turns what the SDK and its transport raise into our errors, by what to do next."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import openai

from core.model.errors import BadModelKey, ModelError, ModelRefused, ModelThrottled, ModelUnavailable
from core.model.wire import Optional

_TOO_LONG = re.compile(r"context.{0,3}length|maximum context|context window|too many tokens|prompt is too long", re.I)
_UNKNOWN = re.compile(r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|extra|not (permitted|allowed)", re.I)
_OPTIONAL: tuple[Optional, ...] = ("stream_options", "max_tokens", "temperature")


def translate(error: openai.APIError) -> ModelError:
    """The same failure in our words. The server's text is quoted only where it cannot hold a key."""
    if not isinstance(error, openai.APIStatusError):
        return ModelUnavailable(f"not reached: {_cause(error)}")
    status, code = error.status_code, str(error.code or error.type or "")
    wait = retry_after(error.response.headers, datetime.now(UTC))
    if status == 429 and "insufficient_quota" in (error.code, error.type):
        return BadModelKey("the plan is used up: raise its limit at the provider")
    if status == 429:
        return ModelThrottled("the server asks us to wait", wait)
    if status in (401, 403):
        return BadModelKey(f"the server refuses our key ({status}): check api_key")
    if status == 402:
        return BadModelKey("the server wants to be paid first (402): check the plan at the provider")
    if status == 404 or 300 <= status < 400:
        return BadModelKey(f"the server has no such model or address ({status}): check name and base_url")
    if status in (408, 409, 425) or status >= 500:
        return ModelUnavailable(f"the server answered {status}", wait)
    if _TOO_LONG.search(_said(error)):
        return ModelRefused("the conversation is too long for the model", "context_length_exceeded")
    return ModelRefused(f"the server refuses the request ({status}): {error.message[:200]}", code)


def unknown_parameter(error: openai.APIStatusError, sent: bytes) -> Optional | None:
    """The parameter without which the same request may be taken, where that is what the server complains of."""
    said = _said(error)
    if error.status_code not in (400, 422) or _TOO_LONG.search(said) or not _UNKNOWN.search(said):
        return None
    return next((name for name in _OPTIONAL if name in said and f'"{name}":'.encode() in sent), None)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, by `retry-after-ms` or by `Retry-After` in seconds or as a date; None where neither says it."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) / unit
        except ValueError:
            seconds = _until(value, now)
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _until(date: str, now: datetime) -> float:
    try:
        then = parsedate_to_datetime(date)
    except (ValueError, IndexError, TypeError):
        return math.nan
    return (then.replace(tzinfo=then.tzinfo or UTC) - now).total_seconds()


def _said(error: openai.APIStatusError) -> str:
    return f"{error.code} {error.param} {error.message} {error.body}"[:4000]


def _cause(error: openai.APIError) -> str:
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {str(cause)[:200]}" if str(cause) else type(cause).__name__
