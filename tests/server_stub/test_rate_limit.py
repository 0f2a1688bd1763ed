from __future__ import annotations

import pytest

from server_stub.rate_limit import RateLimit, TokenBucket


def _taken(bucket: TokenBucket, now: float, tries: int = 1000) -> int:
    return sum(bucket.take(now) for _ in range(tries))


def test_a_burst_passes_and_then_the_rate_applies() -> None:
    bucket = TokenBucket(RateLimit(10, 5), 0.0)
    assert _taken(bucket, 0.0) == 5
    assert _taken(bucket, 0.25) == 2
    assert _taken(bucket, 0.5) == 3


def test_a_long_pause_accumulates_no_more_than_the_burst() -> None:
    bucket = TokenBucket(RateLimit(10, 5), 0.0)
    _taken(bucket, 0.0)
    assert _taken(bucket, 3600.0) == 5


def test_a_rejected_frame_costs_no_token() -> None:
    bucket = TokenBucket(RateLimit(1, 1), 0.0)
    assert _taken(bucket, 0.0) == 1
    assert bucket.take(1.0)


@pytest.mark.parametrize("limit", [RateLimit(0, 200), RateLimit(100, 0)])
def test_zero_means_no_limit(limit: RateLimit) -> None:
    assert _taken(TokenBucket(limit, 0.0), 0.0) == 1000
