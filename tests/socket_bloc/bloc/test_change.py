"""`Change` and `Transition`: values that name the states and the event."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from socket_bloc.bloc import Change, Transition


def transition(**changed: Any) -> Transition[Any, Any]:
    return Transition(**{"current_state": 0, "event": "inc", "next_state": 1, **changed})


def test_changes_are_equal_when_both_states_are() -> None:
    # Dart: transition_test.dart
    assert Change(current_state=0, next_state=1) == Change(current_state=0, next_state=1)
    assert hash(Change(current_state=0, next_state=1)) == hash(Change(current_state=0, next_state=1))
    assert Change(current_state=0, next_state=1) != Change(current_state=0, next_state=2)
    assert Change(current_state=1, next_state=1) != Change(current_state=0, next_state=1)


def test_transitions_are_equal_when_the_states_and_the_event_are() -> None:
    # Dart: transition_test.dart
    assert transition() == transition()
    assert hash(transition()) == hash(transition())
    for other in ({"current_state": 2}, {"event": "dec"}, {"next_state": 2}):
        assert transition() != transition(**other)


def test_a_transition_does_not_equal_a_change() -> None:
    # Dart: transition_test.dart
    assert transition() != Change(current_state=0, next_state=1)


def test_both_show_their_values() -> None:
    # Dart: transition_test.dart
    assert str(Change(current_state=0, next_state=1)) == "Change(current_state=0, next_state=1)"
    assert str(transition()) == "Transition(current_state=0, event='inc', next_state=1)"


def test_none_is_a_state_and_an_event_like_any_other() -> None:
    # Dart: transition_test.dart
    nothing = transition(current_state=None, event=None, next_state=None)
    assert (nothing.current_state, nothing.event, nothing.next_state) == (None, None, None)
    assert Change(current_state=None, next_state=None) == Change(current_state=None, next_state=None)


@pytest.mark.parametrize("value", [Change(current_state=0, next_state=1), transition()])
def test_both_are_frozen_and_take_keywords_only(value: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        value.next_state = 5
    with pytest.raises(TypeError):
        type(value)(0, 1, 2)
