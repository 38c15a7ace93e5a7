"""The screen of a watch: its status as a page that fits the terminal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from trading.alerts import Severity

STALE_AFTER = timedelta(seconds=5)
_GONE_AFTER = timedelta(seconds=2)
_STYLES = {Severity.INFO: "", Severity.WARNING: "yellow", Severity.CRITICAL: "red", Severity.EMERGENCY: "bold red"}
_BAD, _NO_BREAKER = frozenset({"problem", "switch", "unwatched"}), "none tripped"
_WORDS = frozenset({"symbol", "conditions"})
_CALM = frozenset({"normal", "sideways", "trending_up", "trending_down"})
_WIDE = 60  # characters from which severity and time of a broken rule have their own columns
_LEAST_ROWS = 3  # of each table, however low the terminal is
_TABLE_LINES = 2  # of each: its head, and the line that says what is left out

Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A status, and how it was found.

    Attributes:
        age: since it was written.
        is_alive: whether its process is there.
        open_alerts: None when the ledger cannot be asked.
    """

    status: Status
    age: timedelta
    is_alive: bool
    open_alerts: int | None

    def alarm(self) -> str | None:
        """Return why it must not be believed."""
        if self.status["state"] == "ended":
            return None
        seconds = f"{self.age.total_seconds():.0f} s"
        if not self.is_alive and self.age > _GONE_AFTER:
            return f"no word for {seconds}: process {self.status['pid']} is gone. Is the desk up?"
        return f"no word for {seconds}; is the desk up?" if self.age > STALE_AFTER else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the symbols.

    Attributes:
        rank: those of the least rank are left out first where the terminal is narrow.
    """

    name: str
    width: int
    rank: int
    cell: Callable[[Status], str]


def screen(seen: Seen, console: Console, height: int | None = None) -> RenderableType:
    """Return the page.

    Args:
        height: lines that there are; None shows every row.
    """
    head, broken, symbols = _head(seen), _graver_first(seen.status["broken"]), seen.status["symbols"]
    most_broken, most_symbols = len(broken), len(symbols)
    if height is not None:
        left = height - len(console.render_lines(head)) - 2 * _TABLE_LINES
        most_broken = min(most_broken, max(_LEAST_ROWS, left // 3))
        most_symbols = min(most_symbols, max(_LEAST_ROWS, left - most_broken))
    return Group(
        head,
        _broken_table(broken[:most_broken], console.width),
        _rest(len(broken) - most_broken),
        _symbol_table(symbols[:most_symbols], console.width),
        _rest(seen.status["watched"] - most_symbols),
    )


def _head(seen: Seen) -> RenderableType:
    status, alarm = seen.status, seen.alarm()
    facts = Table.grid(padding=(0, 1, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    for name, text in _facts(seen):
        is_bad = name in _BAD or (name == "breakers" and text != _NO_BREAKER)
        facts.add_row(name, Text(text, style="yellow" if is_bad else ""))
    above = [Text(alarm, style="bold white on red")] if alarm else []
    below = [Text(status["note"], style="yellow")] if status["note"] else []
    title = Text(f"{status['account']}   session {status['session']}   {status['state']}", style="bold")
    border = "red" if alarm else "green" if status["state"] == "watching" else "yellow"
    return Panel(Group(*above, facts, *below), title=title, title_align="left", border_style=border)


def _facts(seen: Seen) -> list[tuple[str, str]]:
    status = seen.status
    feed, own, orders = status["feed"], status["own"], status["orders"]
    alerts = "alerts not known" if seen.open_alerts is None else f"{seen.open_alerts} alerts"
    facts = [
        ("time", f"{_clock(status['at'])}, until {_clock(status['until'])} UTC"),
        (
            "feed",
            f"{feed['name']}, silent {_number(feed['silent_seconds'], 1)} s, {status['ticks_per_second']:,} ticks/s, "
            f"{status['ticks']:,} in all, lag {_number(status['lag_seconds'], 1)} s, "
            f"busy {_number(status['busy_ms'], 1)} ms, conflated {feed['conflated']:,}",
        ),
        ("market", f"{_words(status['market'])} ({status['watched']:,} symbols)"),
        (
            "account",
            f"equity {_number(own['equity'], 2)}, day {_number(own['day_pnl'], 2)} "
            f"(loss {_number(own['day_loss_pct'], 2)} %), drawdown {_number(own['drawdown_pct'], 2)} %, "
            f"exposure {_number(own['gross_exposure_pct'], 1)} %",
        ),
        ("open", f"{orders['open']} orders ({orders['unacknowledged']} unacknowledged), {alerts}"),
        ("breakers", _words(status["breakers"]) or _NO_BREAKER),
        ("oddities", ", ".join(f"{name} {count:,}" for name, count in status["oddities"].items() if count) or "none"),
    ]
    facts += [("problem", f"{symbol}: {text}") for symbol, text in list(feed["problems"].items())[:3]]
    facts += [("switch", text) for text in feed["switches"][-3:]]
    unheard = [f"{rule} of {symbol}" for rule, symbol in status["unheard_rules"]]
    return facts + ([("unwatched", ", ".join(unheard[:5]) + (", ..." if unheard[5:] else ""))] if unheard else [])


def _broken_table(broken: Sequence[Status], width: int) -> RenderableType:
    if not broken:
        return Text("No rule is broken.", style="green")
    table = _table()
    if is_wide := width >= _WIDE:
        table.add_column("severity", no_wrap=True, min_width=9)
        table.add_column("since", no_wrap=True, min_width=8)
    table.add_column("rule", no_wrap=True, min_width=min(12, width // 4), max_width=max(20, width // 4))
    table.add_column("what", no_wrap=True)
    for each in broken:
        first = [each["severity"], _clock(each["since"])] if is_wide else []
        what = f"{each['subject']}: {each['text']}"
        table.add_row(*(Text(t) for t in (*first, each["rule_id"], what)), style=_STYLES[each["severity"]])
    return table


def _symbol_table(symbols: Sequence[Status], width: int) -> RenderableType:
    columns, table = _columns(width), _table()
    for column in columns:
        table.add_column(column.name, justify="left" if column.name in _WORDS else "right", no_wrap=True)
    for each in symbols:
        color = "" if _CALM.issuperset(each["conditions"]) else "yellow"
        table.add_row(*(Text(c.cell(each)) for c in columns), style=f"{color} {'bold' if each['qty'] else ''}".strip())
    return table


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def _rest(left_out: int) -> Text:
    return Text(f"and {left_out:,} more" if left_out > 0 else "", style="dim")


def _columns(width: int) -> list[Column]:
    """Return the columns that fit, in their places; the symbol, what is held and the price stay in any case."""
    chosen: list[Column] = []
    for column in sorted(_COLUMNS, key=lambda c: c.rank):
        if column.rank > 3 and sum(c.width + 1 for c in chosen) + column.width > width:
            break
        chosen.append(column)
    return [column for column in _COLUMNS if column in chosen]


def _graver_first(broken: Sequence[Status]) -> list[Status]:
    return sorted(broken, key=lambda each: (-Severity(each["severity"]).gravity, each["since"]))


def _number(value: float | None, digits: int) -> str:
    return "?" if value is None else f"{value:,.{digits}f}"


def _quantity(value: float | None) -> str:
    return "" if not value else f"{value:,g}"


def _words(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def _clock(at: str) -> str:
    return f"{datetime.fromisoformat(at):%H:%M:%S}"


_COLUMNS = (
    Column(name="symbol", width=8, rank=0, cell=lambda s: s["symbol"]),
    Column(name="held", width=9, rank=1, cell=lambda s: _quantity(s["qty"])),
    Column(name="P&L", width=12, rank=3, cell=lambda s: "" if s["pnl"] is None else f"{s['pnl']:+,.2f}"),
    Column(name="last", width=10, rank=2, cell=lambda s: _number(s["last"], 2)),
    Column(name="change %", width=8, rank=4, cell=lambda s: _number(s["change_pct"], 2)),
    Column(name="bid", width=10, rank=7, cell=lambda s: _number(s["bid"], 2)),
    Column(name="ask", width=10, rank=8, cell=lambda s: _number(s["ask"], 2)),
    Column(name="spread %", width=8, rank=6, cell=lambda s: _number(s["spread_pct"], 3)),
    Column(name="vol 5m %", width=8, rank=9, cell=lambda s: _number(s["volatility_5m_pct"], 2)),
    Column(name="liquidity", width=9, rank=10, cell=lambda s: _number(s["liquidity"], 2)),
    Column(name="volume", width=12, rank=11, cell=lambda s: _number(s["volume"], 0)),
    Column(name="x usual", width=7, rank=12, cell=lambda s: _number(s["volume_ratio"], 2)),
    Column(name="age s", width=6, rank=13, cell=lambda s: _number(s["quote_age_seconds"], 0)),
    Column(name="conditions", width=24, rank=5, cell=lambda s: _words(s["conditions"])),
)
