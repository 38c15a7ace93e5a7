"""The `openbell` command."""

import asyncio
import json
import os
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from cli.prepare import PREFECT_PORT, home_folder, prepare
from cli.shell import open_ledger, person, prefect, say
from trading.errors import InvalidValue, TradingError

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger

app = App(
    name="openbell",
    help="A self-hosted trading desk that runs as Prefect flows. Its folder is OPENBELL_HOME, by default ~/.openbell.",
)
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")]
Port = Annotated[int, Parameter(help="Port of the Prefect server, on the loopback address.")]
# Imported when they are run, so the list of commands has their help from here.
app.command("cli.repair_commands:commands", name="data", help="See which bars passed; quarantine, repair, release.")
app.command("cli.breakers:breakers", help="List the tripped circuit breakers, or all that ever was.")
app.command("cli.breakers:reset", help="End a tripped circuit breaker by your name.")
app.command("cli.alerts:alerts", name="alerts", help="See which alerts are open, acknowledge them, try the channels.")
app.command("cli.rules:commands", name="rules", help="List the rules of the watch; add, change and remove them.")
app.command("cli.watch:watch", help="Show what the watch of the market sees, live.")
Account = Annotated[str, Parameter(help="Name of the broker account.")]


@app.command
def init(*, port: Port = PREFECT_PORT) -> None:
    """Make the desk's folder, ledger and first settings, or bring them to this version."""
    home = home_folder()
    with prefect(home, port):
        asyncio.run(prepare(home, move_ledger=True))
    say(f"The desk in {home} is ready. `openbell run` rehearses a session, `openbell up` starts the desk.")


@app.command
def run(
    *,
    session: Annotated[date | None, Parameter(help="One session; by default the newest one with bars.")] = None,
    first: Annotated[date | None, Parameter(name="--from", help="First session of a range.")] = None,
    last: Annotated[date | None, Parameter(name="--to", help="Last session of a range.")] = None,
    account: Annotated[
        str | None, Parameter(help="Broker account; by default `paper`, or `rehearsal` for a range.")
    ] = None,
    strategy: Annotated[str, Parameter(help="EqualWeight, MovingAverageCrossover, MomentumRotation or your own.")] = (
        "EqualWeight"
    ),
    parameters: Annotated[str, Parameter(help="The strategy's parameters as JSON, such as '{\"top\": 5}'.")] = "{}",
    port: Port = PREFECT_PORT,
    as_json: Json = False,
) -> None:
    """Run the day of one session, or rehearse a range of them: ingest, check, decide, limit, place, reconcile."""
    if (first is None) != (last is None) or (first is not None and session is not None):
        raise InvalidValue("session", str(session or first or last), "given alone, or as both --from and --to")
    home, chosen = home_folder(), _json_object("parameters", parameters)
    from cli.run import run_and_show

    with prefect(home, port) as server:
        asyncio.run(
            run_and_show(
                home,
                server.ui_url,
                session=session,
                first=first,
                last=last,
                account=account or ("paper" if first is None else "rehearsal"),
                strategy=strategy,
                parameters=chosen,
                as_json=as_json,
            )
        )


@app.command
def backfill(
    *,
    source: Annotated[str, Parameter(help="Name of the bar source block.")] = "sample",
    first: Annotated[date | None, Parameter(name="--from", help="First day of the range.")] = None,
    last: Annotated[date | None, Parameter(name="--to", help="Last day of the range.")] = None,
    universe: Annotated[
        Path | None, Parameter(help="CSV file of who belonged when: symbol, first, last; by default the source's own.")
    ] = None,
    port: Port = PREFECT_PORT,
    as_json: Json = False,
) -> None:
    """Fill in bars of past sessions; without a range, where the calendar finds gaps, and what did not come before."""
    home = home_folder()
    from cli.backfill import backfill_and_show

    with prefect(home, port):
        asyncio.run(
            backfill_and_show(
                home,
                source=source,
                first=first,
                last=last,
                universe=universe and universe.absolute(),
                as_json=as_json,
            )
        )


@app.command
def up(
    *,
    port: Port = PREFECT_PORT,
    lost_after_seconds: Annotated[
        float, Parameter(help="A process with orders at work is stopped when it was not heard for so long.")
    ] = 60.0,
) -> int:
    """Run the desk: Prefect's server and worker, settings and schedules; Ctrl-C ends it in order."""
    from cli.up import up as run_up

    home = home_folder()
    return run_up(home, port, prepare=lambda: prepare(home), lost_after_seconds=lost_after_seconds)


