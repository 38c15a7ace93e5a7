"""Requests about contracts: details, matching symbols, option chains, price ladders."""

from datetime import datetime

from ib_gateway.client import Client
from ib_gateway.contracts import MARKET_RULES, Contract, Listing
from ib_gateway.market_hours import NEW_YORK
from ib_gateway.market_layout import details_fields, read_contract, sample_fields
from ib_gateway.wire import Reader

NOT_FOUND = "No security definition has been found for the request"


async def contract_details(client: Client, reader: Reader) -> None:
    """Answer 9: every contract the query can mean (10), then the end (52); 200 for none."""
    reader.integer()
    req_id = reader.integer()
    query = read_contract(reader)
    include_expired = reader.boolean()
    sec_id_type = reader.text()
    if query.sec_type == "BAG":
        await client.error(
            req_id, 321, "Error validating request.-'ci' : cause - BAG isn't supported for contract data request."
        )
        return
    now = client.gateway.now()
    on = None if include_expired else now.astimezone(NEW_YORK).date()
    found = [] if sec_id_type else client.gateway.market.catalogue.find(query, on=on)
    if not found:
        await client.error(req_id, 200, NOT_FOUND)
        return
    for listing in found:
        exchange = query.exchange or listing.contract.exchange
        await client.send(10, *details_fields(req_id, listing, exchange, now, client.server_version))
    await client.send(52, 1, req_id)


async def find_listing(client: Client, req_id: int, query: Contract, now: datetime) -> Listing | None:
    """Return the one contract a query means, or tell the client (200) that there is none or more than one."""
    found = client.gateway.market.catalogue.find(query, on=now.astimezone(NEW_YORK).date())
    if len(found) == 1:
        return found[0]
    text = NOT_FOUND
    if found:
        text = f"The contract description specified for {query.symbol} is ambiguous."
    await client.error(req_id, 200, text)
    return None


async def matching_symbols(client: Client, reader: Reader) -> None:
    """Answer 81: stocks and indexes that a part of a symbol or name can mean (79)."""
    req_id = reader.integer()
    catalogue = client.gateway.market.catalogue
    found = catalogue.search(reader.text())
    kinds = {listing.contract.con_id: _kinds_on(catalogue.derivatives(listing.contract.con_id)) for listing in found}
    rows = [(listing, kinds[listing.contract.con_id]) for listing in found]
    await client.send(79, *sample_fields(req_id, rows, client.server_version))


def _kinds_on(derivatives: list[Listing]) -> tuple[str, ...]:
    return tuple(sorted({listing.contract.sec_type for listing in derivatives}))


async def option_chain(client: Client, reader: Reader) -> None:
    """Answer 78: expiries and strikes of the options on an underlying, for each exchange (75), then the end (76)."""
    req_id = reader.integer()
    reader.text()
    future_exchange, _, under_con_id = reader.text(), reader.text(), reader.integer()
    today = client.gateway.now().astimezone(NEW_YORK).date()
    chain = [
        listing
        for listing in client.gateway.market.catalogue.derivatives(under_con_id)
        if listing.contract.sec_type == "OPT" and not listing.has_expired(today) and not future_exchange
    ]
    expiries = sorted({listing.contract.last_trade_date for listing in chain})
    strikes = sorted({listing.contract.strike for listing in chain})
    for exchange in chain[0].exchanges if chain else ():
        names = (chain[0].contract.trading_class, chain[0].contract.multiplier)
        await client.send(75, req_id, exchange, under_con_id, *names, len(expiries), *expiries, len(strikes), *strikes)
    await client.send(76, req_id)


async def market_rule(client: Client, reader: Reader) -> None:
    """Answer 91: the steps of a price ladder (93)."""
    rule = reader.integer()
    if rule not in MARKET_RULES:
        await client.error(-1, 321, f"Error validating request.-'bE' : cause - Invalid market rule id {rule}")
        return
    steps = MARKET_RULES[rule]
    edges = [number for step in steps for number in (step.low_edge, step.increment)]
    await client.send(93, rule, len(steps), *edges)
