"""The outside monitor: a service that raises the alarm when the desk is not heard any more.

Source: https://healthchecks.io/docs/http_api/ (GET the check's address: alive; address/fail: in trouble). For an
address with a UUID that no check has, it answers HTTP 200 with the text `OK (not found)`.
"""

import httpx
from pydantic import SecretStr

from trading.errors import AlertNotDelivered, InvalidValue

_TIMEOUT = httpx.Timeout(10.0)
_LONGEST_ANSWER = 200  # bytes looked at; what is meant is a word or two


class OutsideMonitor:
    """A check at a service such as healthchecks.io.

    Args:
        url: the check's address, which is a secret; with `/fail` after it, it says that something is wrong.
    """

    def __init__(self, url: SecretStr) -> None:
        try:
            self._url = httpx.URL(url.get_secret_value())
        except httpx.InvalidURL as exc:
            raise InvalidValue("ping_url", "what was given", f"an address of http or https ({exc})") from None
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise InvalidValue("ping_url", "what was given", "an address of http or https")

    async def ping(self, *, ok: bool) -> None:
        """Say that the desk lives and all is well, or that it lives and something is wrong.

        Raises:
            AlertNotDelivered: the service did not confirm; when that lasts it raises the alarm itself.
        """
        url = self._url if ok else self._url.copy_with(path=self._url.path.rstrip("/") + "/fail")
        request = httpx.Request("GET", url, extensions={"timeout": _TIMEOUT.as_dict()})
        try:
            # The transport, not the client: that one logs addresses.
            async with httpx.AsyncHTTPTransport() as transport:
                answer = await transport.handle_async_request(request)
                text = await anext(answer.aiter_bytes(_LONGEST_ANSWER), b"")
                await answer.aclose()
        except httpx.HTTPError as exc:
            raise AlertNotDelivered(f"the outside monitor cannot be reached ({type(exc).__name__})") from exc
        if not answer.is_success:
            raise AlertNotDelivered(f"the outside monitor answered with HTTP {answer.status_code}")
        if b"not found" in text.lower():
            raise AlertNotDelivered("the outside monitor has no check of that address")
