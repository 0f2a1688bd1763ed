"""Blocs and cubits that store their state, in a storage in memory that can fail."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from socket_bloc.bloc import (
    BlocError,
    Cubit,
    HydratedBloc,
    HydratedCubit,
    HydratedMixin,
    ReplayCubit,
    Storage,
)
from tests.socket_bloc.bloc.blocs import DONE, Recorder, listen


class MemoryStorage:
    """Records each call; a test sets `failure` to make all of them raise it."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.calls: list[tuple[str, ...]] = []
        self.failure: Exception | None = None

    def read(self, key: str) -> str | None:
        self._called("read", key)
        return self.texts.get(key)

    def write(self, key: str, text: str) -> None:
        self._called("write", key, text)
        self.texts[key] = text

    def delete(self, key: str) -> None:
        self._called("delete", key)
        self.texts.pop(key, None)

    def _called(self, *call: str) -> None:
        self.calls.append(call)
        if self.failure:
            raise self.failure


class CounterCubit(HydratedCubit[int]):
    def __init__(self, initial: int = 0, *, id: str = "", storage: Storage | None = None) -> None:
        self.errors: list[Exception] = []
        super().__init__(initial, id=id, storage=storage)

    def to_json(self, state: int) -> str | None:
        return str(state)

    def from_json(self, text: str) -> int:
        return int(text)

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)


@dataclass(frozen=True)
class Add:
    number: int


class SumBloc(HydratedBloc[Add, int]):
    def __init__(self) -> None:
        super().__init__(0)
        self.on(Add, lambda event, emit: emit(self.state + event.number))

    def to_json(self, state: int) -> str:
        return str(state)

    def from_json(self, text: str) -> int:
        return int(text)


@pytest.fixture(autouse=True)
def storage() -> Iterator[MemoryStorage]:
    """The storage of all hydrated blocs of this test."""
    HydratedBloc.storage = storage = MemoryStorage()
    yield storage
    HydratedBloc.storage = None


def test_a_cubit_starts_with_the_stored_state(storage: MemoryStorage) -> None:
    storage.texts["CounterCubit"] = "41"
    cubit = CounterCubit()
    heard = listen(cubit)
    cubit.emit(cubit.state + 1)
    assert heard == [42]
    assert CounterCubit().state == 42


async def test_a_bloc_starts_with_the_stored_state(storage: MemoryStorage) -> None:
    storage.texts["SumBloc"] = "41"
    async with SumBloc() as bloc:
        bloc.add(Add(1))
        await bloc.wait_until_idle()
    assert SumBloc().state == 42


def test_without_a_stored_state_it_starts_with_the_initial_one() -> None:
    assert CounterCubit(7).state == 7


def test_the_storage_is_read_once_at_construction_and_written_at_each_change(storage: MemoryStorage) -> None:
    cubit = CounterCubit()
    cubit.emit(1)
    cubit.emit(2)
    assert storage.calls == [
        ("read", "CounterCubit"),
        ("write", "CounterCubit", "1"),
        ("write", "CounterCubit", "2"),
    ]


def test_a_state_that_equals_the_current_one_is_not_written(storage: MemoryStorage) -> None:
    storage.texts["CounterCubit"] = "1"
    cubit = CounterCubit()
    heard = listen(cubit)
    cubit.emit(1)
    cubit.emit(1)
    assert heard == [1]  # the first one goes out, as in any bloc
    assert storage.calls == [("read", "CounterCubit")]


def test_a_first_state_that_equals_the_initial_one_is_written(storage: MemoryStorage) -> None:
    CounterCubit(1).emit(1)
    assert storage.texts == {"CounterCubit": "1"}


def test_a_state_is_stored_before_a_listener_is_called(storage: MemoryStorage) -> None:
    stored: list[str] = []
    cubit = CounterCubit()
    cubit.stream.subscribe(lambda _: stored.append(storage.texts["CounterCubit"]))
    cubit.emit(1)
    assert stored == ["1"]


def test_states_are_stored_in_their_order_also_when_a_listener_emits(storage: MemoryStorage) -> None:
    cubit = CounterCubit()
    cubit.stream.subscribe(lambda state: cubit.emit(2) if state == 1 else None)
    cubit.emit(1)
    assert storage.texts == {"CounterCubit": "2"}


