"""Every error of the trading floors.

    TradingError
    ├── InvalidValue               a setting, parameter or field breaks its rule
    ├── SessionError
    │   ├── NotASession            the exchange does not trade on that date
    │   └── SessionNotReached      the session lies in the future
    ├── MarketDataError
    │   ├── UnknownSymbol          a source or store has never heard of the symbol
    │   ├── BarsInvalid            a frame or file does not have the shape of bars
    │   ├── QuotesInvalid          a frame does not have the shape of quotes
    │   ├── ChainInvalid           a frame does not have the shape of an option chain
    │   ├── TicksInvalid           a frame does not have the shape of trades or quotes by time
    │   ├── BarsNotPassed          the quality gate has not passed the bars a decision needs
    │   ├── SourceUnavailable      a provider could not be asked, or answered with an error
    │   ├── StoreCorrupt           a file of the bar store cannot be read
    │   └── StoreUnavailable       the bar store cannot be reached, or refused a write (disk full, read-only, gone)
    ├── StrategyFailed             a strategy raised, or returned weights that cannot be traded
    ├── OrderError
    │   ├── NotApproved            an order that needs a person's approval, and does not have it
    │   ├── OrderNotOpen           a cancel or replace of an order that can no longer change
    │   └── OrderUnknown           a cl_ord_id that the ledger has never recorded
    ├── BrokerError
    │   ├── BrokerUnavailable      nothing was sent: the broker could not be reached
    │   └── OutcomeUnknown         it may have been sent: the broker's answer never came
    ├── LedgerError
    │   ├── LeaseHeld              another run trades this account
    │   ├── LeaseLost              our lease was superseded or has expired; nothing was written
    │   ├── SchemaMismatch         the ledger's schema is not the one of this version
    │   └── LedgerUnavailable      the database refused the write (disk full, locked, gone)
    ├── AnswerRefused              an approval that comes too late, second, or twice from one person
    ├── NotArmed                   real money, and no person has said that it may be traded now
    ├── NotProven                  real money was to be armed, and it was not proven ready on paper
    ├── NotProtected               real money, and Prefect's server does not keep strangers out
    ├── BooksDisagree              our books and the broker's differ, so nothing can be sized by them
    ├── DeskHalted                 trading is stopped until a person resumes it, or its breaker is reset
    └── AlertNotDelivered          a channel refused an alert

Each message says what, which and why, and the way out.
"""

from collections.abc import Iterable
from datetime import date, datetime


class TradingError(Exception):
    """The root of all errors that Openbell raises on purpose."""


class InvalidValue(TradingError):
    """A setting, parameter or field breaks its rule."""

    def __init__(self, name: str, value: object, rule: str) -> None:
        self.name, self.value, self.rule = name, value, rule
        super().__init__(f"{name} is {value!r}, but must be {rule}")


class SessionError(TradingError):
    """A date does not fit the exchange calendar."""


class NotASession(SessionError):
    """The exchange does not trade on that date."""

    def __init__(self, day: date, mic: str, previous: date, following: date) -> None:
        self.day, self.mic, self.previous, self.following = day, mic, previous, following
        super().__init__(f"{day} is not a session of {mic}; the sessions around it are {previous} and {following}")


class SessionNotReached(SessionError):
    """The session lies in the future."""

    def __init__(self, session: date, now: datetime) -> None:
        self.session, self.now = session, now
        super().__init__(f"session {session} has not come yet (it is {now:%Y-%m-%d %H:%M %Z}); name a session that has")


class MarketDataError(TradingError):
    """Bars cannot be had, or cannot be trusted."""


class UnknownSymbol(MarketDataError):
    """A source or store has never heard of the symbol."""

    def __init__(self, symbols: Iterable[str], source: str) -> None:
        self.symbols, self.source = tuple(symbols), source
        super().__init__(
            f"{source} does not know {', '.join(self.symbols)}; check the spelling, or name another source"
        )


