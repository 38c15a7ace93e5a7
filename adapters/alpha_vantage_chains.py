"""Option chains from Alpha Vantage by one GET: of a session's end, or of this moment for those who pay for it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pandas as pd

from adapters.alpha_vantage_api import AlphaVantageApi
from adapters.quoted_rows import quoted, same_code
from adapters.quoted_values import Unusable, quoted_amount, quoted_day, quoted_objects, quoted_price
from adapters.us_symbols import dashed
from trading.errors import NotASession, UnknownSymbol
from trading.market.calendars import TradingCalendar
from trading.options.chains import CHAIN_KEYS, ExerciseStyle, OptionChain, chain_frame

RIGHTS: Mapping[str, str] = {"call": "C", "put": "P"}
PRICES = ("bid", "ask", "last")
AMOUNTS = ("bid_size", "ask_size", "volume", "open_interest")


class AlphaVantageChains:
    """Chains of US shares and funds: HISTORICAL_OPTIONS as of the last session's end, or REALTIME_OPTIONS.

    It tells no price of the underlying. All options are taken for American ones on 100 shares.

    Args:
        api: how it is asked.
        realtime: ask for this moment; a plan of 600 requests a minute is needed.
        mic: ISO 10383 code of the exchange of all underlyings; in the USA a dot is a share class.

    Source: alphavantage.co/documentation, "Historical Options" and "Realtime Options".
    """

    def __init__(
        self, api: AlphaVantageApi, *, now: Callable[[], datetime], realtime: bool = False, mic: str = "XNYS"
    ) -> None:
        self._api, self._now, self._realtime, self._mic = api, now, realtime, mic

    @property
    def name(self) -> str:
        """Return the provider's name."""
        return self._api.name

    def fetch(self, underlying: str) -> OptionChain:
        """Return the whole chain; its `at` is the close of its session, or now.

        Raises:
            UnknownSymbol: Alpha Vantage knows no options on it.
            SourceUnavailable: it limits or refuses us, or does not answer properly.
        """
        function = "REALTIME_OPTIONS" if self._realtime else "HISTORICAL_OPTIONS"
        code = dashed(underlying, self._mic)
        answer = self._api.ask(function, {"symbol": code}, symbol=underlying)
        try:
            options = quoted_objects("data", answer.get("data"))
            if not options and "data" in answer:
                raise UnknownSymbol([underlying], self.name)
            # Who has not paid gets an artificial chain of XXYYZZ, and is told so here.
            if answer.get("message", "success") != "success" or not options:
                raise Unusable(f"it says {quoted(answer.get('message', answer), self._api.key)}")
            return self._chain(underlying, code, options)
        except (Unusable, NotASession) as exc:
            raise self._api.unavailable(f"options on {underlying}", exc) from None

    def _chain(self, underlying: str, code: str, options: Sequence[Mapping[str, object]]) -> OptionChain:
        frame = chain_frame(pd.DataFrame([self._row(code, option) for option in options]))
        if frame.duplicated(list(CHAIN_KEYS)).any():
            raise Unusable("an option comes twice")
        return OptionChain(
            underlying=underlying,
            underlying_px=None,
            style=ExerciseStyle.AMERICAN,
            frame=frame,
            source=self.name,
            at=self._now() if self._realtime else self._close(options),
        )

    def _row(self, code: str, option: Mapping[str, object]) -> dict[str, object]:
        if not same_code(option.get("symbol"), code):
            raise Unusable(f"an option is on {quoted(option.get('symbol'), self._api.key)}, not {code!r}")
        right, strike = RIGHTS.get(str(option.get("type"))), quoted_price("strike", option.get("strike"))
        if right is None or pd.isna(strike):
            raise Unusable(f"an option has no right or strike: {quoted(option, self._api.key)}")
        return {
            "expiry": quoted_day("expiration", option.get("expiration")),
            "strike": strike,
            "right": right,
            **{name: quoted_price(name, option.get(name)) for name in PRICES},
            **{name: quoted_amount(name, option.get(name)) for name in AMOUNTS},
        }

    def _close(self, options: Sequence[Mapping[str, object]]) -> datetime:
        days = {quoted_day("date", option.get("date")) for option in options}
        if len(days) != 1:
            raise Unusable(f"options of {len(days)} days, from {min(days)} to {max(days)}")
        calendar = TradingCalendar(self._mic)
        return calendar.close_at(calendar.require_session(days.pop()))
