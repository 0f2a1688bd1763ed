"""A persistent map of orders by their id, oldest first: a change makes a new version.

A new version shares everything with the old one except the path to the difference, so its cost hardly
grows with the number of orders. A single order is in `order`.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from itertools import zip_longest
from typing import Final, TypeVar

from socket_bloc.order import Order

__all__ = ["OrderMap"]

_BITS: Final = 6
_WIDTH: Final = 1 << _BITS
_MASK: Final = _WIDTH - 1

_Item = TypeVar("_Item")
_Page = tuple[Order | None, ...]
_Book = tuple[_Page, ...]


class OrderMap(Mapping[str, Order]):
    """Orders by their id, in the order in which they were added.

    Each order keeps one numbered slot. 64 slots are a page and 64 pages a book, so replacing an order
    copies a page, a book, and the list of books. A removed order leaves its slot empty.

    The slot of an id is looked up in an index that is shared by all versions made from each other. They
    only add to it, so it is a hint: if that slot does not hold the order, this version does not have it.
    """

    __slots__ = ("_books", "_end", "_index", "_length")

    _index: dict[str, int]
    _books: tuple[_Book, ...]
    _end: int
    """The first slot that was never used."""
    _length: int

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        """Create a map of these orders, oldest first; each id once."""
        listed = tuple(orders)
        self._index = {order.order_id: slot for slot, order in enumerate(listed)}
        self._books = _cut(_cut(listed))
        self._end = self._length = len(listed)

    @classmethod
    def of(cls, orders: Mapping[str, Order]) -> OrderMap:
        """Return `orders` as an `OrderMap`: itself, if it is one."""
        return orders if isinstance(orders, OrderMap) else cls(orders.values())

    def with_order(self, order: Order) -> OrderMap:
        """Return these orders with one more, at the end, or with the one of its id replaced in its place."""
        end, length = self._end, self._length
        slot = self._index.setdefault(order.order_id, end)
        if slot < end and self._find(order.order_id) is not None:
            return self._version(slot, order, end, length)
        # Rebuild if the id has another slot: it was removed, or added to another branch of the
        # versions. Rebuild also if most slots are empty, so that they do not accumulate.
        if slot != end or end > 2 * length + _WIDTH:
            return OrderMap((*self.values(), order))
        return self._version(slot, order, end + 1, length + 1)

    def without_order(self, order_id: str) -> OrderMap:
        """Return these orders without the one of this id, which must be among them."""
        return self._version(self._index[order_id], None, self._end, self._length - 1)

    def changed_ids(self, earlier: OrderMap) -> tuple[str, ...]:
        """Return the ids of the orders that were added, replaced or removed since `earlier`, oldest first.

        What two versions share is skipped. If the orders were rebuilt in between, ids of unchanged
        ones may be among them.
        """
        changed: dict[str, None] = {}  # an ordered set
        for book, book_before in _differing(self._books, earlier._books):
            for page, page_before in _differing(book or (), book_before or ()):
                for pair in _differing(page or (), page_before or ()):
                    changed.update((order.order_id, None) for order in pair if order is not None)
        return tuple(changed)

    def oldest_first(self) -> Iterator[Order]:
        """Iterate over the orders."""
        return (order for book in self._books for page in book for order in page if order is not None)

    def __getitem__(self, order_id: str) -> Order:
        order = self._find(order_id)
        if order is None:
            raise KeyError(order_id)
        return order

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        return (order.order_id for order in self.oldest_first())

    def values(self) -> ValuesView[Order]:
        return _Values(self)

    def items(self) -> ItemsView[str, Order]:
        return _Items(self)

    def __repr__(self) -> str:
        return f"OrderMap({list(self.oldest_first())})"

    def _find(self, order_id: str) -> Order | None:
        slot = self._index.get(order_id, self._end)
        if slot >= self._end:
            return None
        order = self._books[slot >> 2 * _BITS][slot >> _BITS & _MASK][slot & _MASK]
        return order if order is not None and order.order_id == order_id else None

    def _version(self, slot: int, order: Order | None, end: int, length: int) -> OrderMap:
        """Return these orders with `order` in the slot."""
        book_at, page_at, order_at = slot >> 2 * _BITS, slot >> _BITS & _MASK, slot & _MASK
        book = self._books[book_at] if book_at < len(self._books) else ()
        page = book[page_at] if page_at < len(book) else ()
        version = OrderMap.__new__(OrderMap)
        version._index = self._index
        version._books = _put(self._books, book_at, _put(book, page_at, _put(page, order_at, order)))
        version._end = end
        version._length = length
        return version


# The views of `Mapping` would look up each order by its id.


class _Values(ValuesView[Order]):
    _mapping: OrderMap

    def __iter__(self) -> Iterator[Order]:
        return self._mapping.oldest_first()


class _Items(ItemsView[str, Order]):
    _mapping: OrderMap

    def __iter__(self) -> Iterator[tuple[str, Order]]:
        return ((order.order_id, order) for order in self._mapping.oldest_first())


def _put(items: tuple[_Item, ...], at: int, item: _Item) -> tuple[_Item, ...]:
    """Return the items with one replaced, or added at the end."""
    copy = list(items)
    copy[at : at + 1] = [item]
    return tuple(copy)


def _cut(items: tuple[_Item, ...]) -> tuple[tuple[_Item, ...], ...]:
    """Cut the items into pieces of `_WIDTH`."""
    return tuple(items[at : at + _WIDTH] for at in range(0, len(items), _WIDTH))


def _differing(
    items: tuple[_Item, ...], before: tuple[_Item, ...]
) -> Iterator[tuple[_Item | None, _Item | None]]:
    """Return the pairs of items at the same place that are not the same object."""
    return ((item, other) for item, other in zip_longest(items, before) if item is not other)
