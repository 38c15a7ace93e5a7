"""Symbols of the USA as some providers write them."""

US_MICS = frozenset({"XNYS", "XNAS", "ARCX", "XASE", "BATS"})


def dashed(symbol: str, mic: str) -> str:
    """Return a symbol with the dash that Yahoo and Alpha Vantage write before a US share class; BRK.B is BRK-B."""
    return symbol.replace(".", "-") if mic in US_MICS else symbol
