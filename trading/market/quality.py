"""Quality of bars: findings, and the verdicts that follow from them."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass as settings

from trading.validation import STRICT


class Rule(StrEnum):
    """What a bar, a minute bar or a quote can break; these words never change their meaning."""

    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    FETCH_FAILED = "FETCH_FAILED"
    NO_BARS = "NO_BARS"
    FALLBACK = "FALLBACK"  # given by a provider that stands in for the first
    STALE = "STALE"  # the last session asked for is not there
    MISSING_SESSION = "MISSING_SESSION"  # a gap inside the range
    NOT_A_SESSION = "NOT_A_SESSION"  # a bar for a holiday or weekend
    FUTURE_SESSION = "FUTURE_SESSION"
    DUPLICATE = "DUPLICATE"
    PRICE_MISSING = "PRICE_MISSING"  # NaN or infinite
    PRICE_NOT_POSITIVE = "PRICE_NOT_POSITIVE"
    OHLC_INCOHERENT = "OHLC_INCOHERENT"
    VOLUME_NEGATIVE = "VOLUME_NEGATIVE"
    UNIT_ERROR = "UNIT_ERROR"  # prices off by a factor near 100
    SPLIT_NOT_APPLIED = "SPLIT_NOT_APPLIED"  # a jump by a ratio that splits have, without an action
    JUMP = "JUMP"  # a move beyond the limit, without an action that explains it
    RESTATED = "RESTATED"  # the oldest bar fetched is not the one in store, so what is older no longer fits
    DIVIDEND_DOUBTFUL = "DIVIDEND_DOUBTFUL"  # the price does not bear it out, or it comes twice
    FROZEN = "FROZEN"  # the same bar for many sessions
    REPEATED_BAR = "REPEATED_BAR"  # the bar of the session before once more
    VOLUME_ANOMALY = "VOLUME_ANOMALY"  # many times what is usual, or none where there is always some
    ROUNDED = "ROUNDED"  # whole prices where there are fractions on other days
    OUT_OF_SESSION = "OUT_OF_SESSION"  # of a time at which the exchange does not trade, or of another session
    FUTURE_TIME = "FUTURE_TIME"  # of a time that has not come
    GAP = "GAP"  # nothing for long while the exchange trades
    DAILY_DIFFERS = "DAILY_DIFFERS"  # the minutes of a session do not fit its daily bar
    SIDE_MISSING = "SIDE_MISSING"  # nobody bids, or nobody asks
    CROSSED = "CROSSED"  # the bid above the ask
    LOCKED = "LOCKED"  # the bid at the ask
    SPREAD_WIDE = "SPREAD_WIDE"
    SIZE_NOT_POSITIVE = "SIZE_NOT_POSITIVE"  # a price for nothing
    QUOTE_STALE = "QUOTE_STALE"
    NOT_LIVE = "NOT_LIVE"  # delayed by contract, or frozen while the exchange trades
    DISAGREEMENT = "DISAGREEMENT"  # another provider says otherwise
    LOW_SCORE = "LOW_SCORE"  # too many rules broken, each of which would only warn
    HELD_BACK = "HELD_BACK"  # a person has put the symbol into quarantine


class FindingSeverity(StrEnum):
    """What a finding does: WARNING is shown, CRITICAL quarantines the symbol."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule broken by one symbol; `session` is the first one concerned, None when it is about all of them.

    Attributes:
        rule: a word of Rule for bars, of ChainRule for the options of a symbol.
    """

    rule: StrEnum
    severity: FindingSeverity
    symbol: str
    session: date | None
    value: str
    limit: str
    text: str


class SymbolVerdict(StrEnum):
    """What the gate says of a symbol."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    QUARANTINE = "quarantine"


class DayVerdict(StrEnum):
    """What the gate says of a session as a whole."""

    TRADE = "trade"
    HOLD = "hold"


class OnBadSymbol(StrEnum):
    """What a quarantined symbol does to the rest."""

    BLOCK_SYMBOL = "block_symbol"
    BLOCK_DAY = "block_day"


