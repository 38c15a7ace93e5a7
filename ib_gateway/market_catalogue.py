"""The catalogue: listings found by id, by what a client knows of a contract, or by a part of a name."""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache

from ib_gateway.contracts import Contract, Listing, UnknownContract, matches
from ib_gateway.market_listings import EXTRA_IDS, all_listings, shares


class Catalogue:
    """All listings, found by id or by what a client knows of a contract."""

    def __init__(self, listings: Iterator[Listing]) -> None:
        self._by_id = {listing.contract.con_id: listing for listing in listings}
        self._by_symbol: dict[str, list[Listing]] = {}
        for listing in self._by_id.values():
            self._by_symbol.setdefault(listing.contract.symbol, []).append(listing)

    def listing(self, con_id: int) -> Listing:
        """Return the listing with this id.

        Raises:
            UnknownContract: there is none.
        """
        if con_id not in self._by_id:
            raise UnknownContract(con_id)
        return self._by_id[con_id]

    def find(self, query: Contract, *, on: date | None = None) -> list[Listing]:
        """Return every listing the query can mean; given a day, none that has expired by then."""
        if query.con_id:
            candidates = [self._by_id[query.con_id]] if query.con_id in self._by_id else []
        elif query.symbol:
            candidates = self._by_symbol.get(query.symbol.upper(), [])
        else:
            candidates = list(self._by_id.values()) if query.local_symbol else []
        found = [listing for listing in candidates if matches(listing, query)]
        return [listing for listing in found if on is None or not listing.has_expired(on)]

    def search(self, pattern: str) -> list[Listing]:
        """Return up to sixteen stocks and indexes whose symbol begins with the pattern or whose name has it."""
        wanted = pattern.strip().upper()
        if not wanted:
            return []
        known = [listing for listing in self._by_id.values() if listing.contract.sec_type in ("STK", "IND")]
        first = [listing for listing in known if listing.contract.symbol.startswith(wanted)]
        later = [listing for listing in known if listing not in first and wanted in listing.long_name]
        return (first + later)[:16]

    def derivatives(self, under_con_id: int) -> list[Listing]:
        """Return the options and futures on an underlying."""
        return [listing for listing in self._by_id.values() if listing.under_con_id == under_con_id]

    def with_stocks(self, symbols: Iterable[str]) -> "Catalogue":
        """Return this catalogue with a plain stock for each symbol it does not have."""
        unknown = [symbol for symbol in symbols if symbol not in self._by_symbol]
        if not unknown:
            return self
        rows = [f"{symbol}|NYSE|{symbol}|100|0.02|0|1000|" for symbol in unknown]
        return Catalogue(iter([*self._by_id.values(), *shares("\n".join(rows), EXTRA_IDS, "COMMON")]))

    def all(self) -> tuple[Listing, ...]:
        """Return every listing, in the order of the rows."""
        return tuple(self._by_id.values())


@lru_cache(maxsize=1)
def full_catalogue() -> Catalogue:
    """Return the catalogue of all rows, built on first use."""
    return Catalogue(all_listings())
