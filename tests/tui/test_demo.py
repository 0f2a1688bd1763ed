"""The demo's screen: it plays both orders, and a failure in the middle loses nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import RichLog, Static

from socket_bloc import ClientType, OrdersCubit, OrderStatus, SocketConnectState, StatusCode
from tests.tui.diagram import BOTH_ORDERS
from tests.tui.screen import until
from tui.demo import DemoApp, run_demo
from tui.play import Director
from tui.sequence import Arrow, Party, Sequence
from tui.serviceman import ServicemanPanel
from tui.settings import LastTheme
from tui.stage import Stage, set_stage
from tui.widgets.panel import RolePanel
from tui.widgets.sequence_view import SequenceView, lifelines
from tui.widgets.timeline import Timeline


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with set_stage(Sequence()) as stage:
        yield stage


@pytest.fixture
def plays() -> bool:
    """Return whether the app starts playing by itself."""
    return True


@pytest.fixture
async def app(stage: Stage, tmp_path: Path, plays: bool) -> AsyncIterator[DemoApp]:
    async with AsyncExitStack() as stack:
        orders = {
            role: await stack.enter_async_context(OrdersCubit(bloc)) for role, bloc in stage.blocs.items()
        }
        memory = LastTheme(tmp_path)
        yield DemoApp(stage, orders, theme="textual-dark", memory=memory, plays=plays)


class OneSequence(App[None]):
    """An app that shows nothing but a sequence."""

    def __init__(self, sequence: Sequence) -> None:
        super().__init__()
        self._sequence = sequence

    def compose(self) -> ComposeResult:
        yield SequenceView(self._sequence)


def seen(sequence: Sequence, *wanted: tuple[str, str, str | None, str]) -> Callable[[], bool]:
    """Return whether these arrows have been recorded, in this order."""

    def all_seen() -> bool:
        arrows = iter([described(arrow) for arrow in sequence.arrows])
        return all(arrow in arrows for arrow in wanted)

    return all_seen


def described(arrow: Arrow) -> tuple[str, str, str | None, str]:
    status = f"{arrow.status.name} {arrow.status:d}" if arrow.status else None
    return arrow.source.value, arrow.target.value, status, arrow.text


def controls(pilot: Pilot[None]) -> str:
    return str(pilot.app.query_one("#controls", Static).content)


async def test_both_orders_play_by_themselves(app: DemoApp, stage: Stage) -> None:
    async with app.run_test(size=(150, 45)) as pilot:
        await pilot.press("plus", "plus", "plus")
        assert "0.1 s a step" in controls(pilot)
        await until(pilot, seen(stage.sequence, *BOTH_ORDERS[2:-2]))
        await pilot.press("space")
        assert "paused" in controls(pilot)
        lines = "\n".join(strip.text for strip in app.query_one(RichLog).lines)
        assert "PAYMENT_VERIFICATION 1011" in lines
        assert "├────▶│" in lines


@pytest.mark.parametrize("plays", [False])
async def test_each_press_of_the_step_key_sends_one_status(app: DemoApp, stage: Stage) -> None:
    async with app.run_test(size=(150, 45)) as pilot:
        assert "paused" in controls(pilot)
        await until(pilot, lambda: all(bloc.is_connected for bloc in stage.blocs.values()))
        for status in (StatusCode.PLACED, StatusCode.ACCEPTED):
            await pilot.press(".")
            receiver = Party.SERVICEMAN if status is StatusCode.PLACED else Party.CLIENT
            await until(
                pilot,
                lambda key=(Party.KTOR_SERVER, receiver, status): any(
                    arrow.key == key for arrow in stage.sequence.arrows
                ),
            )
        assert {arrow.status for arrow in stage.sequence.arrows} == {
            None,
            StatusCode.PLACED,
            StatusCode.ACCEPTED,
        }


@pytest.mark.parametrize("plays", [False])
async def test_a_step_with_a_pulled_cable_is_queued_until_it_is_plugged_in(
    app: DemoApp, stage: Stage
) -> None:
    async with app.run_test(size=(150, 45), notifications=True) as pilot:
        client = stage.blocs[ClientType.CLIENT]
        await until(pilot, lambda: client.is_connected)
        await pilot.press("k")
        assert "client cable PULLED" in controls(pilot)
        await until(pilot, lambda: not client.is_connected)
        await pilot.press(".", ".")
        await until(pilot, lambda: any("still pending" in toast.message for toast in app._notifications))
        assert not seen(stage.sequence, BOTH_ORDERS[2])()
        await pilot.press("k")
        await until(pilot, seen(stage.sequence, *BOTH_ORDERS[2:5]))


async def test_the_play_goes_on_when_a_killed_relay_is_restarted(app: DemoApp, stage: Stage) -> None:
    async with app.run_test(size=(150, 45)) as pilot:
        await pilot.press("plus", "plus", "plus")
        await until(pilot, seen(stage.sequence, *BOTH_ORDERS[2:8]))
        await pilot.press("t")
        assert "relay KILLED" in controls(pilot)
        for disconnect in BOTH_ORDERS[-2:]:  # who is cut off first is anybody's guess
            await until(pilot, seen(stage.sequence, disconnect))
        await pilot.press("t")
        await until(pilot, seen(stage.sequence, *BOTH_ORDERS[2:26]))
        numbers = [arrow.number for arrow in stage.sequence.arrows]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_no_step_is_played_in_a_panel_that_is_being_removed(
    app: DemoApp, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[OrderStatus] = []
    async with app.run_test(size=(150, 45)) as pilot:
        await pilot.press("space")  # the steps are those of the key alone
        await until(pilot, lambda: all(orders.state.epoch for orders in app._orders.values()))
        panel = app.query_one(ServicemanPanel)
        monkeypatch.setattr(RolePanel, "send", lambda _panel, status: sent.append(status))
        await panel.query_one(Timeline).remove()
        stage.blocs[ClientType.SERVICEMAN].emit(SocketConnectState(resumed=False, epoch="another"))
        await until(pilot, lambda: panel._open._all.epoch == "another")
        await pilot.press("full_stop")
        assert sent == []


async def test_the_speed_and_the_pause_have_keys(app: DemoApp) -> None:
    async with app.run_test(size=(150, 45)) as pilot:
        assert controls(pilot).startswith("▶ playing, 1.5 s a step")
        await pilot.press("minus", "minus", "minus")
        assert controls(pilot).startswith("▶ playing, 3 s a step")
        await pilot.press("space")
        assert controls(pilot).startswith("‖ paused, 3 s a step")
        await pilot.press("plus")
        assert controls(pilot).startswith("‖ paused, 1.5 s a step")
        await pilot.press("space")
        assert controls(pilot).startswith("▶ playing, 1.5 s a step")


def test_the_demo_starts_a_relay_and_both_sides_and_returns_the_apps_exit_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run_headless(app: DemoApp) -> None:
        async with app.run_test(size=(150, 45)) as pilot:
            await until(pilot, lambda: all(bloc.is_connected for bloc in app._stage.blocs.values()))
            app.exit(return_code=3)

    monkeypatch.setattr(DemoApp, "run_async", run_headless)
    sequence = Sequence()
    assert run_demo(sequence, "nord") == 3
    assert {arrow.source for arrow in sequence.arrows[:2]} == {Party.CLIENT, Party.SERVICEMAN}


@pytest.mark.parametrize("plays", [False])
async def test_no_step_is_played_while_the_app_shuts_down(
    app: DemoApp, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with app.run_test(size=(150, 45)) as pilot:
        await until(pilot, lambda: all(bloc.is_connected for bloc in stage.blocs.values()))
        with monkeypatch.context() as shutdown:
            shutdown.setattr(app, "_running", False)  # what Textual does before it removes the widgets
            assert not app._step()
        assert app._step()


@pytest.mark.parametrize("size", [(150, 45), (80, 24), (50, 24)])
async def test_everything_is_on_the_screen_at_any_size(app: DemoApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for kind in ("ClientPanel", "SequenceView", "ServicemanPanel"):
            assert app.query_one(kind).size.width > 30
            assert app.query_one(kind).size.height > 5


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        (76, ["   1 ├────▶│     │     │  PLACED 1001  places the order  11.0 ms"]),
        (46, ["   1 ├────▶│     │     │  11.0 ms", "     PLACED 1001  places the order"]),
    ],
)
async def test_the_text_of_an_arrow_is_next_to_it_if_there_is_room(columns: int, lines: list[str]) -> None:
    times = iter((0.0, 0.011))
    sequence = Sequence(clock=lambda: next(times))
    app = OneSequence(sequence)
    async with app.run_test(size=(columns, 24)) as pilot:
        sequence.record(Party.CLIENT, Party.KTOR_SERVER, StatusCode.PLACED)
        log = app.query_one(RichLog)
        await until(pilot, lambda: [strip.text.rstrip() for strip in log.lines] == lines)


@pytest.mark.parametrize(
    ("source", "target", "picture"),
    [
        (Party.CLIENT, Party.KTOR_SERVER, "├────▶│     │     │"),
        (Party.KTOR_SERVER, Party.DATABASE, "│     ├────▶│     │"),
        (Party.KTOR_SERVER, Party.SERVICEMAN, "│     ├─────┼────▶│"),
        (Party.SERVICEMAN, Party.KTOR_SERVER, "│     │◀────┼─────┤"),
        (Party.KTOR_SERVER, Party.CLIENT, "│◀────┤     │     │"),
    ],
)
def test_an_arrow_is_drawn_between_its_lifelines(source: Party, target: Party, picture: str) -> None:
    assert lifelines(source, target) == picture


async def test_the_director_waits_until_both_parties_have_seen_the_previous_step(stage: Stage) -> None:
    director = Director("s-4", new_id=iter(["o-1", "o-2"]).__next__)
    client = OrdersCubit(stage.blocs[ClientType.CLIENT])
    serviceman = OrdersCubit(stage.blocs[ClientType.SERVICEMAN])
    step = director.next_step(client.state, serviceman.state)
    assert step is not None
    assert step.status is StatusCode.PLACED
    client.send(step.order_status)
    assert director.next_step(client.state, serviceman.state) is None
