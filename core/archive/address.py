"""Where the archive is: a file of ours, or the database that `DATABASE_URL` names."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from core.errors import HubError

FILE = "archive.db"


def address(url: str, var: Path) -> URL:
    """As SQLAlchemy needs it; `url` as people have it. Raises HubError where it is none, without showing it."""
    if not url:
        return URL.create("sqlite+aiosqlite", database=str(var / FILE))
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise _wrong() from None
    match found.drivername.partition("+")[0]:
        case "postgres" | "postgresql":
            return _postgres(found)
        case "sqlite" if found.database and found.database != ":memory:":
            return found.set(drivername="sqlite+aiosqlite")
    raise _wrong()


def _postgres(url: URL) -> URL:
    # Hosts give addresses in the words of libpq.
    mode = url.query.get("sslmode")
    url = url.set(drivername="postgresql+asyncpg").difference_update_query(["sslmode", "channel_binding"])
    return url.update_query_dict({"ssl": mode}) if mode else url


def _wrong() -> HubError:
    return HubError(
        "DATABASE_URL is no address such as postgresql://user:password@host:5432/name or sqlite:///archive.db; "
        "special characters of a password are percent-encoded in it"
    )
