"""Encodes the frames of the relay.

A status is written at least twice, with different numbers; the rest of it is encoded once. It is formatted
here, rather than dumped from `StatusFrame`, because nothing is encoded more often.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring as quote
from typing import Final

from server_stub.records import Entry, FeedStart, User
from socket_bloc.frames import RejectedFrame, WelcomeFrame
from socket_bloc.order_status import Rejection

__all__ = ["rejected_frame", "status_frame", "status_without_seq", "welcome_frame"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def status_frame(seq: int, without_seq: bytes) -> bytes:
    """Return a `status`, with its number in the feed of the receiver."""
    return b'{"type":"status","seq":%d,%b' % (seq, without_seq)


def status_without_seq(entry: Entry) -> bytes:
    """Return what follows the number in a `status`; the same for both parties."""
    return (
        f'"messageId":{quote(entry.message_id)},"at":"{_utc(entry.at)}","orderStatus":{{'
        f'"orderStatusAsString":{quote(entry.status_name)},"orderStatusAsInt":{entry.status},'
        f'"message":{quote(entry.message)},"senderId":{quote(entry.sender.user_id)},'
        f'"receiverId":{quote(entry.receiver.user_id)},"orderId":{quote(entry.order_id)}}}}}'
    ).encode()


def welcome_frame(user: User, epoch: str, feed: FeedStart) -> bytes:
    """Return a `welcome`."""
    return (
        WelcomeFrame(
            user_id=user.user_id,
            client_type=user.role,
            epoch=epoch,
            after=feed.after,
            head=feed.head,
            resumed=feed.resumed,
        )
        .model_dump_json()
        .encode()
    )


def rejected_frame(message_id: str | None, rejection: Rejection) -> bytes:
    """Return a `rejected`."""
    return (
        RejectedFrame(
            message_id=message_id,
            code=rejection.code,
            reason=rejection.reason,
            current_status=rejection.current_status,
        )
        .model_dump_json()
        .encode()
    )


@lru_cache(maxsize=64)  # all statuses of a batch have the same time
def _utc(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
