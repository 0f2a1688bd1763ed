"""Where a `Session` may stand, and what leads it where. What stands in quotes is told to the user.

    state           what happened                      effects                              next state
    --------------  ---------------------------------  -----------------------------------  -------------
    Offline         connect                            open, all counts at zero             Connecting
    Connecting      opened                             (the welcome is due in 10 s)         Connecting
    Connecting      welcome, after < head              "connected"                          Synchronising
    Connecting      welcome, after = head              "connected", transmit the unsettled  Live
    Connecting      a history that begins too late     close, "reconnecting" from 0         BackingOff
    Connecting      the welcome is overdue             close, "reconnecting"                BackingOff
    Synchronising   status, seq = head                 "status", transmit the unsettled     Live
    Synchronising   nothing for 10 s                   close, "reconnecting"                BackingOff
    welcomed        status, seq = cursor + 1           "status", settle, transmit the next  same
    welcomed        status, seq <= cursor, unsettled   "status", settle, transmit the next  same
    welcomed        status, seq <= cursor, otherwise   nothing                              same
    welcomed        status, seq > cursor + 1           close, "reconnecting"                BackingOff
    welcomed        the same gap once more             "report", then as the next status    same
    welcomed        rejected, final                    "rejected", settle, transmit next    same
    welcomed        rateLimited, unavailable           transmit it again later              same
    welcomed        status without sense, but a seq    "report", move the cursor            same
    linked          any other frame without sense      "report"                             same
    Live            no answer to a send for 20 s       close, "reconnecting"                BackingOff
    Live            30 s have gone by                  (the back-off starts small again)    Live
    linked          lost, and worth another try        "queued" what was in flight,         BackingOff
                                                       "reconnecting"
    linked          lost, and not worth another try    "refused"                            Refused
    linked          closed by the relay with 1000      "disconnected"                       Offline
    BackingOff      its time has come, or connect      open                                 Connecting
    Refused         connect                            open, all counts at zero             Connecting
    with a socket   disconnect                         close, "disconnected"                Offline
    Live            send, the first of its order       transmit                             Live
    with a socket   send, otherwise                    "queued"                             same
    without one     send, disconnect                   NoSocketError                        same

*Linked* is Connecting, Synchronising or Live; *welcomed* the last two; *with a socket* those three
and BackingOff. Each attempt has a number, and what comes from an older one is dropped.

Times are in seconds of the session's clock; attempts are numbered from 1.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BackingOff", "Connecting", "Live", "Offline", "Refused", "SessionState", "Synchronising"]


@dataclass(frozen=True, slots=True)
class Offline:
    """Nobody has asked for a connection."""


@dataclass(frozen=True, slots=True)
class Connecting:
    """An attempt is under way; once it is open, the welcome is due at `answer_by`."""

    attempt: int
    answer_by: float | None = None


@dataclass(frozen=True, slots=True)
class Synchronising:
    """The replay is coming in, up to `head`; its next status is due at `answer_by`."""

    attempt: int
    head: int
    answer_by: float


@dataclass(frozen=True, slots=True)
class Live:
    """The feed is up to date, and sends go out."""

    attempt: int
    since: float


@dataclass(frozen=True, slots=True)
class BackingOff:
    """The connection is away; the next attempt comes at `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Given up, until somebody asks again."""

    reason: str


SessionState = Offline | Connecting | Synchronising | Live | BackingOff | Refused
