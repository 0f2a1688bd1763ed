"""What a user writes, who never needs `cast` or `Any`: pyright in strict mode finds nothing here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import assert_type

import reactivex as rx
import reactivex.operators as ops
from reactivex import Observable

from socket_bloc.bloc import (
    Bloc,
    BlocBase,
    BlocObserver,
    Change,
    Cubit,
    Emitter,
    EventMapper,
    FileStorage,
    HydratedBloc,
    HydratedCubit,
    HydratedMixin,
    MultiBlocObserver,
    ReplayCubit,
    Transition,
    debounce,
    restartable,
    sequential,
)
from socket_bloc.bloc.testing import bloc_test


@dataclass(frozen=True)
class SearchEvent: ...


@dataclass(frozen=True)
class TextChanged(SearchEvent):
    text: str


@dataclass(frozen=True)
class Cleared(SearchEvent): ...


@dataclass(frozen=True)
class Found:
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    reason: str


SearchState = Found | Failed


def long_enough(events: Observable[TextChanged], mapper: EventMapper[TextChanged]) -> Observable[TextChanged]:
    return events.pipe(ops.filter(lambda event: len(event.text) > 2), ops.flat_map(mapper))


async def search(text: str) -> AsyncIterator[str]:
    yield text


class SearchBloc(Bloc[SearchEvent, SearchState]):
    def __init__(self) -> None:
        super().__init__(Found())
        self.on(TextChanged, self._search, transformer=debounce(0.3, then=restartable()))
        self.on(Cleared, lambda event, emit: emit(Found()), transformer=sequential())

    async def _search(self, event: TextChanged, emit: Emitter[SearchState]) -> None:
        await emit.for_each(
            search(event.text),
            on_data=lambda text: Found((text,)),
            on_error=lambda error: Failed(str(error)),
        )
        await emit.on_each(rx.of(1, 2), on_data=lambda number: emit(Found((str(number),))))

    def on_transition(self, transition: Transition[SearchEvent, SearchState]) -> None:
        assert_type(transition.event, SearchEvent)
        assert_type(transition.next_state, SearchState)

    def on_done(self, event: SearchEvent, error: Exception | None = None) -> None:
        assert_type(error, Exception | None)


class OtherSearchBloc(Bloc[SearchEvent, SearchState]):
    def __init__(self) -> None:
        super().__init__(Found())
        self.on(TextChanged, self._only_found, transformer=long_enough)
        self.on(Cleared, self._clear)

    def _only_found(self, event: TextChanged, emit: Emitter[Found]) -> None:
        emit(Found((event.text,)))

    def _clear(self, event: SearchEvent, emit: Emitter[SearchState]) -> Awaitable[None]:
        return emit.for_each(rx.of(event), on_data=lambda event: Failed(repr(event)))


class CounterCubit(Cubit[int]):
    def increment(self) -> None:
        self.emit(self.state + 1)

    def on_change(self, change: Change[int]) -> None:
        assert_type(change.next_state, int)


class StoredCounterCubit(HydratedCubit[int]):
    storage_prefix = "counter"

    def __init__(self) -> None:
        super().__init__(0, id="a", storage=FileStorage("states"))
        assert_type(self.storage_key, str)
        assert_type(self.state, int)

    def to_json(self, state: int) -> str:
        return str(state)

    def from_json(self, text: str) -> int:
        return int(text)


class StoredSearchBloc(HydratedBloc[SearchEvent, SearchState]):
    def to_json(self, state: SearchState) -> str | None:
        return None if isinstance(state, Failed) else " ".join(state.results)

    def from_json(self, text: str) -> Found:
        return Found(tuple(text.split()))


class StoredTextCubit(ReplayCubit[str], HydratedMixin[str]):
    def __init__(self) -> None:
        super().__init__("", limit=10)
        self.hydrate()

    def to_json(self, state: str) -> str:
        return state

    def from_json(self, text: str) -> str:
        return text


class Printing(BlocObserver):
    def on_change(self, bloc: BlocBase[object], change: Change[object]) -> None:
        assert_type(bloc.state, object)
        assert_type(change.next_state, object)

    def on_event(self, bloc: Bloc[object, object], event: object) -> None:
        assert_type(bloc.state, object)

    def on_error(self, bloc: BlocBase[object], error: Exception) -> None:
        bloc.add_error(error)


def tell(found: bool) -> None: ...


async def use() -> None:
    Bloc.observer = MultiBlocObserver([Printing(), BlocObserver()])
    Bloc.transformer = sequential()
    HydratedBloc.storage = FileStorage("states")
    StoredTextCubit().clear()
    async with StoredSearchBloc(Found(), id="b") as stored:
        assert_type(stored.state, SearchState)
    async with SearchBloc() as bloc:
        assert_type(bloc, SearchBloc)
        assert_type(bloc.state, SearchState)
        assert_type(bloc.stream, Observable[SearchState])
        bloc.stream.map(lambda state: isinstance(state, Found)).subscribe(tell)
        bloc.add(TextChanged("bloc"))
        await bloc.wait_until_idle()
    await asyncio.gather(bloc.close(), CounterCubit(0).close())
    await bloc_test(
        build=SearchBloc,
        seed=Found(),
        act=lambda bloc: bloc.add(Cleared()),
        expect=[Found()],
        verify=lambda bloc: bloc.wait_until_idle(),
        errors=[ValueError, LookupError("this one")],
    )
    await bloc_test(build=lambda: CounterCubit(1), act=CounterCubit.increment, expect=lambda: [2])
