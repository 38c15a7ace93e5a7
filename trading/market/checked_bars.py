"""Bars that were checked, as a person looks at them who means to quarantine, repair or release a symbol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from trading.errors import InvalidValue
from trading.market.bars import PRICE_COLUMNS, FetchedBars
from trading.market.quality import Finding, QualityReport, Rule, SymbolVerdict
from trading.market.repairs import ACCEPTABLE, Acceptance, BarField, Repair, SymbolHold

PRICES = tuple(map(BarField, PRICE_COLUMNS))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBars:
    """What was checked last of a source.

    Attributes:
        fetched: as the source gave it; None when it is not kept any more.
    """

    report: QualityReport
    fetched: FetchedBars | None

    def require(self, symbol: str) -> None:
        """Raise InvalidValue when the symbol was not asked for."""
        if symbol not in dict(self.report.symbols):
            rule = f"one of the {len(self.report.symbols)} that {self.report.source} was asked for"
            raise InvalidValue("symbol", symbol, rule)

    def findings(self, symbol: str) -> list[Finding]:
        """Return the findings on a symbol."""
        return [finding for finding in self.report.findings if finding.symbol == symbol]

    def sessions(self, symbol: str, first: date, last: date | None) -> list[date]:
        """Return the sessions meant: one, or those of a range that the symbol has bars of.

        Raises:
            InvalidValue: it has none in the range.
        """
        if last is None:
            return [first]
        if self.fetched is None:
            raise InvalidValue("until", str(last), "left out, as what the source gave is not kept any more")
        frame = self.fetched.bars.frame
        days = sorted({day.date() for day in frame.loc[frame["symbol"] == symbol, "session"]})
        found = [day for day in days if first <= day <= last]
        if not found:
            has = f"it has some from {days[0]} to {days[-1]}" if days else "it has none at all"
            raise InvalidValue("until", str(last), f"the end of a range with bars of {symbol}; {has}")
        return found

    def value(self, symbol: str, session: date, field: BarField) -> Decimal | None:
        """Return what the source gave, None where it gave nothing."""
        if self.fetched is None or field not in (*PRICES, BarField.VOLUME):
            return None
        frame = self.fetched.bars.on(session)
        return Decimal(str(frame.loc[[symbol], field.value].iloc[0])) if symbol in frame.index else None

    def held_back(self, hold: SymbolHold) -> QualityReport:
        """Return the verdict with the symbol in quarantine, by which the next session is traded."""
        self.require(hold.symbol)
        bad = SymbolVerdict.QUARANTINE
        return replace(
            self.report,
            symbols=tuple((name, bad if name == hold.symbol else verdict) for name, verdict in self.report.symbols),
            findings=(*self.report.findings, hold.finding()),
            checked_at=hold.changed_at,
        )

    def repairs(
        self,
        symbol: str,
        sessions: Sequence[date],
        values: Mapping[BarField, Decimal],
        times: Decimal | None,
        *,
        actor: str,
        reason: str,
        now: datetime,
    ) -> list[Repair]:
        """Return the repairs that a person means: the values named, or all prices of these sessions times a factor.

        Raises:
            InvalidValue: nothing or both is named, or there is no price to be multiplied.
        """
        self.require(symbol)
        if sessions[-1] > self.report.session:
            rule = f"not after {self.report.session}, the session that was checked last"
            raise InvalidValue("session", str(sessions[-1]), rule)
        if bool(values) == (times is not None):
            said = "both" if values else "nothing"
            raise InvalidValue("repair", said, "values such as --close 12.5, or a factor such as --times 100")

        def one(session: date, field: BarField, after: Decimal) -> Repair:
            return Repair(
                source=self.report.source,
                symbol=symbol,
                session=session,
                field=field,
                before=self.value(symbol, session, field),
                after=after,
                actor=actor,
                reason=reason,
                repaired_at=now,
            )

        if times is None:
            return [one(session, field, after) for session in sessions for field, after in values.items()]
        given = {(s, f): px for s in sessions for f in PRICES if (px := self.value(symbol, s, f)) and px.is_finite()}
        if missing := [session for session in sessions if (session, BarField.CLOSE) not in given]:
            rule = f"one whose bar {self.report.source} gave lately; name values instead"
            raise InvalidValue("session", str(missing[0]), rule)
        return [one(session, field, px * times) for (session, field), px in given.items()]

    def acceptances(
        self, symbol: str, rules: Sequence[Rule], *, actor: str, reason: str, now: datetime
    ) -> list[Acceptance]:
        """Return a person's word that what breaks these rules is true: from the session found to the one checked.

        Raises:
            InvalidValue: a rule is named that the symbol does not break, or that no word of a person can mend.
        """
        self.require(symbol)
        worst_last = [f for f in reversed(self.findings(symbol)) if f.rule in ACCEPTABLE]
        begins = {f.rule: f.session for f in worst_last if f.session is not None}
        for rule in rules:
            if rule not in begins:
                names = ", ".join(sorted(begins)) or "none"
                raise InvalidValue("rule", rule.value, f"one that {symbol} breaks, and that may be true: {names}")
        return [
            Acceptance(
                source=self.report.source,
                symbol=symbol,
                rule=rule,
                first=begins[rule],
                last=self.report.session,
                actor=actor,
                reason=reason,
                accepted_at=now,
            )
            for rule in rules
        ]