class BarsInvalid(MarketDataError):
    """A frame or file does not have the shape of bars."""

    def __init__(self, where: str, rule: str) -> None:
        self.where, self.rule = where, rule
        super().__init__(f"{where} does not hold daily bars: {rule}")


class QuotesInvalid(MarketDataError):
    """A frame does not have the shape of quotes."""

    def __init__(self, where: str, rule: str) -> None:
        self.where, self.rule = where, rule
        super().__init__(f"{where} does not hold quotes: {rule}")


class ChainInvalid(MarketDataError):
    """A frame does not have the shape of an option chain."""

    def __init__(self, where: str, rule: str) -> None:
        self.where, self.rule = where, rule
        super().__init__(f"{where} does not hold an option chain: {rule}")


class TicksInvalid(MarketDataError):
    """A frame does not have the shape of trades or quotes by time."""

    def __init__(self, where: str, rule: str) -> None:
        self.where, self.rule = where, rule
        super().__init__(f"{where} does not hold ticks: {rule}")


class BarsNotPassed(MarketDataError):
    """The quality gate has not passed the bars a decision needs."""

    def __init__(self, session: date, source: str, why: str) -> None:
        self.session, self.source, self.why = session, source, why
        super().__init__(f"bars of {source} for {session} are not passed: {why}")


class SourceUnavailable(MarketDataError):
    """A provider could not be asked, or answered with an error."""

    def __init__(self, source: str, why: str) -> None:
        self.source, self.why = source, why
        super().__init__(f"{source} is unavailable: {why}; nothing was stored, run again later")


