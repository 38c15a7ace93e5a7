"""Daily bars from Massive (formerly Polygon): raw prices by one GET each, dividends and splits of all by two."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from adapters.massive_api import MassiveApi, Row, number
from adapters.quoted_rows import QuotedRows, actions_until, failed, fetch_each, quoted
from adapters.table_bars import asked_symbols
from trading.market.bars import FetchedBars, FetchOutcome, FetchStatus
from trading.market.instruments import Equity, Instrument

CURRENCY = "USD"
DIVIDENDS, EX_DATE = "/stocks/v1/dividends", "ex_dividend_date"
SPLITS, EXECUTED = "/stocks/v1/splits", "execution_date"

Event = tuple[object, Row]


class MassiveBars:
    """Raw daily bars, dividends and splits of US stocks.

    Only ask for sessions that have closed: of a running one Massive serves the bar so far. A key without a plan has
    two years of history, and the last session only after its day.

    Args:
        symbols: what is offered; a share class is written as Massive does, BRK.B.
        mic: ISO 10383 code of the exchange of all symbols.

    Source: massive.com/docs/rest/stocks/corporate-actions/dividends and /splits; `cash_amount` is not adjusted
    (massive.com/knowledge-base, "Does Massive adjust historic dividends for splits?"). They stand in for
    /v3/reference/dividends and /splits (massive.com/blog/new-splits-and-dividends-endpoints, 2026-02-18).
    """

    def __init__(self, symbols: Sequence[str], api: MassiveApi, *, mic: str = "XNYS") -> None:
        self._offered: Mapping[str, Instrument] = {
            symbol: Equity(symbol=symbol, mic=mic, currency=CURRENCY) for symbol in symbols
        }
        self._api = api

    @property
    def name(self) -> str:
        """Return the name of the source, as recorded with every bar."""
        return self._api.name

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments named at the start, by symbol."""
        return self._offered

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return the bars of all sessions from `first` to `last`, both included, one request after the other.

        Raises:
            SourceUnavailable: Massive does not answer properly, limits or refuses us, the budget has no room, or
                GIVE_UP_AFTER symbols in a row failed.
        """
        asked = asked_symbols(symbols, first, last)
        paid = self._events(DIVIDENDS, EX_DATE, asked, first, actions_until(last))
        divided = self._events(SPLITS, EXECUTED, asked, first, actions_until(last))
        return fetch_each(
            self.name, asked, first, last, lambda symbol: self._ask(symbol, first, last, paid[symbol], divided[symbol])
        )

    def _events(
        self, path: str, day: str, symbols: Sequence[str], first: date, last: date
    ) -> Mapping[str, Sequence[Row]]:
        days = {f"{day}.gte": first.isoformat(), f"{day}.lte": last.isoformat()}
        return self._api.by_ticker(path, symbols, {**days, "sort": f"{day}.asc", "limit": "5000"})

    def _ask(
        self, symbol: str, first: date, last: date, paid: Sequence[Row], divided: Sequence[Row]
    ) -> QuotedRows | FetchOutcome:
        rows = self._api.daily(symbol, first, last)
        if isinstance(rows, str):
            return failed(self.name, symbol, rows)
        for told in (paid, divided):
            if len({str(row.get("id", row)) for row in told}) < len(told):
                return failed(self.name, symbol, f"a dividend or a split came twice: {quoted(told, self._api.key)}")
        if not rows and (unknown := self._unknown(symbol)):
            return unknown
        return QuotedRows(
            source=self.name,
            symbol=symbol,
            currency=CURRENCY,
            key=self._api.key,
            rows=rows,
            events=[*map(_paid, paid), *map(_divided, divided)],
        )

    def _unknown(self, symbol: str) -> FetchOutcome | None:
        known = self._api.knows(symbol)
        if known is True:
            return None
        outcome = failed(self.name, symbol, known or "it lists no such ticker, and never has")
        return outcome if known else replace(outcome, status=FetchStatus.UNKNOWN_SYMBOL)


def _paid(row: Row) -> Event:
    paid = {"dividend": row["cash_amount"]} if "cash_amount" in row else {}
    return row.get(EX_DATE), paid | {"split": 1, "currency": row.get("currency") or CURRENCY}


def _divided(row: Row) -> Event:
    new, old = row.get("split_to"), row.get("split_from")
    if number(new) is None or not number(old):
        return row.get(EXECUTED), {"dividend": 0, "split": f"{new!r} for {old!r}"}
    return row.get(EXECUTED), {"dividend": 0, "split": format(Decimal(repr(new)) / Decimal(repr(old)), "f")}
