"""Structured logs on standard error; configured secrets never get out, whoever logs them."""

import logging
import re
import sys
from collections.abc import Iterable
from json import dumps
from urllib.parse import quote

import structlog

from core.pseudonym import Pseudonyms

HIDDEN = "…"
PSEUDONYMS = Pseudonyms()
"""Stands in for people in every line; told the hub's own key once that is known."""
OURS = ("core", "adapters", "bots", "config", "simulators", "web")


class Redact:
    """Takes known secrets out of finished log lines. Last in the chain, so it sees tracebacks as well."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.pattern: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Replace the secrets by these; ones shorter than six characters would blank out ordinary words."""
        known = sorted(
            {form for secret in secrets if len(secret) >= 6 for form in _forms(secret)}, key=len, reverse=True
        )
        self.pattern = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, line: str) -> str:
        return self.pattern.sub(HIDDEN, line) if self.pattern else line


def _forms(secret: str) -> tuple[str, ...]:
    """How it may stand in a line: as it is, in JSON, in an address."""
    return secret, dumps(secret)[1:-1], quote(secret, safe="")


SECRETS = Redact(())
"""Takes the hub's own secrets out of all that leaves it: told them once the configuration is known."""


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return SECRETS(super().format(record))


def setup(level: str = "INFO", *, json: bool | None = None) -> Redact:
    """Send all logs, ours and the libraries', through one formatter; JSON where nobody watches a terminal.

    Returns the redaction, to be told the secrets once they are known."""
    json = not sys.stderr.isatty() if json is None else json
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    # Tracebacks become text before the names in it are replaced, and have no local variables: those hold what people
    # said.
    finishing: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, PSEUDONYMS, renderer]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finishing],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Below WARNING, libraries log whole URLs, bodies or signatures, and with them tokens.
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    return SECRETS
