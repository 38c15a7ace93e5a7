"""One HTTP address that answers JSON: every way in which it can fail to is one error, and no key is in any of them."""

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import SecretStr

from trading.errors import InvalidValue, SourceUnavailable

_SHOWN = 200  # characters of a wrong answer


def _hide_query(record: logging.LogRecord) -> bool:
    """Take the query, and so the key, off the addresses that httpx logs."""
    if isinstance(record.args, tuple):
        record.args = tuple(arg.copy_with(query=None) if isinstance(arg, httpx.URL) else arg for arg in record.args)
    return True


logging.getLogger("httpx").addFilter(_hide_query)


class JsonApi:
    """Asks for JSON, one request at a time.

    Args:
        name: of the provider, in messages.
        base_url: without the path.
        key: added to every request as the parameter `key_parameter`; never in a message.
        timeout: for each request: to connect, and between two bytes.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        key: SecretStr | None = None,
        key_parameter: str = "apikey",
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self._name, self._base_url = name, base_url.rstrip("/")
        self._key, self._key_parameter = key, key_parameter
        try:
            httpx.URL(base_url)
        except httpx.InvalidURL as exc:
            raise InvalidValue(
                f"base_url of {name}", base_url, f"an address, such as https://host:port ({exc})"
            ) from None
        self._client = httpx.Client(timeout=timeout.total_seconds(), follow_redirects=False)

    def get(self, path: str, parameters: Mapping[str, str]) -> tuple[int, Any]:
        """Return the status and the answer's JSON; an answer of 4xx has a meaning only its asker knows.

        Raises:
            SourceUnavailable: no answer, 401, 403, 429, 5xx, a redirection, or something that is not JSON.
        """
        secret = {self._key_parameter: self._key.get_secret_value()} if self._key is not None else {}
        try:
            response = self._client.get(self._base_url + path, params={**parameters, **secret})
        except httpx.HTTPError as exc:  # its text has no address, so no key
            raise SourceUnavailable(self._name, f"{path}: {type(exc).__name__} {exc}".rstrip()) from None
        if (why := _refusal(response)) is not None:
            raise SourceUnavailable(self._name, f"{path}: {why}")
        try:
            return response.status_code, json.loads(response.content, object_pairs_hook=_each_once)
        except (ValueError, RecursionError):
            shown = " ".join(self._without_key(response.text).split())[:_SHOWN]
            raise SourceUnavailable(self._name, f"{path}: {response.status_code} and no JSON: {shown!r}") from None

    def _without_key(self, text: str) -> str:
        return text.replace(self._key.get_secret_value(), "***") if self._key is not None else text


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of names that come once each; of a name that comes twice nobody knows which value counts."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name comes twice")
    return made


def _refusal(response: httpx.Response) -> str | None:
    """Return why an answer speaks for the provider as a whole, if it does."""
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        after = response.headers.get("Retry-After")
        return "429, too many requests" + (f"; it asks to wait {after} s" if after else "")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"{status}: the key is not accepted, or has no right to this; see the block's `api_key`"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"{status}: the provider has a fault of its own"
    if response.is_redirect:
        return f"{status}: it sends us elsewhere; see the block's `base_url`"
    return None
