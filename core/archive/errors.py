"""What can go wrong with the archive, by what to do next."""

from core.errors import HubError


class ArchiveAway(HubError):
    """The archive did not answer or cannot write now: try again later."""


class ArchiveRefusal(HubError):
    """The archive will never take this."""
