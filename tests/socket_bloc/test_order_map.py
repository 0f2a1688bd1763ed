"""The persistent map of orders, compared to a plain dict over branching versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socket_bloc import ClientType, Order
from socket_bloc import order_map as order_map_module
from socket_bloc.order_map import OrderMap

IDS = st.sampled_from([f"o-{number}" for number in range(12)])
VERSIONS = st.integers(0, 40)
STEPS = st.lists(st.tuples(VERSIONS, IDS, st.booleans()), max_size=40)


def orders(*ids: str) -> list[Order]:
    return [Order(id) for id in ids]


def many(count: int) -> list[Order]:
    return orders(*(f"o-{number}" for number in range(count)))


def built(listed: list[Order]) -> OrderMap:
    """A map made by adding one order after the other."""
    order_map = OrderMap()
    for order in listed:
        order_map = order_map.with_order(order)
    return order_map


@given(STEPS)
def test_every_version_equals_the_dict_of_its_time(steps: list[tuple[int, str, bool]]) -> None:
    versions: list[tuple[OrderMap, dict[str, Order]]] = [(OrderMap(), {})]
    with pytest.MonkeyPatch.context() as patch:
        # Pages of two, so that a few orders fill books.
        patch.setattr(order_map_module, "_BITS", 1)
        patch.setattr(order_map_module, "_WIDTH", 2)
        patch.setattr(order_map_module, "_MASK", 1)
        for at, id, removes in steps:
            order_map, model = versions[at % len(versions)]
            if not removes:
                order = Order(id, client_id=f"c-{len(versions)}")
                versions.append((order_map.with_order(order), {**model, id: order}))
            elif id in model:
                left = {other: order for other, order in model.items() if other != id}
                versions.append((order_map.without_order(id), left))
        for order_map, model in versions:
            assert [*order_map.items()] == [*model.items()]
            assert [*order_map.values()] == [*model.values()]
            assert [*order_map] == [*model]
            assert len(order_map) == len(model)
            assert {id: order_map.get(id) for id in model} == model
            assert all(id in model or id not in order_map for _, id, _ in steps)
            for earlier, before in versions:
                changed = {id for id in model | before if model.get(id) is not before.get(id)}
                assert changed <= {*order_map.changed_ids(earlier)}


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 4095, 4096, 4097, 9000])
def test_orders_fill_pages_and_books_in_the_order_of_their_arrival(count: int) -> None:
    listed = many(count)
    for order_map in (built(listed), OrderMap(listed)):
        assert [*order_map.values()] == listed
        assert all(order_map[order.order_id] is order for order in listed)


def test_the_changes_between_close_versions_are_exact_however_many_orders_there_are() -> None:
    before = built(many(5000))
    after = before.with_order(Order("o-4711", "c-1")).with_order(Order("new")).without_order("o-17")
    assert after.changed_ids(before) == ("o-17", "o-4711", "new")
    assert before.changed_ids(after) == ("o-17", "o-4711", "new")
    assert after.changed_ids(after) == ()
    assert after.changed_ids(OrderMap()) == (*after,)


def test_a_version_shares_everything_except_the_path_to_the_change() -> None:
    before = built(many(9000))
    after = before.with_order(Order("o-8999", "c-1"))
    differing = [at for at in range(3) if before._books[at] is not after._books[at]]
    assert differing == [2]
    assert sum(page is not other for page, other in zip(before._books[2], after._books[2], strict=True)) == 1


def test_an_order_that_is_removed_and_added_again_comes_last() -> None:
    order_map = OrderMap(orders("o-1", "o-2")).without_order("o-1").with_order(Order("o-1"))
    assert [*order_map] == ["o-2", "o-1"]


def test_added_and_removed_orders_leave_nothing_behind() -> None:
    order_map = OrderMap(orders("o-1"))
    for number in range(1000):
        order_map = order_map.with_order(Order(f"refused-{number}")).without_order(f"refused-{number}")
    assert [*order_map] == ["o-1"]
    assert len(order_map._index) < 100


def test_an_unknown_id_is_a_key_error_that_names_it() -> None:
    with pytest.raises(KeyError, match=r"^'o-2'$"):
        OrderMap(orders("o-1"))["o-2"]


def test_any_mapping_becomes_an_order_map_and_an_order_map_stays_itself() -> None:
    order_map = OrderMap.of({"o-1": Order("o-1")})
    assert order_map == {"o-1": Order("o-1")}
    assert OrderMap.of(order_map) is order_map


def test_its_repr_lists_its_orders() -> None:
    order = Order("o-1", "c-17", role=ClientType.CLIENT)
    assert repr(OrderMap([order])) == f"OrderMap([{order!r}])"
