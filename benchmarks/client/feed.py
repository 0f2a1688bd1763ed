"""The statuses that the clients receive, and the few frames of each protocol that are needed to send them.

What is prepared here is not encoded while a client is measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from websockets.frames import Frame, Opcode

from benchmarks.relay_load import ORDER

__all__ = ["PROTOCOLS", "Protocol", "encode", "statuses"]

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def statuses(count: int) -> list[str]:
    """Status frames of the relay, for the client `c-1`, who plays one order after another."""
    return [json.dumps(_status(number), separators=(",", ":")) for number in range(count)]


def _status(number: int) -> dict[str, object]:
    order, step = divmod(number, len(ORDER))
    name, status, sent_by = ORDER[step]
    client, serviceman = "c-1", f"s-{order % 10}"
    sender, receiver = (client, serviceman) if sent_by == "client" else (serviceman, client)
    at = _START + timedelta(milliseconds=number + 0.001)
    return {
        "type": "status",
        "seq": number + 1,
        "messageId": f"{number:032x}",
        "at": at.isoformat().replace("+00:00", "Z"),
        "orderStatus": {
            "orderStatusAsString": name,
            "orderStatusAsInt": status,
            "message": "A status as a person would write it, of some sixty characters.",
            "senderId": sender,
            "receiverId": receiver,
            "orderId": f"{order:032x}",
        },
    }


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a client is served.

    `greeting` is sent first, unless it is empty. `answer` takes a text of the client and returns what is
    answered, and whether the statuses follow. `wrap` makes a text frame of a status.
    """

    greeting: Callable[[int], str]
    answer: Callable[[str], tuple[str, bool]]
    wrap: Callable[[str], str]
    is_ready_at_once: bool = False


def encode(texts: Sequence[str], wrap: Callable[[str], str]) -> list[bytes]:
    """Whole WebSocket frames."""
    return [Frame(Opcode.TEXT, wrap(text).encode()).serialize(mask=False) for text in texts]


def _welcome(head: int) -> str:
    welcome = {"type": "welcome", "userId": "c-1", "clientType": "client", "epoch": "e" * 32}
    return json.dumps({**welcome, "after": 0, "head": head, "resumed": False})


def _nothing(_text: str) -> tuple[str, bool]:
    return "", False


def _engineio_open(_head: int) -> str:
    options: dict[str, Any] = {"sid": "1", "upgrades": [], "maxPayload": 1_000_000}
    return "0" + json.dumps({**options, "pingInterval": 25_000, "pingTimeout": 20_000})


def _socketio_answer(text: str) -> tuple[str, bool]:
    return ('40{"sid":"2"}', True) if text.startswith("40") else ("", False)


def _centrifuge_answer(text: str) -> tuple[str, bool]:
    command = json.loads(text)
    if "connect" in command:
        session = {"client": "1", "version": "1", "ping": 25, "pong": True}
        return json.dumps({"id": command["id"], "connect": session}), False
    if "subscribe" in command:
        return json.dumps({"id": command["id"], "subscribe": {}}), True
    return "", False


PROTOCOLS: Final = {
    "/order": Protocol(greeting=_welcome, answer=_nothing, wrap=lambda text: text, is_ready_at_once=True),
    "/socket.io/": Protocol(
        greeting=_engineio_open, answer=_socketio_answer, wrap=lambda text: f'42["status",{text}]'
    ),
    "/centrifuge": Protocol(
        greeting=lambda _head: "",
        answer=_centrifuge_answer,
        wrap=lambda text: f'{{"push":{{"channel":"orders","pub":{{"data":{text}}}}}}}',
    ),
}
"""By the path of the request; the bare client is served as ours is."""
