from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from ssl import SSLCertVerificationError, SSLContext
from urllib.request import urlopen

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from tests.certificates import issue, trusting
from tests.server_stub.handshake.signing import SECRET, token
from tests.server_stub.support import CLIENT, SERVICEMAN, Peer, handshake_request, send_frame

_MODULE = ("-m", "server_stub")
_MAIN = "import sys; from server_stub.__main__ import main; sys.exit(main(sys.argv[1:]))"
_WITHOUT_CYCLOPTS = ("-c", f"import sys; sys.modules['cyclopts'] = None; {_MAIN}")
_WITHOUT_UVLOOP = ("-c", f"import sys; sys.modules['uvloop'] = None; {_MAIN}")
_OF_64_FILES = ("-c", f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); {_MAIN}")


async def _start(*arguments: str, command: tuple[str, ...] = _MODULE, **environ: str) -> Process:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")} | environ
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, *arguments, stdout=PIPE, stderr=PIPE, env=environ
    )


async def _run(*arguments: str, command: tuple[str, ...] = _MODULE, **environ: str) -> tuple[int, str, str]:
    """The exit status, standard output and standard error of a relay that does not start."""
    process = await _start(*arguments, command=command, **environ)
    output, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


def _overwrite(file: str, text: str) -> None:
    Path(file).write_text(text)


