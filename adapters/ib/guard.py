"""The guard between paper and live: port, account and mode must tell the same."""

from trading.errors import InvalidValue

LIVE_PORTS = {7496: "TWS live", 4001: "Gateway live"}
PAPER_PORTS = {7497: "TWS paper", 4002: "Gateway paper"}
PAPER_PREFIXES = ("DU", "DF")


def is_paper_account(account: str) -> bool:
    """Tell whether the account is one of play money; DU1234567 is."""
    return account.startswith(PAPER_PREFIXES)


def require_matching_mode(mode_is_live: bool, port: int, account: str) -> None:
    """Refuse to trade where the account, the port and the wanted mode disagree.

    A port that is none of the four usual ones (a tunnel, a container) says nothing; the account decides.

    Args:
        account: as the session says it, not as it was configured.

    Raises:
        InvalidValue: they disagree.
    """
    mode = "live" if mode_is_live else "paper"
    if is_paper_account(account) == mode_is_live:
        other = "a paper account (DU..., DF...)" if not mode_is_live else "a live account, not DU... or DF..."
        raise InvalidValue(
            "account", account, f"{other}, since the mode is {mode}; log the gateway in to the other one, or change it"
        )
    wrong = PAPER_PORTS if mode_is_live else LIVE_PORTS
    if port in wrong:
        right = LIVE_PORTS if mode_is_live else PAPER_PORTS
        ways = ", ".join(f"{number} ({what})" for number, what in right.items())
        raise InvalidValue("port", port, f"{ways}, since the mode is {mode}; {port} is {wrong[port]}")
