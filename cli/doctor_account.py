"""Check that an account can be traded as its block says: what its gateway answers, in no more time than it is given."""

from dataclasses import replace
from typing import TYPE_CHECKING

from cli.accounts import block_name
from trading.errors import InvalidValue
from trading.readiness import Check

if TYPE_CHECKING:  # importing Prefect reads its settings, which are not set yet
    from adapters.ib.ib_settings import IbSettings
    from blocks.broker_account import BrokerAccount

PATIENCE_SECONDS = 10.0  # for the login, and for each question: a person waits


async def account_checkup(account: str, symbol: str) -> list[Check]:
    """Return the checks of an account; nothing is sent to a market, and the trader's client id is left alone.

    Args:
        account: name of its block, or its own.
        symbol: what is quoted, and what the what-if order is for.

    Raises:
        InvalidValue: there is no such block, or it does not hold together.
    """
    settings = await _load(account)
    if settings.is_simulated:
        text = f"{settings.account} is at the built-in paper broker, which needs no gateway"
        return [Check(name="gateway", ok=True, text=text)]
    return await _at_the_gateway(settings, symbol)


async def _load(account: str) -> "BrokerAccount":
    from pydantic import ValidationError

    from blocks.broker_account import BrokerAccount
    from blocks.desk import load

    name = await block_name(account)
    try:
        return await load(BrokerAccount, name)
    except ValidationError as exc:  # saved by another version, or changed behind the form's back
        why = "; ".join(error["msg"] for error in exc.errors())
        raise InvalidValue("broker account block", name, f"one that can be used; mend it in the UI: {why}") from exc


async def _at_the_gateway(settings: "BrokerAccount", symbol: str) -> list[Check]:
    from adapters.ib.budget import gateway_budget
    from adapters.ib.findings import findings
    from adapters.ib.probe import probe_gateway
    from blocks.broker_account import Mode
    from blocks.desk import wall_clock

    ib, account = settings.ib, settings.account
    probe = await probe_gateway(_impatient(ib), account, symbol, now=wall_clock, budget=gateway_budget(ib))
    is_live = None if settings.mode is Mode.SHADOW else settings.mode is Mode.LIVE
    return list(findings(probe, account=account, port=ib.port, is_live=is_live))


def _impatient(ib: "IbSettings") -> "IbSettings":
    return replace(
        ib,
        connect_seconds=min(ib.connect_seconds, PATIENCE_SECONDS),
        ask_seconds=min(ib.ask_seconds, PATIENCE_SECONDS),
    )
