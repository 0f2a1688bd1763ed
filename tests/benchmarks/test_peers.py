"""A round of the comparison counts only if nothing was lost on the way."""

from dataclasses import replace

import pytest

from benchmarks.peers.figures import Round, Written, check, table

SOUND = Round(
    name="relay",
    orders_per_s=100,
    p50_ms=2.0,
    p99_ms=20.0,
    cpu_s_per_1000=0.5,
    server_cores=0.5,
    load_cores=0.1,
    server_mib=50,
    sent=80,
    acknowledged=80,
    relayed=80,
    orders=10,
    is_complete=True,
    problems=0,
    first_problem="",
    written=Written(statuses=80, orders=10),
)


def test_a_sound_round_passes() -> None:
    check(SOUND)


def test_a_server_without_a_database_has_nothing_written_to_check() -> None:
    check(replace(SOUND, written=None))


@pytest.mark.parametrize(
    ("unsound", "message"),
    [
        (replace(SOUND, acknowledged=79), "80 statuses were sent, but 79 acknowledged"),
        (replace(SOUND, relayed=79), "80 statuses were sent, but 79 passed on"),
        (replace(SOUND, written=Written(statuses=79, orders=10)), "79 of 10 are in the database"),
        (replace(SOUND, written=Written(statuses=80, orders=9)), "80 of 9 are in the database"),
        (replace(SOUND, is_complete=False), "did not end"),
        (replace(SOUND, problems=1, first_problem="lost connection at c-1"), "lost connection at c-1"),
    ],
)
def test_a_round_that_lost_something_ends_the_run(unsound: Round, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        check(unsound)


def test_the_table_has_medians_and_ratios_to_the_base() -> None:
    rounds = [replace(SOUND, orders_per_s=speed) for speed in (90, 100, 400)]
    rounds.append(replace(SOUND, name="peer", orders_per_s=50))

    text = table(rounds, {"relay": "ours", "peer": "theirs"}, base="relay", markdown=True)

    assert text.splitlines()[2:] == [
        "| **ours** | 100 | 90 - 400 | 1.00 | 0.500 | 2.00 | 20 | 50 |",
        "| theirs | 50 | 50 - 50 | 0.50 | 0.500 | 2.00 | 20 | 50 |",
    ]
