"""A Prefect server as a stranger finds it; by plain HTTP, so that Prefect need not be loaded to ask."""

import httpx

from trading.errors import NotProtected

ASK_SECONDS = 10.0
_REFUSED = (401, 403)


async def require_protected(api_url: str, login: str | None) -> None:
    """Refuse real money by way of a server that lets anyone start and change what trades.

    Args:
        login: what this process would show the server; a server that asks for one is not of use without.

    Raises:
        NotProtected: there is no login, the server answers without one, or it cannot be asked.
    """
    if not (login or "").strip().strip(":"):
        raise NotProtected(api_url, "is used without a login (PREFECT_API_AUTH_STRING is not set)")
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=ASK_SECONDS) as client:
            answer = await client.get(f"{api_url.rstrip('/')}/admin/version")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise NotProtected(api_url, f"cannot be asked ({exc or type(exc).__name__})") from exc
    if answer.status_code not in _REFUSED:
        raise NotProtected(api_url, f"answers anyone, without a login (HTTP {answer.status_code})")
