"""Findings: what a probe answered, each in words for a person, with the way out."""

from adapters.ib.guard import is_paper_account, require_matching_mode
from adapters.ib.probe import DataKind, Probe, Quoted, Reached, WhatIf
from trading.errors import InvalidValue
from trading.readiness import Check

MOST_SKEW_SECONDS = 2.0
_START = "start TWS or IB Gateway, log in, and allow socket clients at its port (Configure > API > Settings)"
_UPDATE = "update TWS or IB Gateway (its stable version will do), or Openbell where the gateway is the newer one"
_LOGIN = "finish the login at the gateway: answer its second factor on the phone, and close what it asks in a window"
_READ_ONLY = "untick Read-Only API (Configure > API > Settings) and see what the gateway's precautions refuse"


def findings(probe: Probe, *, account: str, port: int, is_live: bool | None) -> tuple[Check, ...]:
    """Return one check for each thing that was asked, up to the first one that made asking further impossible.

    Args:
        account: as configured.
        is_live: the wanted mode; None for one that sends nothing, and so fits any.
    """
    checks = [_gateway(probe)]
    if probe.reached > Reached.SOCKET:
        checks.append(_version(probe))
        if checks[-1].ok:
            checks.append(_login(probe))
    if probe.reached is Reached.SESSION:
        checks += [_account(probe, account), _mode(probe, account, port, is_live), _clock(probe)]
        checks += [_data(probe, probe.quoted), _what_if(probe, probe.what_if)]
    return tuple(checks)


def _gateway(probe: Probe) -> Check:
    if probe.reached is Reached.NOTHING:
        return Check(name="gateway", ok=False, text=probe.why, remedy=_START)
    if probe.reached is Reached.SOCKET:
        remedy = (
            "look what listens at that port: the block's port must be that of TWS or IB Gateway; restart it if it is"
        )
        return Check(name="gateway", ok=False, text=probe.why, remedy=remedy)
    return Check(name="gateway", ok=True, text=f"{probe.place} answers")


def _version(probe: Probe) -> Check:
    oldest, newest = probe.versions
    ok = probe.server_version is not None and oldest <= probe.server_version <= newest
    text = f"{probe.server_version}; {probe.library} speaks {oldest} to {newest}"
    return Check(name="protocol version", ok=ok, text=text, remedy=None if ok else _UPDATE)


def _login(probe: Probe) -> Check:
    if probe.reached is Reached.SESSION:
        return Check(name="login", ok=True, text=f"a session started for client {probe.client_id}")
    if probe.client_id_in_use:
        text = f"client id {probe.client_id} is in use at {probe.place}"
        remedy = "the desk's data session has it, or other software: end that, or set another client_id in the block"
        return Check(name="login", ok=False, text=text, remedy=remedy)
    remedy = _LOGIN if probe.silent else _START
    return Check(name="login", ok=False, text=probe.why, remedy=remedy)


def _account(probe: Probe, account: str) -> Check:
    ok = account in probe.accounts
    text = f"the login has {', '.join(probe.accounts) or 'no account'}"
    remedy = f"log the gateway in as the user of {account}, or name the account in the block"
    return Check(name="account", ok=ok, text=text, remedy=None if ok else remedy)


def _mode(probe: Probe, account: str, port: int, is_live: bool | None) -> Check:
    """Hold port and accounts against the mode, by what the session says and not by what was configured."""
    kinds = {is_paper_account(name) for name in probe.accounts}
    shown = " and ".join("paper" if kind else "real money" for kind in sorted(kinds))
    if is_live is None:
        return Check(name="mode", ok=True, text=f"shadow: nothing is sent; the login is of {shown}")
    try:
        for name in (*probe.accounts, account):
            require_matching_mode(is_live, port, name)
    except InvalidValue as exc:
        remedy = f"set the block's mode, account and port for the same side; the login is of {shown}"
        return Check(name="mode", ok=False, text=str(exc), remedy=remedy)
    return Check(name="mode", ok=True, text=f"{'live' if is_live else 'paper'}: port {port} and the login agree")


def _clock(probe: Probe) -> Check:
    skew = probe.skew_seconds
    if skew is None:
        remedy = "restart the gateway; it took the session and answers nothing"
        return Check(name="gateway's clock", ok=False, text=probe.why, remedy=remedy)
    text = f"{skew:+.1f} s against this machine" if skew else "agrees with this machine to the second"
    far = abs(skew) > MOST_SKEW_SECONDS
    remedy = "set both clocks (timedatectl set-ntp true): deadlines come from ours, times of executions from its"
    return Check(name="gateway's clock", ok=True, text=text, remedy=remedy if far else None)


def _data(probe: Probe, quoted: Quoted | None) -> Check:
    """Tell of market data; a desk that decides by bars of another source trades without any."""
    name, symbol = "market data", probe.symbol
    if quoted is None:
        remedy = "mend what is above, or name another symbol (--symbol) if IB does not know this one"
        return Check(name=name, ok=False, text=probe.why or f"{symbol} was not asked for", remedy=remedy)
    if quoted.kind is DataKind.LIVE:
        return Check(name=name, ok=True, text=f"live: {symbol} at {quoted.px}")
    if quoted.kind is DataKind.NONE:
        remedy = "subscribe to market data in IB's Client Portal, and share them with the paper user; or watch nothing"
        return Check(name=name, ok=True, text=f"none: {quoted.why}", remedy=remedy)
    remedy = "subscribe to live data in IB's Client Portal if rules and breakers are to see the market as it is"
    if quoted.kind is DataKind.FROZEN:
        remedy = "nothing, while the market is closed"
    return Check(name=name, ok=True, text=f"{quoted.kind}: {symbol} at {quoted.px}", remedy=remedy)


def _what_if(probe: Probe, what_if: WhatIf | None) -> Check:
    name = "what-if order"
    if what_if is None:
        return Check(name=name, ok=False, text="it could not be asked", remedy="mend what is above")
    order = f"buy 1 {probe.symbol} at {what_if.px}"
    if what_if.margin_change is None:
        return Check(name=name, ok=False, text=f"{order}: {what_if.why}", remedy=_READ_ONLY)
    cost = "not told" if what_if.commission is None else f"{what_if.commission} {what_if.currency}"
    text = f"{order}: margin {what_if.margin_change:+}, commission {cost}; nothing was sent to the market"
    return Check(name=name, ok=True, text=text, remedy=what_if.warning or None)