class StoreCorrupt(MarketDataError):
    """A file of the bar store cannot be read."""

    def __init__(self, path: str, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(f"{path} cannot be read ({why}); move it away and ingest its sessions again")


class StoreUnavailable(MarketDataError):
    """The bar store cannot be reached, or refused a write; what it held before is untouched."""

    def __init__(self, path: str, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(f"{path} cannot be used ({why}); what was stored before is untouched, mend it and run again")


class StrategyFailed(TradingError):
    """A strategy raised, or returned weights that cannot be traded."""

    def __init__(self, strategy: str, why: str) -> None:
        self.strategy, self.why = strategy, why
        super().__init__(f"strategy {strategy} failed: {why}; no order was made from it")


class OrderError(TradingError):
    """An order was asked for something that its state forbids."""


class OrderNotOpen(OrderError):
    """A cancel or replace was asked of an order that can no longer change."""

    def __init__(self, cl_ord_id: str, ord_status: str) -> None:
        self.cl_ord_id, self.ord_status = cl_ord_id, ord_status
        super().__init__(f"order {cl_ord_id} is {ord_status}, so it cannot change")


class NotApproved(OrderError):
    """Orders were to be sent that a person must approve, and nobody has."""

    def __init__(self, decision_id: str, cl_ord_ids: Iterable[str]) -> None:
        self.decision_id, self.cl_ord_ids = decision_id, tuple(cl_ord_ids)
        super().__init__(
            f"orders {', '.join(self.cl_ord_ids)} of {decision_id} are not approved, so nothing was sent; "
            "`openbell approve` lists what waits for a person"
        )


class OrderUnknown(OrderError):
    """A cl_ord_id was named that the ledger has never recorded."""

    def __init__(self, cl_ord_id: str) -> None:
        self.cl_ord_id = cl_ord_id
        super().__init__(f"no order {cl_ord_id} in the ledger; `openbell orders` lists those there are")


class BrokerError(TradingError):
    """A broker did not do what it was asked."""


class BrokerUnavailable(BrokerError):
    """Nothing was sent: the broker could not be reached."""

    def __init__(self, broker: str, why: str) -> None:
        self.broker, self.why = broker, why
        super().__init__(f"{broker} cannot be reached: {why}; nothing was sent")


class OutcomeUnknown(BrokerError):
    """It may have been sent: the broker's answer never came."""

    def __init__(self, broker: str, cl_ord_id: str, why: str) -> None:
        self.broker, self.cl_ord_id, self.why = broker, cl_ord_id, why
        super().__init__(
            f"{broker} did not answer for order {cl_ord_id}: {why}; it is UNKNOWN until the broker is asked"
        )


class LedgerError(TradingError):
    """The ledger refused a write, or cannot be used."""


class LeaseHeld(LedgerError):
    """Another run trades this account."""

    def __init__(self, account: str, holder: str, expires_at: datetime) -> None:
        self.account, self.holder, self.expires_at = account, holder, expires_at
        super().__init__(
            f"account {account} is being traded by {holder}, whose lease ends {expires_at:%Y-%m-%d %H:%M:%S %Z}; "
            "wait for it, or stop that run"
        )


class LeaseLost(LedgerError):
    """Our lease was superseded or has expired; nothing was written."""

    def __init__(self, account: str, token: int) -> None:
        self.account, self.token = account, token
        super().__init__(
            f"the lease {token} on account {account} is no longer valid, so nothing was written; run again"
        )


class SchemaMismatch(LedgerError):
    """The ledger's schema is not the one of this version."""

    def __init__(self, found: str, wanted: str) -> None:
        self.found, self.wanted = found, wanted
        super().__init__(
            f"the ledger's schema is {found}, this version needs {wanted}; back it up and run `openbell init` "
            "(a newer ledger needs the newer version)"
        )


class LedgerUnavailable(LedgerError):
    """The database refused the work (disk full, locked, gone)."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"the ledger cannot be used: {why}; nothing was written, mend it and run again")


class BooksDisagree(TradingError):
    """Our books and the broker's differ, so nothing can be sized by them."""

    def __init__(self, account: str, breaks: Iterable[str]) -> None:
        self.account, self.breaks = account, tuple(breaks)
        super().__init__(
            f"account {account} does not agree with its broker: {'; '.join(self.breaks)}; no order was made, "
            "`openbell breaks` shows all"
        )


class DeskHalted(TradingError):
    """Trading is stopped until a person resumes it, or the breaker that stopped it is reset."""

    def __init__(
        self,
        scope: str,
        cause: str,
        way_out: str = "remove the STOP file if there is one, then `openbell resume --reason TEXT`",
    ) -> None:
        self.scope, self.cause = scope, cause
        super().__init__(f"{scope} is halted: {cause}; {way_out}")


class AnswerRefused(TradingError):
    """An answer to a request for approval came too late, second, or twice from one person; nothing was changed."""

    def __init__(self, decision_id: str, why: str) -> None:
        self.decision_id, self.why = decision_id, why
        super().__init__(f"the answer to {decision_id} was not taken: {why}")


class NotArmed(TradingError):
    """An account of real money was to trade, and no person has armed it, or only until a time that has come."""

    def __init__(self, account: str, until: datetime | None) -> None:
        self.account, self.until = account, until
        since = f"it was armed until {until:%Y-%m-%d %H:%M} UTC" if until else "it never was armed"
        super().__init__(
            f"account {account} is live and not armed: {since}; nothing was sent. "
            f"`openbell arm --account {account} --hours N --reason TEXT` arms it"
        )


class NotProven(TradingError):
    """An account of real money was to be armed, and nothing proves that its paper side works."""

    def __init__(self, account: str, why: str) -> None:
        self.account, self.why = account, why
        super().__init__(
            f"account {account} may not be armed: {why}; run the deployment prove-readiness with the block of the "
            "paper account at the same gateway, and arm it once that has passed"
        )


class NotProtected(TradingError):
    """Real money was to be armed or traded by way of a Prefect server that does not ask who is there."""

    def __init__(self, server: str, why: str) -> None:
        self.server, self.why = server, why
        super().__init__(
            f"real money needs a protected Prefect server, and that at {server} {why}; nothing was armed or sent. "
            "`openbell up` starts a protected one; one of your own needs PREFECT_SERVER_API_AUTH_STRING, and "
            "PREFECT_API_AUTH_STRING where its flows run"
        )


class AlertNotDelivered(TradingError):
    """A channel refused an alert; the alert stays in the outbox."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"the alert was not delivered: {why}; it stays in the outbox and is sent again")