@settings(frozen=True, slots=True, kw_only=True, config=STRICT)
class AcceptedMove:
    """A move of a price that a person has looked at and found true."""

    symbol: Annotated[str, Field(description="Whose price moved.")]
    session: Annotated[date, Field(description="The session whose close moved.")]


@settings(frozen=True, slots=True, kw_only=True, config=STRICT)
class QualityPolicy:
    """Thresholds of the quality gate."""

    on_bad_symbol: Annotated[
        OnBadSymbol, Field(description="Whether a bad symbol is left out, or stops the whole session.")
    ] = OnBadSymbol.BLOCK_SYMBOL
    min_passed_pct: Annotated[
        float,
        Field(ge=0, le=100, allow_inf_nan=False, description="Hold the session when fewer symbols pass, in per cent."),
    ] = 50.0
    max_abs_return: Annotated[
        float,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Largest move from close to close that needs no explanation, as a fraction.",
        ),
    ] = 0.5
    unusual_return: Annotated[
        float,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Largest move from close to close that is never called unusual for its symbol, as a fraction.",
        ),
    ] = 0.2
    unusual_volume: Annotated[
        float,
        Field(
            gt=1,
            allow_inf_nan=False,
            description="Largest factor from one volume to the next that is never called unusual for its symbol.",
        ),
    ] = 20.0
    unusual_times: Annotated[
        float,
        Field(
            gt=1,
            allow_inf_nan=False,
            description="How many times the mean of the 40 steps around it a move or a step of volume must be to be "
            "unusual.",
        ),
    ] = 6.0
    max_frozen_sessions: Annotated[
        int, Field(gt=1, description="Most sessions in a row with exactly the same bar before a warning.")
    ] = 10
    warning_cost: Annotated[
        float, Field(ge=0, le=1, description="What a rule broken with a warning takes off the score of 1.")
    ] = 0.1
    critical_cost: Annotated[
        float, Field(ge=0, le=1, description="What a rule broken critically takes off the score of 1.")
    ] = 1.0
    min_score: Annotated[
        float, Field(ge=0, le=1, description="Quarantine a symbol whose warnings leave it a lower score.")
    ] = 0.5
    accepted_moves: Annotated[
        tuple[AcceptedMove, ...],
        Field(description="Moves that a person has looked at and found true; no rule about moves looks at them again."),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """The verdict on one source for one session.

    Attributes:
        verdict_id: follows from all that the ledger keeps but `checked_at`; stands on every decision from these bars.
        bars_hash: content hash of the bars checked.
        symbols: every symbol asked for, with its verdict.
        rows: number of bars checked.
        days_left_out: days with bars that are no sessions; no bar of theirs is stored. Not kept in the ledger.
    """

    source: str
    session: date
    bars_hash: str
    rows: int
    day_verdict: DayVerdict
    symbols: tuple[tuple[str, SymbolVerdict], ...]
    findings: tuple[Finding, ...]
    checked_at: datetime
    days_left_out: tuple[date, ...] = ()

    @property
    def verdict_id(self) -> str:
        """Return `qv-` and 20 hexadecimal digits."""
        parts = [self.source, self.session.isoformat(), self.bars_hash, self.day_verdict]
        parts += [f"{symbol}={verdict}" for symbol, verdict in self.symbols]
        parts += [f"{f.rule}/{f.symbol}/{f.session}/{f.value}" for f in self.findings]
        return "qv-" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:20]

    def quarantined(self) -> dict[str, str]:
        """Return the quarantined symbols, each with its first critical finding as the reason."""
        reasons: dict[str, str] = {}
        for finding in self.findings:
            if finding.severity is FindingSeverity.CRITICAL:
                reasons.setdefault(finding.symbol, finding.text)
        return {s: reasons.get(s, "quarantined") for s, v in self.symbols if v is SymbolVerdict.QUARANTINE}

    def disagreeing(self) -> Decimal:
        """Return the share of the symbols on which another provider says otherwise, 0 to 1."""
        named = {f.symbol for f in self.findings if f.rule is Rule.DISAGREEMENT}
        return Decimal(len(named)) / len(self.symbols) if self.symbols else Decimal(0)
