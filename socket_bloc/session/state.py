"""The states of a `Session`, and the table of what leads from one to the next.

What is in quotes is announced to the user.

    state           what happened                      effects                              next state
    --------------  ---------------------------------  -----------------------------------  -------------
    Offline         connect                            open, all counters reset             Connecting
    Offline         connect, the first                 "queued" what was unsettled, open    Connecting
    Connecting      opened                             (the welcome is due in 10 s)         Connecting
    Connecting      welcome, after < head              "connected"                          Synchronising
    Connecting      welcome, after = head              "connected", transmit what is ready  Live
    Connecting      welcome, history starts too late   close, "reconnecting" from 0         BackingOff
    Connecting      welcome that is not true           "violation", close, "reconnecting"   BackingOff
    Connecting      welcome overdue                    close, "reconnecting"                BackingOff
    Synchronising   status, seq = head                 "status", transmit what is ready     Live
    Synchronising   nothing for 10 s                   close, "reconnecting"                BackingOff
    welcomed        status, seq = cursor + 1           "status"                             same
    welcomed        status, seq <= cursor, an answer   "status"                             same
    welcomed        status, seq <= cursor, otherwise   none                                 same
    welcomed        status, seq > cursor + 1           close, "reconnecting"                BackingOff
    welcomed        the same gap again                 "violation", then as the next seq    same
    welcomed        status of others' order            "violation", close, "reconnecting"   BackingOff
    welcomed        the same status of others again    "violation", move the cursor         same
    Live            status, another than was sent      "violation", close, "reconnecting"   BackingOff
    welcomed        rejected, final                    "rejected"                           same
    welcomed        rejected, not final                transmit it again later              same
    welcomed        invalid status with a seq          "violation", move the cursor         same
    linked          any other invalid frame            "violation"                          same
    Live            no answer to a send for 20 s       close, "reconnecting"                BackingOff
    Live            30 s have passed                   (the back-off is reset)              Live
    linked          lost, retry allowed                "queued" what was in flight,         BackingOff
                                                       "reconnecting"
    linked          lost, retry not allowed            "refused"                            Refused
    linked          closed by the relay with 1000      "disconnected"                       Offline
    BackingOff      the delay is over, or connect      open                                 Connecting
    Refused         connect                            open, all counters reset             Connecting
    Live            an outcome was announced           settle, transmit the next            same
    otherwise       an outcome was announced           settle                               same
    with a socket   disconnect                         close, "disconnected"                Offline
    Live            send, first of its order           transmit                             Live
    with a socket   send, otherwise                    "queued"                             same
    without one     send, disconnect                   NoSocketError                        same

*Welcomed* is Synchronising or Live, *linked* these and Connecting, *with a socket* those three and
BackingOff. Each attempt has a number, and what belongs to an older one is dropped.

Times are in seconds of the session's clock; attempts are numbered from 1.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BackingOff",
    "Connecting",
    "Linked",
    "Live",
    "Offline",
    "Refused",
    "SessionState",
    "Synchronising",
    "Welcomed",
    "WithSocket",
]


@dataclass(frozen=True, slots=True)
class Offline:
    """No connection is wanted; `reason` says why, if it was the relay that closed it."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Connecting:
    """A connection is being opened; once it is open, the welcome is due at `answer_by`."""

    attempt: int
    answer_by: float | None = None


@dataclass(frozen=True, slots=True)
class Synchronising:
    """The replay up to `head` is arriving; its next status is due at `answer_by`."""

    attempt: int
    head: int
    answer_by: float


@dataclass(frozen=True, slots=True)
class Live:
    """The feed is up to date, and sends are transmitted."""

    attempt: int
    since: float


@dataclass(frozen=True, slots=True)
class BackingOff:
    """The connection is lost; the next attempt starts at `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Retrying was given up, until the next connect."""

    reason: str


Welcomed = Synchronising | Live
Linked = Connecting | Synchronising | Live
WithSocket = Connecting | Synchronising | Live | BackingOff
SessionState = Offline | Connecting | Synchronising | Live | BackingOff | Refused
