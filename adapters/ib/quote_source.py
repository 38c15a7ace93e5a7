"""Quotes from Interactive Brokers when they are wanted: a snapshot of each symbol."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from adapters.ib.contracts import ContractRefused
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.quote_lines import QuoteLine
from adapters.ib.session import IbSession
from adapters.ib.sessions import Sessions, process_sessions
from adapters.ib.snapshots import take_snapshots
from adapters.request_budget import RequestBudget
from trading.errors import BrokerUnavailable, SourceUnavailable
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.quotes import QUOTE_NUMBERS, FetchedQuotes, QuoteKind, Quotes, quotes_frame


class IbQuoteSource:
    """Snapshots of best bid, ask and last. IB tells no time of a quote, so `quoted_at` is missing.

    What is wanted all day is better streamed by IbQuotes: a snapshot takes up to 11 s, and a line while it lasts.

    Args:
        wanted: what IB is asked for where live data are not to be had; the same as that of IbQuotes beside it, for it
            holds for the connection that they share.
        sessions: the process's own unless given.
    """

    def __init__(
        self,
        *,
        settings: IbSettings,
        now: Callable[[], datetime],
        wanted: QuoteKind = QuoteKind.LIVE,
        budget: RequestBudget | None = None,
        sessions: Sessions | None = None,
        name: str = "ib",
    ) -> None:
        self.name = name
        self._settings, self._now, self._wanted, self._budget = settings, now, wanted, budget
        self._sessions = sessions or process_sessions()

    def fetch(self, symbols: Sequence[str]) -> FetchedQuotes:
        """Return the quote of each symbol at this moment.

        Raises:
            SourceUnavailable: the gateway cannot be reached, or does not answer.
        """
        asked = tuple(dict.fromkeys(symbols))
        session, _ = self._sessions.get(
            self._settings, Role.DATA, None, now=self._now, budget=self._budget, on_transition=None
        )
        try:
            found = self._sessions.owner.wait(self._fetch_all(session, asked)) if asked else {}
        except BrokerUnavailable as exc:
            raise SourceUnavailable(self.name, exc.why) from exc
        rows = [_row(line) for line, outcome in found.values() if line and outcome.status is FetchStatus.OK]
        frame = quotes_frame(pd.DataFrame(rows, columns=["symbol", *QUOTE_NUMBERS, "kind"]))
        return FetchedQuotes(
            quotes=Quotes(frame=frame, source=self.name, received_at=self._now()),
            outcomes=tuple(outcome for _, outcome in found.values()),
        )

    async def _fetch_all(
        self, session: IbSession, symbols: Sequence[str]
    ) -> dict[str, tuple[QuoteLine | None, FetchOutcome]]:
        connection = await session.ready()
        unknown: dict[str, str] = {}
        contracts: dict[str, Any] = {}
        for symbol in symbols:
            try:
                contracts[symbol] = (await session.contracts.look_up(connection, symbol)).contract
            except ContractRefused as exc:
                unknown[symbol] = str(exc)
        lines = await take_snapshots(connection, contracts, self._wanted, self._settings)
        return {symbol: (lines.get(symbol), self._outcome(symbol, lines.get(symbol), unknown)) for symbol in symbols}

    def _outcome(self, symbol: str, line: QuoteLine | None, unknown: dict[str, str]) -> FetchOutcome:
        if line is None:
            return FetchOutcome(symbol=symbol, status=FetchStatus.UNKNOWN_SYMBOL, text=unknown[symbol])
        if line.bid is line.ask is line.last is None:
            text = f"{self.name} on {symbol}: {line.error or 'no bid, ask or last'}"
            return FetchOutcome(symbol=symbol, status=FetchStatus.FAILED, text=text)
        return FetchOutcome(symbol=symbol, status=FetchStatus.OK)


def _row(line: QuoteLine) -> dict[str, object]:
    numbers = {name: getattr(line, name) for name in QUOTE_NUMBERS}
    return {"symbol": line.symbol, "kind": line.kind.value, **numbers}
