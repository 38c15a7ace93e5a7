"""Daily bars from Interactive Brokers."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd

from adapters.ib.connection import Connection, RequestRefused
from adapters.ib.contracts import ContractRefused
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.session import IbSession
from adapters.ib.sessions import Sessions, process_sessions
from adapters.request_budget import RequestBudget
from adapters.table_bars import asked_symbols, no_rows
from trading.errors import BrokerUnavailable, SourceUnavailable
from trading.market.bars import DailyBars, FetchedBars, FetchOutcome, FetchStatus, PriceBasis, bars_frame
from trading.market.instruments import Instrument

_NO_DATA = ("no data", "No historical market data")
_MOST_DAYS = 365  # asked for in days; above, IB wants years


class IbBars:
    """Daily bars of regular hours as they were traded (IB's TRADES), one symbol after the other.

    IB serves them adjusted for splits up to now, and tells neither splits nor dividends. So they are raw only back to
    the last split: ingest sessions as they close, and take corporate actions from elsewhere.

    Args:
        listed: the instruments on offer.
        sessions: the process's own unless given.
        name: recorded with every bar.
    """

    def __init__(
        self,
        listed: Sequence[Instrument],
        *,
        settings: IbSettings,
        now: Callable[[], datetime],
        budget: RequestBudget | None = None,
        sessions: Sessions | None = None,
        name: str = "ib",
    ) -> None:
        self.name = name
        self._listed = {instrument.symbol: instrument for instrument in listed}
        self._settings, self._now, self._budget = settings, now, budget
        self._sessions = sessions or process_sessions()

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments named at the start, by symbol."""
        return self._listed

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return the bars of all sessions from `first` to `last`, both included; there are no corporate actions.

        Raises:
            SourceUnavailable: the gateway cannot be reached, or IB refused for its own reasons.
        """
        asked = asked_symbols(symbols, first, last)
        session, _ = self._sessions.get(
            self._settings, Role.DATA, None, now=self._now, budget=self._budget, on_transition=None
        )
        try:
            found = self._sessions.owner.wait(self._fetch_all(session, asked, first, last)) if asked else {}
        except BrokerUnavailable as exc:
            raise SourceUnavailable(self.name, exc.why) from exc
        frames = [frame for _, frame in found.values() if len(frame)]
        rows = bars_frame(pd.concat(frames, ignore_index=True)) if frames else no_rows()
        return FetchedBars(
            bars=DailyBars(frame=rows, source=self.name, price_basis=PriceBasis.RAW),
            outcomes=tuple(outcome for outcome, _ in found.values()),
        )

    async def _fetch_all(
        self, session: IbSession, symbols: Sequence[str], first: date, last: date
    ) -> dict[str, tuple[FetchOutcome, pd.DataFrame]]:
        connection = await session.ready()
        return {s: await self._fetch(session, connection, s, first, last) for s in symbols}

    async def _fetch(
        self, session: IbSession, connection: Connection, symbol: str, first: date, last: date
    ) -> tuple[FetchOutcome, pd.DataFrame]:
        status, text, rows = FetchStatus.OK, "", no_rows()
        try:
            listed = await session.contracts.look_up(connection, symbol)
            bars = await connection.ask_bars(
                listed.contract, self._end(last), _duration(first, last), "1 day", "TRADES"
            )
            rows = _rows(symbol, bars, first, last)
        except ContractRefused as exc:
            status, text = FetchStatus.UNKNOWN_SYMBOL, str(exc)
        except RequestRefused as exc:
            if not any(words in exc.text for words in _NO_DATA):
                raise SourceUnavailable(self.name, f"asked for {symbol}, {exc}") from exc
        if status is FetchStatus.OK and rows.empty:
            status, text = FetchStatus.NO_BARS, f"{self.name} has no bars of {symbol} from {first} to {last}"
        return FetchOutcome(symbol=symbol, status=status, text=text), rows

    def _end(self, last: date) -> str:
        return "" if last >= self._now().date() else f"{last:%Y%m%d}-23:59:59"


def _duration(first: date, last: date) -> str:
    days = (last - first).days + 1
    return f"{days} D" if days <= _MOST_DAYS else f"{days // _MOST_DAYS + 1} Y"


def _rows(symbol: str, bars: Sequence[Any], first: date, last: date) -> pd.DataFrame:
    rows = [
        {
            "symbol": symbol,
            "session": day,
            "open": bar.open,
            "high": bar.high,
            "low": bar.low,
            "close": bar.close,
            "volume": bar.volume,
        }
        for bar in bars
        if first <= (day := _day(bar.date)) <= last
    ]
    return pd.DataFrame(rows) if rows else no_rows()


def _day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
