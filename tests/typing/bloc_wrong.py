"""What a user gets wrong: on each line with `# expect: RULE`, pyright in strict mode finds just that."""

from __future__ import annotations

from dataclasses import dataclass

import reactivex.operators as ops
from reactivex import Observable

from socket_bloc.bloc import (
    Bloc,
    BlocObserver,
    Change,
    Cubit,
    Emitter,
    EventMapper,
    HydratedBloc,
    HydratedCubit,
    Transition,
    debounce,
    sequential,
)
from socket_bloc.bloc.testing import bloc_test


@dataclass(frozen=True)
class CounterEvent: ...


@dataclass(frozen=True)
class Increment(CounterEvent):
    by: int = 1


@dataclass(frozen=True)
class Decrement(CounterEvent): ...


Step = Transition[CounterEvent, str]


def only_decrements(events: Observable[Decrement], mapper: EventMapper[Decrement]) -> Observable[Decrement]:
    return events.pipe(ops.flat_map(mapper))


def forgets_the_mapper(events: Observable[Increment]) -> Observable[Increment]:
    return events


class CounterBloc(Bloc[CounterEvent, int]):
    def __init__(self) -> None:
        super().__init__("zero")  # expect: reportArgumentType
        self.on(Increment, self._right)
        self.on(Increment, self._right, sequential())  # expect: reportCallIssue
        self.on(Increment, self._of_another_event)  # expect: reportArgumentType
        self.on(Increment, self._of_another_state)  # expect: reportArgumentType
        self.on(Increment, self._without_an_emitter)  # expect: reportArgumentType
        self.on(Increment, self._that_gives_a_state)  # expect: reportArgumentType
        self.on(Increment, lambda event, emit: emit("one"))  # expect: reportArgumentType
        self.on(Increment, lambda event, emit: emit(event.text))  # expect: reportAttributeAccessIssue
        self.on(Increment, self._right, transformer=sequential)  # expect: reportArgumentType
        self.on(Increment, self._right, transformer=only_decrements)  # expect: reportArgumentType
        self.on(Increment, self._right, transformer=forgets_the_mapper)  # expect: reportArgumentType
        self.on(Increment, self._right, transformer=debounce("long"))  # expect: reportArgumentType
        self.on(Increment(), self._right)  # expect: reportArgumentType

    def _right(self, event: Increment, emit: Emitter[int]) -> None:
        emit(self.state + event.by)
        emit("one")  # expect: reportArgumentType
        self.emit("one")  # expect: reportArgumentType

    def _of_another_event(self, event: Decrement, emit: Emitter[int]) -> None: ...

    def _of_another_state(self, event: Increment, emit: Emitter[str]) -> None: ...

    def _without_an_emitter(self, event: Increment) -> None: ...

    def _that_gives_a_state(self, event: Increment, emit: Emitter[int]) -> int:
        return event.by

    async def _listen(self, event: Increment, emit: Emitter[int], source: Observable[str]) -> None:
        await emit.for_each(source, on_data=lambda text: text)  # expect: reportArgumentType
        await emit.for_each(source, on_data=len, on_error=str)  # expect: reportArgumentType
        await emit.on_each(source, on_data=self._slowly)  # expect: reportArgumentType
        await emit.for_each([1, 2], on_data=lambda number: number)  # expect: reportArgumentType
        emit.for_each(source, on_data=len).cancel()  # expect: reportAttributeAccessIssue

    async def _slowly(self, text: str) -> None: ...

    def on_transition(self, transition: Step) -> None: ...  # expect: reportIncompatibleMethodOverride


class CounterCubit(Cubit[int]):
    def on_change(self, change: Change[str]) -> None: ...  # expect: reportIncompatibleMethodOverride


class StoredCounterCubit(HydratedCubit[int]):
    def to_json(self, state: int) -> int:  # expect: reportIncompatibleMethodOverride
        return state

    def from_json(self, text: str) -> str:  # expect: reportIncompatibleMethodOverride
        return text


class ForgetfulCubit(HydratedCubit[int]): ...


class Watching(BlocObserver):
    def on_close(self, bloc: int) -> None: ...  # expect: reportIncompatibleMethodOverride


async def use(bloc: CounterBloc) -> None:
    bloc.add("increment")  # expect: reportArgumentType
    bloc.state = 5  # expect: reportAttributeAccessIssue
    bloc.stream.on_next(5)  # expect: reportAttributeAccessIssue
    bloc.stream.subscribe(lambda state: state.upper())  # expect: reportAttributeAccessIssue
    Change(1, 2)  # expect: reportCallIssue
    ForgetfulCubit(0)  # expect: reportAbstractUsage
    StoredCounterCubit("zero")  # expect: reportArgumentType
    HydratedBloc.storage = "states"  # expect: reportAttributeAccessIssue
    Bloc.observer = print  # expect: reportAttributeAccessIssue
    await bloc_test(build=CounterBloc, act=lambda bloc: bloc.add(5))  # expect: reportArgumentType
    await bloc_test(build=5)  # expect: reportArgumentType