def test_a_rejected_state_is_not_stored(storage: MemoryStorage) -> None:
    class Rejecting(CounterCubit):
        def on_change(self, change: Any) -> None:
            raise ValueError("rejected")

    with pytest.raises(ValueError, match="rejected"):
        Rejecting().emit(1)
    assert storage.texts == {}


def test_a_state_without_a_text_leaves_the_stored_one(storage: MemoryStorage) -> None:
    class Positive(CounterCubit):
        def to_json(self, state: int) -> str | None:
            return str(state) if state > 0 else None

    cubit = Positive()
    cubit.emit(1)
    cubit.emit(-1)
    assert storage.texts == {"Positive": "1"}


def test_a_change_that_leaves_the_text_as_it_was_is_not_written(storage: MemoryStorage) -> None:
    class Rounded(CounterCubit):
        def to_json(self, state: int) -> str:
            return str(state // 10)

    cubit = Rounded()
    cubit.emit(10)
    cubit.emit(11)
    assert storage.calls == [("read", "Rounded"), ("write", "Rounded", "1")]


def test_two_blocs_of_a_class_have_two_keys(storage: MemoryStorage) -> None:
    CounterCubit(id="a").emit(1)
    CounterCubit(id="b").emit(2)
    assert storage.texts == {"CounterCubit.a": "1", "CounterCubit.b": "2"}
    assert (CounterCubit(id="a").state, CounterCubit(id="b").state, CounterCubit().state) == (1, 2, 0)


def test_a_prefix_replaces_the_name_of_the_class() -> None:
    class Renamed(CounterCubit):
        storage_prefix = "counter"

    assert Renamed().storage_key == "counter"
    assert Renamed(id="a").storage_key == "counter.a"


def test_a_bloc_may_have_a_storage_of_its_own(storage: MemoryStorage) -> None:
    own = MemoryStorage(CounterCubit="3")
    cubit = CounterCubit(storage=own)
    assert cubit.state == 3
    cubit.emit(4)
    cubit.clear()
    assert own.calls == [
        ("read", "CounterCubit"),
        ("write", "CounterCubit", "4"),
        ("delete", "CounterCubit"),
    ]
    assert storage.calls == []


def test_a_storage_that_is_empty_is_still_a_storage() -> None:
    class Texts(MemoryStorage):
        def __len__(self) -> int:
            return len(self.texts)

    own = Texts()
    CounterCubit(storage=own).emit(1)
    assert own.texts == {"CounterCubit": "1"}


def test_without_any_storage_the_error_says_what_to_set() -> None:
    HydratedBloc.storage = None
    with pytest.raises(BlocError, match=r"CounterCubit has no storage; set HydratedBloc\.storage"):
        CounterCubit()


@pytest.mark.parametrize("text", ["", "rubbish", '{"state":'])
def test_a_state_that_cannot_be_read_is_reported_and_the_initial_one_taken(
    storage: MemoryStorage, recorder: Recorder, text: str
) -> None:
    storage.texts["CounterCubit"] = text
    cubit = CounterCubit(7)
    assert cubit.state == 7
    (error,) = cubit.errors
    assert isinstance(error, ValueError)
    assert recorder.of("on_error") == [(cubit, error)]
    assert storage.texts == {"CounterCubit": text}  # until the next change
    cubit.emit(8)
    assert storage.texts == {"CounterCubit": "8"}


def test_a_storage_that_cannot_be_read_is_reported_and_the_initial_state_taken(
    storage: MemoryStorage,
) -> None:
    storage.failure = failure = OSError("the disk is gone")
    cubit = CounterCubit(7)
    assert (cubit.state, cubit.errors) == (7, [failure])


def test_a_state_that_cannot_be_written_is_reported_and_emitted(
    storage: MemoryStorage, recorder: Recorder
) -> None:
    cubit = CounterCubit()
    heard = listen(cubit)
    storage.failure = failure = OSError("the disk is full")
    cubit.emit(1)
    storage.failure = None
    cubit.emit(2)
    assert heard == [1, 2]
    assert cubit.errors == [failure]
    assert recorder.of("on_error") == [(cubit, failure)]
    assert storage.texts == {"CounterCubit": "2"}


def test_after_a_failed_write_the_former_state_is_written_again(storage: MemoryStorage) -> None:
    cubit = CounterCubit()
    cubit.emit(1)
    storage.failure = OSError("it is unknown whether 2 was stored")
    cubit.emit(2)
    storage.failure = None
    cubit.emit(1)
    assert storage.calls[-1] == ("write", "CounterCubit", "1")


def test_a_state_that_has_no_json_is_reported_and_emitted(storage: MemoryStorage) -> None:
    class Unwritable(CounterCubit):
        def to_json(self, state: int) -> str:
            raise TypeError("int is not serializable")

    cubit = Unwritable()
    cubit.emit(1)
    assert cubit.state == 1
    assert [type(error) for error in cubit.errors] == [TypeError]
    assert storage.texts == {}


def test_a_state_emitted_by_on_error_follows_the_one_that_could_not_be_written(
    storage: MemoryStorage,
) -> None:
    class Marking(CounterCubit):
        def on_error(self, error: Exception) -> None:
            storage.failure = None
            self.emit(-1)

    cubit = Marking()
    heard = listen(cubit)
    storage.failure = OSError("the disk is full")
    cubit.emit(1)
    assert heard == [1, -1]
    assert (cubit.state, storage.texts) == (-1, {"Marking": "-1"})


def test_clear_deletes_the_stored_state_until_the_next_change(storage: MemoryStorage) -> None:
    cubit = CounterCubit()
    cubit.emit(1)
    cubit.clear()
    assert (cubit.state, storage.texts) == (1, {})
    assert CounterCubit(7).state == 7
    cubit.emit(2)
    assert storage.texts == {"CounterCubit": "2"}


def test_after_a_clear_the_same_text_is_written_again(storage: MemoryStorage) -> None:
    storage.texts["CounterCubit"] = "1"
    cubit = CounterCubit()
    cubit.clear()
    cubit.emit(1)  # goes out, since it is the first one
    assert storage.texts == {"CounterCubit": "1"}


def test_clear_raises_what_the_storage_raises(storage: MemoryStorage) -> None:
    cubit = CounterCubit()
    storage.failure = OSError("the disk is gone")
    with pytest.raises(OSError, match="the disk is gone"):
        cubit.clear()


async def test_a_closed_bloc_stores_nothing_more_and_can_be_collected(storage: MemoryStorage) -> None:
    bloc = SumBloc()
    heard = listen(bloc)
    bloc.add(Add(1))
    await bloc.close()
    assert heard == [1, DONE]
    assert storage.texts == {"SumBloc": "1"}
    gone = weakref.ref(bloc)
    del bloc
    gc.collect()
    assert gone() is None


class HistoryFirst(ReplayCubit[str], HydratedMixin[str]):
    def __init__(self) -> None:
        super().__init__("", limit=10)
        self.hydrate()

    def to_json(self, state: str) -> str:
        return state

    def from_json(self, text: str) -> str:
        return text


class HistoryLast(HydratedMixin[str], ReplayCubit[str]):
    def __init__(self) -> None:
        super().__init__("", limit=10)
        self.hydrate()

    def to_json(self, state: str) -> str:
        return state

    def from_json(self, text: str) -> str:
        return text


@pytest.mark.parametrize("kind", [HistoryFirst, HistoryLast])
def test_the_mixin_stores_what_undo_returns_to_wherever_it_stands_among_the_bases(
    storage: MemoryStorage, kind: type[HistoryFirst | HistoryLast]
) -> None:
    cubit = kind()
    cubit.emit("a")
    cubit.emit("ab")
    cubit.undo()
    assert storage.texts == {kind.__name__: "a"}
    assert kind().state == "a"


class Draft(BaseModel, frozen=True):
    receiver: str = ""
    lines: tuple[str, ...] = ()


class DraftCubit(HydratedCubit[Draft]):
    def to_json(self, state: Draft) -> str:
        return state.model_dump_json()

    def from_json(self, text: str) -> Draft:
        return Draft.model_validate_json(text)


def test_the_state_may_be_a_pydantic_model(recorder: Recorder, storage: MemoryStorage) -> None:
    draft = Draft(receiver="s-4", lines=("two chairs",))
    DraftCubit(Draft()).emit(draft)
    assert DraftCubit(Draft()).state == draft
    storage.texts["DraftCubit"] = '{"receiver": 4}'
    assert DraftCubit(Draft()).state == Draft()
    assert len(recorder.of("on_error")) == 1


def test_a_class_must_say_how_its_state_is_stored() -> None:
    class Forgetful(HydratedCubit[int]): ...

    with pytest.raises(TypeError, match=r"from_json.*to_json"):
        Forgetful(0)


def test_a_bloc_that_is_not_hydrated_has_no_listener_of_its_own() -> None:
    assert not Cubit(0)._states._observers
