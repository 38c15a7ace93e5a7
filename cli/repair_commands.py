"""`openbell data`: what the quality gate says of bars, and what persons say of them."""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from cli.pages import quality_line, show, show_json
from cli.prepare import PREFECT_PORT, home_folder
from cli.repair import (
    bar_rows,
    check_anew,
    finding_rows,
    history,
    last_checked,
    quarantine,
    release,
    verdict_rows,
    word_rows,
)
from cli.shell import open_ledger, person, prefect, say
from trading.market.quality import Rule
from trading.market.repairs import BarField

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger

commands = App(
    name="data", help="See what the quality gate says of bars; quarantine, repair and release symbols by name."
)
Source = Annotated[str | None, Parameter(help="Name of the bar source; may be left out when there is one.")]
CheckedSession = Annotated[date | None, Parameter(help="Session that was checked; by default the newest.")]
Reason = Annotated[str, Parameter(help="Why; kept in the audit trail.")]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")]
Port = Annotated[int, Parameter(help="Port of the Prefect server, on the loopback address.")]


@commands.command(name="show")
def data_show(
    symbol: str | None = None, *, source: Source = None, session: CheckedSession = None, as_json: Json = False
) -> None:
    """Show the verdict on a session's bars; of one symbol its findings, its last bars and what persons said of it."""
    ledger = open_ledger()
    checked = last_checked(ledger, home_folder(), source, session)
    if symbol is None:
        pages = {"Not simply passed": verdict_rows(checked.report)}
    else:
        checked.require(symbol)
        pages = {
            f"Findings on {symbol}": finding_rows(checked, symbol),
            "Bars as they came": bar_rows(checked, symbol),
            "Said by persons": word_rows(ledger, checked.report.source, symbol),
        }
    if as_json:
        show_json(pages)
        return
    say(quality_line(checked.report))
    for title, rows in pages.items():
        show(title, rows)


@commands.command(name="history")
def data_history(
    symbol: str,
    session: date,
    *,
    as_of: Annotated[date | None, Parameter(help="Day whose knowledge is shown; by default today's.")] = None,
    source: Source = None,
    port: Port = PREFECT_PORT,
    as_json: Json = False,
) -> None:
    """Show stored bars as they were known on a day, and every version of the last of them."""
    ledger, home = open_ledger(), home_folder()
    name = last_checked(ledger, home, source, None).report.source
    with prefect(home, port):
        pages = asyncio.run(history(name, symbol, session, as_of))
    if as_json:
        show_json(pages)
        return
    for title, rows in pages.items():
        show(title, rows)


@commands.command(name="quarantine")
def data_quarantine(symbol: str, *, reason: Reason, source: Source = None) -> None:
    """Hold a symbol back: it is not traded until you release it."""
    ledger = open_ledger()
    checked = last_checked(ledger, home_folder(), source, None)
    quarantine(ledger, checked, symbol, actor=person(), reason=reason, now=datetime.now(UTC))
    say(f"{symbol} of {checked.report.source} is in quarantine until `openbell data release {symbol}`.", markup=False)


@commands.command(name="repair")
def data_repair(
    symbol: str,
    session: Annotated[date, Parameter(help="Session to repair.")],
    *,
    reason: Reason,
    until: Annotated[date | None, Parameter(help="Last session of a range to repair.")] = None,
    open: Decimal | None = None,  # noqa: A002 - the field's name
    high: Decimal | None = None,
    low: Decimal | None = None,
    close: Decimal | None = None,
    volume: Decimal | None = None,
    dividend: Annotated[Decimal | None, Parameter(help="Per share, on that ex-date; 0 when there is none.")] = None,
    split: Annotated[Decimal | None, Parameter(help="New shares for one old; 1 when there is none.")] = None,
    times: Annotated[Decimal | None, Parameter(help="Multiply all its prices, as 100 where pounds were given.")] = None,
    source: Source = None,
    port: Port = PREFECT_PORT,
) -> None:
    """Repair values of a session, and have its bars checked anew; what the source gave stays on record."""
    named = dict(zip(BarField, (open, high, low, close, volume, dividend, split), strict=True))
    ledger, now = open_ledger(), datetime.now(UTC)
    checked = last_checked(ledger, home_folder(), source, None)
    repairs = checked.repairs(
        symbol,
        checked.sessions(symbol, session, until),
        {field: value for field, value in named.items() if value is not None},
        times,
        actor=person(),
        reason=reason,
        now=now,
    )
    ledger.repairs.repair(repairs)
    for repair in repairs:
        say(f"{symbol} {repair.session} {repair.field}: {repair.before} becomes {repair.after}", markup=False)
    _check_anew(ledger, checked.report.source, checked.report.session, symbol, port)


@commands.command(name="release")
def data_release(
    symbol: str,
    *,
    reason: Reason,
    accept: Annotated[
        tuple[Rule, ...], Parameter(help="A rule whose findings on it are true, up to the session checked.")
    ] = (),
    source: Source = None,
    port: Port = PREFECT_PORT,
) -> None:
    """End a quarantine, and have the bars checked anew: it is traded again when they pass."""
    ledger = open_ledger()
    checked = last_checked(ledger, home_folder(), source, None)
    release(ledger, checked, symbol, accept, actor=person(), reason=reason, now=datetime.now(UTC))
    _check_anew(ledger, checked.report.source, checked.report.session, symbol, port)


def _check_anew(ledger: "Ledger", source: str, session: date, symbol: str, port: int) -> None:

    with prefect(home_folder(), port):
        report = asyncio.run(check_anew(ledger, source, session, symbol))
    say(quality_line(report))
    say(f"{symbol} passes: {dict(report.symbols)[symbol].value}.", markup=False)
