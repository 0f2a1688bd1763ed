"""A minimal client of the relay: it connects, sends, and reads one frame after another.

It knows the frames of the protocol and none of its rules, so that the tests can violate each of them.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from tests.blackbox.wire import Address, Headers, WebSocket
from tests.blackbox.words import TABLE, fresh, send_frame

__all__ = ["Client", "Order", "target"]

Json = dict[str, Any]


def target(**query: object) -> str:
    """Return the request target of a handshake, without the parameters that are None."""
    return "/order?" + urlencode({name: value for name, value in query.items() if value is not None})


class Client(WebSocket):
    """One connection of one user. Its `welcome` has been read once it is constructed."""

    def __init__(
        self,
        address: Address,
        role: str,
        user_id: str,
        *,
        since: int | None = None,
        epoch: str | None = None,
        headers: Headers | None = None,
        early: bytes = b"",
        receive_buffer: int | None = None,
    ) -> None:
        super().__init__(
            address,
            target(userId=user_id, type=role, since=since, epoch=epoch),
            headers=headers,
            early=early,
            receive_buffer=receive_buffer,
        )
        self.role = role
        self.user_id = user_id
        try:
            self.welcome = self.receive()
            assert self.welcome["type"] == "welcome", "the first frame must be the welcome"
        except BaseException:
            self.close()
            raise

    @property
    def user(self) -> tuple[str, str]:
        """The user: the pair of a role and an id."""
        return self.role, self.user_id

    def receive(self) -> Json:
        """Read the next frame."""
        frame: Json = json.loads(self.receive_text())
        return frame

    def receive_status(self) -> Json:
        """Read the next frame, which must be a status."""
        frame = self.receive()
        assert frame["type"] == "status", frame
        return frame

    def answer(self, message_id: str | None) -> Json:
        """Read the next frame with this message id; those before it are skipped."""
        while True:
            frame = self.receive()
            if frame["messageId"] == message_id:
                return frame

    def submit(self, frame: Json) -> Json:
        """Send a frame, and wait for its answer."""
        self.send_json(frame)
        return self.answer(frame["messageId"])

    def replay(self) -> list[Json]:
        """Read the statuses from `after` to `head` of the welcome, which must come next."""
        return [self.receive_status() for _ in range(self.welcome["after"], self.welcome["head"])]

    def hears_nothing_more(self) -> bool:
        """Return whether nothing is in flight to this connection: the next frame is the answer to a ping.

        It proves that nothing was written before the relay read the ping, so make sure first that whatever
        could have caused a frame has been answered elsewhere.
        """
        self.send(0x9, b"anything?")
        frame = self.receive_frame()
        return frame.opcode == 0xA and frame.payload == b"anything?"


class Order:
    """An order between two connected users, which the tests advance."""

    def __init__(self, client: Client, serviceman: Client) -> None:
        self.client = client
        self.serviceman = serviceman
        self.id = fresh("o")

    def sender(self, name: str) -> Client:
        """The party that sends this status."""
        return self.client if TABLE[name].sent_by == "client" else self.serviceman

    def frame(self, name: str, *, message_id: str | None = None, **fields: Any) -> Json:
        """A `send` frame for this order; PLACED names its receiver."""
        if name == "PLACED":
            fields = {"receiverId": self.serviceman.user_id, **fields}
        return send_frame(name, self.id, message_id=message_id, **fields)

    def submit(self, name: str, **fields: Any) -> Json:
        """Send a status from the party that may, and wait for the answer."""
        return self.sender(name).submit(self.frame(name, **fields))

    def play(self, *names: str) -> list[tuple[Json, Json]]:
        """Send these statuses one by one; each is read by both parties before the next is sent.

        Return for each the frames of the client and of the serviceman. Nothing else may be in flight to
        these two connections.
        """
        frames: list[tuple[Json, Json]] = []
        for name in names:
            self.sender(name).send_json(self.frame(name))
            frames.append((self.client.receive_status(), self.serviceman.receive_status()))
        return frames