@app.command
def gateway(
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on; by default 127.0.0.1.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on; by default 4002, and 0 takes a free one.")] = None,
    scenario: Annotated[
        str | None, Parameter(help="JSON or TOML file of what goes wrong, or a scenario's name.")
    ] = None,
    replay: Annotated[Path | None, Parameter(help="CSV file of bars that prices follow.")] = None,
    settings: Annotated[
        Path | None, Parameter(help="JSON or TOML file of settings; by default as the real one.")
    ] = None,
    state: Annotated[
        Path | None, Parameter(help="File that keeps its orders; by default gateway-state.json in the desk's folder.")
    ] = None,
    at: Annotated[datetime | None, Parameter(help="Time its clock starts at, UTC; by default now.")] = None,
) -> None:
    """Run a simulated IB Gateway, to try the desk and any TWS client against; Ctrl-C ends it."""
    from cli.gateway import run_gateway

    run_gateway(
        home_folder(),
        host=host,
        port=port,
        scenario=scenario,
        replay=replay,
        settings=settings,
        state=state,
        at=at,
    )


@app.command
def status(*, as_json: Json = False) -> None:
    """Show whether the desk trades, who holds which account, and what each account was last worth."""
    from cli.pages import show, show_json
    from cli.status import status_rows

    pages = status_rows(open_ledger(), home_folder())
    if as_json:
        show_json(pages)
        return
    for title, rows in pages.items():
        show(title, rows)


@app.command
def orders(*, account: Account = "paper", session: date | None = None, as_json: Json = False) -> None:
    """List the orders of an account, of one session or of all."""
    from cli.pages import order_rows, show

    ledger = open_ledger()
    _require_known(ledger, account)
    show(f"Orders of {account}", order_rows(ledger.journal.orders(account, session=session)), as_json=as_json)


@app.command
def positions(*, account: Account = "paper", as_json: Json = False) -> None:
    """List what an account holds, and what it has earned."""
    from cli.pages import position_rows, show, show_json

    ledger = open_ledger()
    _require_known(ledger, account)
    books = ledger.facts.books(account, datetime.now(UTC))
    worth = ledger.facts.reconciliations(account)
    rows = position_rows(books, worth[-1].marks if worth else {})
    if as_json:
        show_json({"cash": books.cash, "positions": rows})
    else:
        show(f"Positions of {account}, cash {books.cash:,.2f}", rows)


@app.command
def risk(*, account: Account = "paper", as_json: Json = False) -> None:
    """Show limits in use, measures, stresses and the largest contributors, as they were measured last."""
    from cli.pages import show, show_json
    from trading.risk.risk_page import risk_page

    ledger = open_ledger()
    _require_known(ledger, account)
    report = ledger.risk_reports.last(account)
    if report is None:
        raise InvalidValue("account", account, "one whose risk was measured; each routine that trades does that")
    if as_json:
        show_json(report)
        return
    tripped = [c for c in ledger.breakers.tripped(account) if c.is_tripped(datetime.now(UTC))]
    for title, rows in risk_page(report, tripped).items():
        if rows:
            show(title, rows)


@app.command
def breaks(*, account: Account = "paper", as_json: Json = False) -> None:
    """List the differences between our books and the broker's, by session."""
    from cli.pages import break_rows, show

    ledger = open_ledger()
    _require_known(ledger, account)
    show(f"Breaks of {account}", break_rows(ledger.facts.reconciliations(account)), as_json=as_json)


@app.command
def clear(
    subject: Annotated[str, Parameter(help="Subject of the break, as `openbell breaks` shows it.")],
    *,
    reason: Annotated[str, Parameter(help="What explains the difference; kept in the audit trail.")],
    account: Account = "paper",
) -> None:
    """Clear a break by your name: its symbol may be ordered again, a difference in cash is booked."""
    for found in open_ledger().clearances.clear(account, subject, actor=person(), reason=reason, now=datetime.now(UTC)):
        say(f"Cleared: {found.text}", markup=False)


@app.command
def explain(cl_ord_id: str, *, as_json: Json = False) -> None:
    """Show why an order exists: gate, target, strategy, bars, their verdict; and what became of it."""
    from cli.explain import explain_order, show_explanation
    from cli.pages import show_json

    explanation = explain_order(open_ledger(), cl_ord_id)
    if as_json:
        show_json(explanation)
    else:
        show_explanation(explanation)


@app.command
def approve(
    decision: Annotated[str | None, Parameter(help="Decision to answer; without one, what waits is listed.")] = None,
    *,
    account: Annotated[str | None, Parameter(help="Or the account, when one decision of it waits.")] = None,
    only: Annotated[str | None, Parameter(help="Symbols that may be sent, such as AAPL,MSFT; by default all.")] = None,
    none: Annotated[bool, Parameter(negative=(), help="Nothing may be sent.")] = False,
    note: Annotated[str, Parameter(help="Why; kept in the audit trail.")] = "",
    as_json: Json = False,
) -> None:
    """Answer by your name what waits for approval: the orders are sent, or given up; or list what waits."""
    from cli.approve import answer, waiting_rows

    ledger = open_ledger()
    if decision is None and account is None:
        from cli.pages import show

        show("Waiting for approval", waiting_rows(ledger), as_json=as_json)
        return
    say(answer(ledger, decision, account, only=only, none=none, note=note, actor=person()), markup=False)


