"""Moments of departments' clocks: those that name no zone are China's."""

from __future__ import annotations

from datetime import datetime

from connectors.rest_options import CHINA

__all__ = ["in_form", "local", "server_clock"]


def local(moment: datetime) -> datetime:
    """Return a moment as China's clocks show it, without zone."""
    return moment.astimezone(CHINA).replace(tzinfo=None) if moment.tzinfo else moment


def in_form(moment: datetime, *, zoned: bool) -> datetime:
    """Return a moment with a zone or without one, as the column it is compared with has it.

    A server takes a moment without zone for its own time: on one that runs in UTC that would be eight hours later.
    """
    if not zoned:
        return local(moment)
    return moment if moment.tzinfo else moment.replace(tzinfo=CHINA)


def server_clock(now: datetime, *, zoned: bool) -> datetime:
    """Return the server's own time in the form of a column.

    Whether a column without zone was written by China's clocks or by the server's nobody knows; the earlier of both
    lets rows come twice, the later one could lose some.
    """
    if zoned or now.tzinfo is None:
        return in_form(now, zoned=zoned)
    return min(now.replace(tzinfo=None), local(now))
