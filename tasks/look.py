"""Look at our own side: what the account holds and has out, at the prices of the moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from adapters.equity_curve_file import EquityCurveFile
from blocks.desk import Desk
from tasks.own import OwnSideReader
from trading.errors import StoreUnavailable
from trading.monitoring.live_account import AccountNow, account_now, live_prices, marks_of, position_pnl
from trading.monitoring.metrics import Metric
from trading.monitoring.own_readings import Readings, arrived, own_readings
from trading.monitoring.own_side import OwnSide, is_unanswered
from trading.monitoring.session_curve import SessionCurve
from trading.monitoring.watch_rules import Subjects
from trading.monitoring.watch_status import time_of
from trading.monitoring.watched_market import Second
from trading.orders.protection import ProtectionRules
from trading.risk.breakers import BreakerKind

_EVERY = 2  # seconds


@dataclass(slots=True)
class OwnAccount:
    """The account that a watch looks after.

    Attributes:
        prices: by symbol, those that are newer than any close: what breakers go by.
        curve: what the account was worth, a point a minute.
        arrivals: the arrival price of each order; nobody else keeps it.
    """

    desk: Desk
    session: date
    protection: ProtectionRules | None
    curve: SessionCurve = field(default_factory=SessionCurve)
    prices: Mapping[str, Any] = field(default_factory=dict)
    now: AccountNow | None = None
    arrivals: dict[str, float] = field(default_factory=dict)
    _own: OwnSide | None = None
    _profits: dict[str, float] = field(default_factory=dict)
    _breakers: list[str] = field(default_factory=list)
    _reader: OwnSideReader | None = None

    def begin(self) -> None:
        """Take up the curve of the session, if the watch was begun before."""
        try:
            self.curve = self._file().read()
        except StoreUnavailable:
            self.curve = SessionCurve()

    def look(self, second: Second, symbols: Sequence[str], at_us: int) -> Mapping[Subjects, Readings]:
        """Return the numbers of our own side every two seconds, and nothing between.

        Raises:
            LedgerError: the ledger cannot be asked.
            StoreUnavailable: the bars in store cannot be read.
        """
        if at_us // 1_000_000 % _EVERY and self._own is not None:
            return {}
        at = time_of(at_us)
        if self._reader is None:
            self._reader = OwnSideReader(self.desk, self.session, self.protection)
        own = self._own = self._reader.read(at)
        places = {symbol: place for place, symbol in enumerate(symbols)}
        marks = marks_of(own, places, second.metrics, at)
        mids = {s: float(px) for s, px in zip(symbols, second.metrics.of(Metric.MID), strict=True) if px > 0}
        self.arrivals = arrived(self.arrivals, own, mids)
        self.prices, self.now = live_prices(marks), account_now(own, marks, at)
        self._profits = {p.symbol: p.day_pnl for p in position_pnl(own, marks)}
        self._breakers = [change.name for change in self.desk.ledger.breakers.active(self.desk.name, at)]
        self._draw_on(self.now)
        return own_readings(own, marks, mids, self.arrivals, at)

    def status(self) -> Mapping[str, Any]:
        """Return what the status says of our own side."""
        own, now = self._own, self.now
        orders = () if own is None else [o for o in own.orders if o.ord_status.is_open]
        told = (
            {}
            if now is None
            else {
                "equity": now.equity,
                "day_pnl": now.pnl,
                "day_loss_pct": now.loss_pct,
                "drawdown_pct": now.drawdown_pct,
                "gross_exposure_pct": now.gross_pct,
            }
        )
        return {
            "held": {} if own is None else {s: float(q) for s, q in own.held().items()},
            "profits": self._profits,
            "own": told,
            "orders": {"open": len(orders), "unacknowledged": sum(is_unanswered(o) for o in orders)},
            "breakers": self._breakers,
        }

    def is_at_a_limit(self) -> bool:
        """Tell whether the loss of the day, or from the peak, is one that trips a breaker which is not tripped yet."""
        rules, now = self.desk.account.risk_limits.breakers, self.now
        if now is None:
            return False
        losses = {BreakerKind.DAILY_LOSS: now.loss_pct, BreakerKind.DRAWDOWN: now.drawdown_pct}
        over = {k for k, rule in rules.items() if rule.enabled and losses.get(k, 0.0) >= float(rule.threshold)}
        return bool({k.value for k in over & losses.keys()} - {*self._breakers})

    def wanted(self, now: datetime) -> list[str]:
        """Return the symbols of what is held and ordered: those are watched before all others.

        Raises:
            LedgerError: the ledger cannot be asked.
        """
        held = self.desk.ledger.facts.books(self.desk.name, now).held()
        working = self.desk.ledger.journal.orders(self.desk.name, open_only=True)
        return sorted({*held, *(s for o in working for s in o.new_order.symbols)})

    def _draw_on(self, now: AccountNow) -> None:
        curve = self.curve.appended(now)
        if curve is not self.curve:
            self.curve = curve
            self._file().write(curve)

    def _file(self) -> EquityCurveFile:
        folder = self.desk.storage.home / "watch"
        return EquityCurveFile(path=folder / f"{self.desk.name}.{self.session}.equity.jsonl")
