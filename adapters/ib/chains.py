"""Option chains from Interactive Brokers: expiries, then contracts, then a snapshot of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from adapters.ib.connection import Connection, RequestRefused
from adapters.ib.contracts import ContractRefused
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.library import load_library
from adapters.ib.quote_lines import QuoteLine
from adapters.ib.session import IbSession
from adapters.ib.sessions import Sessions, process_sessions
from adapters.ib.snapshots import take_snapshots
from adapters.request_budget import Priority, RequestBudget
from trading.errors import BrokerUnavailable, SourceUnavailable, UnknownSymbol
from trading.market.quotes import QuoteKind
from trading.options.chains import ExerciseStyle, OptionChain, chain_frame

_SMART, _NONE_SUCH = "SMART", 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """What all options of a chain have in common; `expiries` as yyyymmdd."""

    trading_class: str
    multiplier: str
    expiries: tuple[str, ...]


class IbChains:
    """Chains by snapshots, of which IB sends about 40 a second and takes up to 11 s for an option nobody quotes.

    So a chain of 2,000 options takes one to ten minutes; ask for one now and then. Open interest is left out, which IB
    gives on lines and not in snapshots. Of several trading classes that of the underlying's own name is taken, such as
    SPX and not SPXW. Options on an index are taken for European, all others for American ones.

    Args:
        wanted: what IB is asked for where live data are not to be had; the same as that of IbQuotes beside it, for it
            holds for the connection that they share.
        sessions: the process's own unless given.

    Source: interactivebrokers.github.io/tws-api/options.html, "reqSecDefOptParams".
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

    def fetch(self, underlying: str) -> OptionChain:
        """Return the whole chain as it is now.

        Raises:
            UnknownSymbol: IB does not know the underlying, or no options on it.
            SourceUnavailable: the gateway cannot be reached, or IB gives no quotes of any of them.
        """
        session, _ = self._sessions.get(
            self._settings, Role.DATA, None, now=self._now, budget=self._budget, on_transition=None
        )
        try:
            return self._sessions.owner.wait(self._fetch(session, underlying))
        except ContractRefused as exc:
            raise UnknownSymbol([underlying], f"{self.name} ({exc})") from exc
        except BrokerUnavailable as exc:
            raise SourceUnavailable(self.name, exc.why) from exc

    async def _fetch(self, session: IbSession, underlying: str) -> OptionChain:
        connection = await session.ready()
        under = (await session.contracts.look_up(connection, underlying)).contract
        terms = _chosen(under, await connection.ask_option_terms(under))
        options = await self._options(connection, under, terms) if terms else {}
        if terms is None or not options:
            raise UnknownSymbol([underlying], f"{self.name} (no options on it)")
        contracts = {underlying: under} | {name: details.contract for name, details in options.items()}
        lines = await take_snapshots(connection, contracts, self._wanted, self._settings)
        refused = [lines[name].error for name in options if lines[name].error]
        if len(refused) == len(options):
            raise SourceUnavailable(self.name, f"options on {underlying}: {refused[0]}")
        return OptionChain(
            underlying=underlying,
            underlying_px=lines[underlying].last,
            style=ExerciseStyle.EUROPEAN if under.secType == "IND" else ExerciseStyle.AMERICAN,
            frame=chain_frame(pd.DataFrame([_row(details, lines[name]) for name, details in options.items()])),
            source=self.name,
            at=self._now(),
            multiplier=Decimal(terms.multiplier),
            currency=under.currency,
        )

    async def _options(self, connection: Connection, under: Any, terms: _Terms) -> dict[str, Any]:
        """Return the contract details of all options by their number, an expiry at a time."""
        library = await load_library(self._settings.library)
        found: dict[str, Any] = {}
        for expiry in terms.expiries:
            query = library.contract(
                secType="OPT",
                symbol=under.symbol,
                lastTradeDateOrContractMonth=expiry,
                multiplier=terms.multiplier,
                exchange=_SMART,
                currency=under.currency,
                tradingClass=terms.trading_class,
            )
            try:
                listed = await connection.ask_contracts(query, Priority.DATA)
            except RequestRefused as exc:
                if exc.code == _NONE_SUCH:
                    continue  # it has expired since it was named
                raise SourceUnavailable(self.name, f"options on {under.symbol} of {expiry}: {exc}") from exc
            found |= {f"con{each.contract.conId}": each for each in listed}
        return found


def _chosen(under: Any, told: Sequence[tuple[str, str, str, tuple[str, ...]]]) -> _Terms | None:
    """Return the terms of the class to take, as routed by SMART where IB does so."""
    routed = [each for each in told if each[0] == _SMART] or told
    by_class: Mapping[str, _Terms] = {
        name: _Terms(trading_class=name, multiplier=multiplier, expiries=tuple(sorted(expiries)))
        for _, name, multiplier, expiries in routed
        if expiries
    }
    own = under.symbol.replace(" ", "")  # the options on BRK B are of the class BRKB
    if own in by_class:
        return by_class[own]
    return max(by_class.values(), key=lambda terms: (len(terms.expiries), terms.trading_class), default=None)


def _row(details: Any, line: QuoteLine) -> dict[str, object]:
    contract = details.contract
    return {
        # One day after the last of trading, where an index is settled in the morning.
        "expiry": (details.realExpirationDate or contract.lastTradeDateOrContractMonth)[:8],
        "strike": contract.strike,
        "right": contract.right[:1],
        "bid": line.bid,
        "ask": line.ask,
        "bid_size": line.bid_size,
        "ask_size": line.ask_size,
        "last": line.last,
        "volume": line.volume,
    }