class Running:
    """A listening relay process."""

    def __init__(self, process: Process, uri: str) -> None:
        self.process = process
        self.uri = uri

    @asynccontextmanager
    async def joined(
        self,
        user_id: str = "c-1",
        query: str = "",
        *,
        bearer: str | None = None,
        tls: SSLContext | None = None,
    ) -> AsyncIterator[Peer]:
        role = CLIENT.role if user_id.startswith("c") else SERVICEMAN.role
        uri = f"{self.uri}?userId={user_id}&type={role}{query}"
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        async with connect(uri, additional_headers=headers, proxy=None, ssl=tls) as connection:
            peer = Peer(connection)
            peer.welcome = await peer.receive()
            yield peer

    @asynccontextmanager
    async def joined_at_last(self, user_id: str, query: str) -> AsyncIterator[Peer]:
        """The same, retried until the relay accepts it."""
        async with asyncio.timeout(10), AsyncExitStack() as stack:
            peer = None
            while peer is None:
                with suppress(InvalidMessage, ConnectionError):
                    peer = await stack.enter_async_context(self.joined(user_id, query))
            yield peer

    async def log_line(self, part: str) -> str:
        """Read the log until a line of it contains `part`, and return that line."""
        assert self.process.stderr
        async with asyncio.timeout(30):
            while part not in (line := (await self.process.stderr.readline()).decode()):
                assert line, f"the log ended without {part!r}"
            return line

    async def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal; return the exit status, and the rest of standard output and standard error."""
        self.process.send_signal(number)
        output, errors = await asyncio.wait_for(self.process.communicate(), 30)
        assert self.process.returncode is not None
        return self.process.returncode, output.decode(), errors.decode()


@asynccontextmanager
async def _running(
    *arguments: str, command: tuple[str, ...] = _MODULE, **environ: str
) -> AsyncIterator[Running]:
    process = await _start("--port", "0", *arguments, command=command, **environ)
    try:
        assert process.stdout
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        assert line.startswith(("listening on ws://127.0.0.1:", "listening on wss://127.0.0.1:"))
        assert line.endswith("/order\n")
        yield Running(process, line.split()[-1])
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"--database=sqlite:///{tmp_path}/orders.db"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", [_MODULE, _WITHOUT_UVLOOP], ids=["uvloop", "asyncio"])
async def test_the_process_says_where_it_listens_and_exits_cleanly(
    database: str, number: signal.Signals, command: tuple[str, ...]
) -> None:
    async with _running(database, command=command) as relay, relay.joined() as client:
        await client.send("m-1")
        assert (await client.receive())["type"] == "status"
        status, output, errors = await relay.end(number)
        assert (status, output) == (0, "")
        assert "Traceback" not in errors
        assert "INFO shutting down" in errors
        await client.connection.wait_closed()
        assert client.connection.close_code == 1001


@pytest.mark.parametrize("command", [_MODULE, _WITHOUT_UVLOOP], ids=["uvloop", "asyncio"])
async def test_a_hang_up_reloads_the_certificate_and_ends_no_connection(
    database: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    files = issue(tmp_path)
    async with _running(database, *files.options, command=command) as relay:
        assert relay.uri.startswith("wss://")
        async with relay.joined(tls=trusting()) as client:
            other = trustme.CA()
            issue(tmp_path, authority=other)
            relay.process.send_signal(signal.SIGHUP)
            await relay.log_line("INFO reloaded the certificate")
            with pytest.raises(SSLCertVerificationError):
                await relay.joined("s-1", tls=trusting()).__aenter__()
            async with relay.joined("s-1", tls=trusting(other)) as serviceman:
                await client.send("m-1")
                assert (await serviceman.receive())["type"] == "status"
            _overwrite(files.key, "no key")
            relay.process.send_signal(signal.SIGHUP)
            line = await relay.log_line("ERROR")
            assert "the old certificate and keys stay in use" in line
            assert files.key in line
            async with relay.joined("s-1", tls=trusting(other)):
                pass
        status, _output, errors = await relay.end(signal.SIGTERM)
        assert status == 0
        assert "Traceback" not in errors


async def test_a_hang_up_without_a_certificate_is_survived_and_logged(database: str) -> None:
    async with _running(database) as relay, relay.joined() as client:
        relay.process.send_signal(signal.SIGHUP)
        await relay.log_line("INFO nothing to reload")
        await client.send("m-1")
        assert (await client.receive())["type"] == "status"


async def test_a_client_that_reads_nothing_does_not_keep_it_from_exiting(database: str) -> None:
    async with _running(database, "--rate-limit", "0") as relay:
        host, port = relay.uri.removeprefix("ws://").partition("/")[0].split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(handshake_request("/order?userId=c-1&type=client"))
        await reader.readuntil(b"\r\n\r\n")
        async with relay.joined() as other:
            for number in range(600):  # far more than the buffers in between hold
                await other.send(f"m-{number}", order_id=f"o-{number}", message="x" * 4000)
                await other.receive()
            began = asyncio.get_running_loop().time()
            status, _output, errors = await relay.end(signal.SIGTERM)
            assert asyncio.get_running_loop().time() - began < 10
        assert status == 0
        assert "Traceback" not in errors
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_what_was_acknowledged_survives_a_kill(database: str) -> None:
    acknowledged: list[str] = []
    async with _running(database) as relay, relay.joined() as client:

        async def talk() -> None:
            for number in range(10_000):
                await client.connection.send(send_frame(f"m-{number}", order_id=f"o-{number}"))
                acknowledged.append((await client.receive())["messageId"])

        talking = asyncio.create_task(talk())
        while len(acknowledged) < 50:
            await asyncio.wait([talking], timeout=0.01)
        status, _output, _errors = await relay.end(signal.SIGKILL)
        assert status == -signal.SIGKILL
        with pytest.raises(Exception, match="no close frame"):
            await talking
    async with _running(database) as again, again.joined(query="&since=0") as client:
        head = client.welcome["head"]
        found = [frame["messageId"] for frame in await client.statuses(head)]
        assert found == [f"m-{number}" for number in range(head)]
        assert found[: len(acknowledged)] == acknowledged
        assert head - len(acknowledged) in (0, 1)


async def test_without_free_files_open_connections_stay_and_the_log_stays_short(database: str) -> None:
    async with _running(database, command=_OF_64_FILES) as relay, relay.joined() as client:
        host, port = relay.uri.removeprefix("ws://").partition("/")[0].split(":")
        crowd = [await asyncio.open_connection(host, int(port)) for _ in range(200)]
        await client.send("m-1")
        assert (await client.receive())["type"] == "status"
        for _reader, writer in crowd:
            writer.transport.abort()
        async with relay.joined_at_last("s-1", "&since=0") as serviceman:
            assert (await serviceman.receive())["messageId"] == "m-1"
        status, _output, errors = await relay.end(signal.SIGTERM)
        assert status == 0
        assert "Traceback" not in errors
        assert len(errors.splitlines()) < 100


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        (["--port", "70000"], 2, "--port (RELAY_PORT)"),
        (["--nonsense"], 2, "--nonsense"),
        (["--database", "mysql://x"], 2, "--database (RELAY_DATABASE)"),
        (["--host", "0.0.0.0"], 1, "--insecure"),
        (["--tls-cert", "relay.pem"], 2, "--tls-cert and --tls-key must be given together"),
        (["--tls-cert", "/no/cert", "--tls-key", "/no/key"], 1, "--tls-cert (RELAY_TLS_CERT), /no/cert"),
        (["--database", "sqlite:////no/such/directory/orders.db"], 1, "there is no such directory"),
        (["--jwt-secret-file", "/no/such/file"], 1, "--jwt-secret-file (RELAY_JWT_SECRET_FILE)"),
        (["--jwt-public-key-file", "/dev/null"], 1, "not a regular file"),
        (["--jwt-secret", "hunter2"], 2, "--jwt-secret-file"),
    ],
)
async def test_an_invalid_setting_is_rejected_in_one_line(
    arguments: list[str], status: int, named: str
) -> None:
    code, output, errors = await _run("--port", "0", *arguments)
    assert (code, output) == (status, "")
    assert errors.count("\n") == 1
    assert named in errors
    assert "hunter2" not in errors


@pytest.mark.parametrize("secret", ["", "hunter2"])
async def test_a_secret_that_is_too_short_or_empty_is_rejected_and_not_shown(secret: str) -> None:
    code, output, errors = await _run(RELAY_JWT_SECRET=secret)
    assert (code, output, errors.count("\n")) == (1, "", 1)
    assert errors.startswith("the relay cannot start: RELAY_JWT_SECRET: a secret needs at least 32 bytes")
    assert "hunter2" not in errors


def _metrics_and_command_line(relay: Running) -> str:
    with urlopen(relay.uri.replace("ws:", "http:").replace("/order", "/metrics")) as response:
        metrics = response.read().decode()
    return metrics + Path(f"/proc/{relay.process.pid}/cmdline").read_text(encoding="utf-8")


async def test_a_secret_of_the_environment_verifies_tokens_and_is_shown_nowhere(database: str) -> None:
    secret, bearer = SECRET.decode(), token()
    async with _running(database, RELAY_JWT_SECRET=secret) as relay:
        async with relay.joined(bearer=bearer) as client:
            assert client.welcome["userId"] == "c-1"
        with pytest.raises(InvalidStatus, match="401"):
            async with relay.joined():
                pass
        shown = _metrics_and_command_line(relay)
        status, output, errors = await relay.end(signal.SIGTERM)
        assert status == 0
    assert "Traceback" not in errors
    for text in (shown, output, errors):
        assert secret not in text
        assert not any(part in text for part in bearer.split("."))


async def test_a_setting_of_the_environment_is_used(tmp_path: Path) -> None:
    code, _output, errors = await _run(RELAY_PORT="0", RELAY_DATABASE=f"sqlite:///{tmp_path}/no/orders.db")
    assert code == 1
    assert "there is no such directory" in errors


async def test_a_second_relay_on_the_same_file_or_port_is_rejected(database: str, tmp_path: Path) -> None:
    async with _running(database) as relay:
        code, _output, errors = await _run("--port", "0", database)
        assert (code, errors.count("\n")) == (1, 1)
        assert "another relay has the database" in errors
        port = relay.uri.partition("/order")[0].rpartition(":")[2]
        code, _output, errors = await _run("--port", port, f"--database=sqlite:///{tmp_path}/other.db")
        assert (code, errors.count("\n")) == (1, 1)
        assert "Address already in use" in errors
        async with relay.joined() as client:
            assert client.welcome["head"] == 0


async def test_help_goes_to_standard_output() -> None:
    code, output, errors = await _run("--help")
    assert (code, errors) == (0, "")
    assert "--rate-limit" in output


async def test_without_cyclopts_one_line_says_what_to_install() -> None:
    code, output, errors = await _run(command=_WITHOUT_CYCLOPTS)
    assert (code, output) == (2, "")
    assert errors == "the relay's command line needs cyclopts: pip install 'socket-bloc[server]'\n"


@pytest.mark.parametrize("option", ["--help", "--version"])
async def test_help_and_version_are_printed_and_no_relay_is_started(option: str) -> None:
    code, output, errors = await _run(option)
    assert (code, errors) == (0, "")
    assert output


async def test_a_relay_with_closed_standard_streams_writes_its_log_into_no_other_file(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = f'exec "$0" -m server_stub --port {port} --database "sqlite:///$1" <&- >&- 2>&-'
    database = tmp_path / "orders.db"
    relay = await asyncio.create_subprocess_exec("sh", "-c", command, sys.executable, str(database))
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except ConnectionRefusedError:
                    assert relay.returncode is None
                    await asyncio.sleep(0.05)  # there is nothing else to be seen of it
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: relay\r\n\r\n")
            assert (await reader.read()).endswith(b"ok\n")
            writer.close()
            await writer.wait_closed()
    finally:
        relay.terminate()
    assert await asyncio.wait_for(relay.wait(), 30) == 0
    assert database.read_bytes().startswith(b"SQLite format 3")


async def test_a_relay_that_cannot_say_that_it_is_ready_ends_with_one_line(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    arguments = ("--port", "0", "--database", f"sqlite:///{tmp_path}/orders.db")
    relay = await asyncio.create_subprocess_exec(
        sys.executable, *_MODULE, *arguments, stdout=writing, stderr=PIPE
    )
    os.close(writing)
    _, errors = await asyncio.wait_for(relay.communicate(), 30)
    assert relay.returncode == 1
    assert errors.decode().splitlines()[-1] == (
        "the relay cannot start: cannot write to standard output: Broken pipe"
    )
    assert "Traceback" not in errors.decode()