@app.command
def stop(
    *,
    reason: str = "stopped by hand",
    account: Annotated[str | None, Parameter(help="Only this account; by default the whole desk.")] = None,
    flatten: Annotated[bool, Parameter(negative=(), help="Also close all that is held.")] = False,
    limit_band_pct: Annotated[
        Decimal | None,
        Parameter(help="Close by limit orders this far beyond the last price, in per cent; else by market orders."),
    ] = None,
    port: Port = PREFECT_PORT,
) -> None:
    """Halt the desk: nothing new is sent, working orders are canceled, positions closed if asked, until resumed."""
    from cli.stop import StopRequest
    from cli.stop import stop as stop_desk

    stop_desk(
        StopRequest(
            home=home_folder(),
            port=port,
            reason=reason,
            account=account,
            flatten=flatten,
            limit_band_pct=limit_band_pct,
        )
    )


@app.command
def arm(
    *,
    account: str,
    hours: Annotated[float, Parameter(help="For how long; 0 disarms at once, 168 is the most.")],
    reason: Annotated[str, Parameter(help="Why it may trade; kept in the audit trail.")],
) -> None:
    """Let a live account trade real money for some hours; it is disarmed by itself."""
    from cli.arm import require_ready

    now = datetime.now(UTC)
    until, ledger = now + timedelta(hours=hours), open_ledger()
    if hours > 0:  # whoever disarms is kept from it by nothing
        asyncio.run(require_ready(home_folder(), account, now))
    ledger.arming.arm(account, until, actor=person(), reason=reason, now=now)
    say(f"Account {account} is armed until {until:%Y-%m-%d %H:%M} UTC." if hours > 0 else "Disarmed.")


@app.command
def resume(
    *,
    reason: Annotated[str, Parameter(help="Why it may trade again; kept in the audit trail.")],
    account: Annotated[str | None, Parameter(help="An account that was stopped alone; else the desk.")] = None,
) -> None:
    """Let the desk trade again."""
    ledger = open_ledger()
    if account is not None and account not in ledger.halts.status():
        _require_known(ledger, account)
    ledger.halts.resume(account or "desk", reason, person(), datetime.now(UTC))
    say(f"{f'Account {account}' if account else 'The desk'} may trade again.", markup=False)


@app.command
def audit() -> None:
    """Verify the audit trail: that no entry was changed, removed or put in between."""
    from adapters.sql.audit import first_broken_entry

    broken = first_broken_entry(open_ledger().engine)
    if broken is not None:
        raise InvalidValue("audit entry", broken, "as it was written; the ledger has been tampered with from there on")
    say("Every audit entry is as it was written.")


@app.command
def doctor(
    *,
    account: Annotated[str | None, Parameter(help="Also check this account, and the gateway that it is at.")] = None,
    symbol: Annotated[str, Parameter(help="What is quoted at the gateway, and what the what-if order is for.")] = "SPY",
    start_server: Annotated[bool, Parameter(help="Also start a Prefect server for a moment.")] = False,
    port: Port = PREFECT_PORT,
    as_json: Json = False,
) -> int:
    """Check that this machine and this environment can run the desk, and that an account can be traded."""
    from cli.doctor import checkup
    from cli.pages import check_rows, show

    home = home_folder()
    checks = checkup(home, start_server=start_server)
    if account is not None:
        from cli.doctor_account import account_checkup

        with prefect(home, port):
            checks += asyncio.run(account_checkup(account, symbol))
    show("Doctor", check_rows(checks), as_json=as_json)
    return 0 if all(check.ok for check in checks) else 1


def main() -> None:
    """Run the command; a person's mistake ends in one line and exit code 1."""
    os.umask(0o077)  # ledger, bars and reports are their owner's business
    try:
        sys.exit(app())
    except TradingError as exc:
        from rich.console import Console
        from rich.markup import escape

        line = f"[bold red]openbell:[/bold red] {escape(str(exc))}"
        Console(stderr=True).print(line, highlight=False, soft_wrap=True)
        sys.exit(1)


def _require_known(ledger: "Ledger", account: str) -> None:
    from cli.accounts import require_known

    require_known(ledger, home_folder(), account)


def _json_object(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as exc:
        raise InvalidValue(name, text, f"a JSON object ({exc})") from exc
    if not isinstance(value, dict):
        raise InvalidValue(name, text, "a JSON object")
    return value
