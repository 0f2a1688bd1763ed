from __future__ import annotations

import asyncio
import threading

from server_stub.ledger.commit_thread import CommitThread


async def test_jobs_run_one_after_the_other_in_another_thread_and_are_reported_in_the_loop() -> None:
    loop = asyncio.get_running_loop()
    thread = CommitThread(loop)
    threads: list[int] = []
    reported: list[tuple[int, Exception | None]] = []
    ended = asyncio.Event()

    def job() -> None:
        threads.append(threading.get_ident())

    def done(problem: Exception | None) -> None:
        reported.append((threading.get_ident(), problem))
        if len(reported) == 3:
            ended.set()

    for _ in range(3):
        thread.run(job, done)
    await asyncio.wait_for(ended.wait(), 10)
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()
    assert reported == [(threading.get_ident(), None)] * 3
    assert thread.stop(10)


async def test_the_exception_of_a_job_is_reported_and_the_next_one_runs() -> None:
    thread = CommitThread(asyncio.get_running_loop())
    problems: asyncio.Queue[Exception | None] = asyncio.Queue()
    thread.run(lambda: (_ for _ in ()).throw(ValueError("no")), problems.put_nowait)
    thread.run(lambda: None, problems.put_nowait)
    first = await asyncio.wait_for(problems.get(), 10)
    assert isinstance(first, ValueError)
    assert await asyncio.wait_for(problems.get(), 10) is None
    assert thread.stop(10)


async def test_stopping_waits_for_a_job_until_its_timeout_at_most() -> None:
    thread = CommitThread(asyncio.get_running_loop())
    gate = threading.Event()
    thread.run(gate.wait, lambda _problem: None)
    assert not thread.stop(0.01)
    gate.set()
    assert thread.stop(10)


def test_a_job_that_ends_after_its_loop_was_closed_does_not_block_the_next() -> None:
    loop = asyncio.new_event_loop()
    thread = CommitThread(loop)
    gate = threading.Event()
    ran: list[str] = []
    thread.run(gate.wait, lambda _problem: None)
    thread.run(lambda: ran.append("next"), lambda _problem: None)
    loop.close()
    gate.set()
    assert thread.stop(10)
    assert ran == ["next"]


async def test_a_hanging_job_does_not_keep_the_process_from_exiting() -> None:
    thread = CommitThread(asyncio.get_running_loop())
    gate = threading.Event()
    running = threading.Event()

    def job() -> None:
        running.set()
        gate.wait()

    thread.run(job, lambda _problem: None)
    assert running.wait(10)
    (commit,) = [each for each in threading.enumerate() if each.name == "commit"]
    assert commit.daemon
    gate.set()
    assert thread.stop(10)
