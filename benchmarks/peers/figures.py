"""What the rounds measured: whether each is sound, and the table of all."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Round", "Written", "check", "table"]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a server's database held after its round."""

    statuses: int
    orders: int


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round of one server; the names are those of the load generator.

    `sent` counts statuses, `acknowledged` those that were acknowledged to their sender, `relayed` those
    that arrived at the other side, `orders` whole orders: all of the round, not only while the clock ran.
    `written` is None for a server without a database.
    """

    name: str
    orders_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_s_per_1000: float
    server_cores: float
    load_cores: float
    server_mib: float
    sent: int
    acknowledged: int
    relayed: int
    orders: int
    is_complete: bool
    problems: int
    first_problem: str
    written: Written | None


def check(one: Round) -> None:
    """Raises `SystemExit` unless all that was sent was acknowledged, passed on, and written."""
    if one.problems:
        raise SystemExit(f"{one.name}: {one.problems} problems, the first: {one.first_problem}")
    for what, count in (("acknowledged", one.acknowledged), ("passed on", one.relayed)):
        if count != one.sent:
            raise SystemExit(f"{one.name}: {one.sent} statuses were sent, but {count} {what}")
    if not one.is_complete or not one.sent:
        raise SystemExit(f"{one.name}: the orders that were begun did not end")
    if one.written not in (None, Written(statuses=one.sent, orders=one.orders)):
        raise SystemExit(
            f"{one.name}: {one.sent} statuses of {one.orders} orders were sent, but {one.written.statuses}"
            f" of {one.written.orders} are in the database"
        )


def table(rounds: Sequence[Round], descriptions: Mapping[str, str], *, base: str, markdown: bool) -> str:
    """The medians of each server, the quickest first; `base` is the server that the ratios refer to."""
    by_name: dict[str, list[Round]] = {}
    for one in rounds:
        by_name.setdefault(one.name, []).append(one)

    def median(name: str, figure: Callable[[Round], float]) -> float:
        return statistics.median(figure(one) for one in by_name[name])

    def speed(name: str) -> float:
        return median(name, lambda one: one.orders_per_s)

    rows = [["server", "orders/s", "(least - most)", "of ours", "CPU s per 1,000", "p50 ms", "p99 ms", "MiB"]]
    for name in sorted(by_name, key=speed, reverse=True):
        speeds = [one.orders_per_s for one in by_name[name]]
        label = f"**{descriptions[name]}**" if markdown and name == base else descriptions[name]
        rows.append(
            [
                label,
                f"{speed(name):,.0f}",
                f"{min(speeds):,.0f} - {max(speeds):,.0f}",
                f"{speed(name) / speed(base):.2f}",
                f"{median(name, lambda one: one.cpu_s_per_1000):.3f}",
                _ms(median(name, lambda one: one.p50_ms)),
                _ms(median(name, lambda one: one.p99_ms)),
                f"{median(name, lambda one: one.server_mib):.0f}",
            ]
        )
    return _markdown(rows) if markdown else _plain(rows)


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "| --- |" + " ---: |" * (len(rows[0]) - 1), *lines[1:]])


def _plain(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for row in rows:
        first, *rest = (cell.replace("`", "") for cell in row)
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]))
    return "\n".join(lines)
