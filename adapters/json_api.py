"""One HTTP address that answers JSON: every way in which it can fail to is one error, and no key is in any of them."""

import json
import logging
import re
import ssl
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import SecretStr

from adapters.source_budget import SourceBudget
from trading.errors import InvalidValue, SourceUnavailable

_SHOWN = 200  # characters of a wrong answer


def _hide_query(record: logging.LogRecord) -> bool:
    """Take the query, and so the key, off the addresses that httpx logs."""
    if isinstance(record.args, tuple):
        record.args = tuple(arg.copy_with(query=None) if isinstance(arg, httpx.URL) else arg for arg in record.args)
    return True


class JsonApi:
    """Asks for JSON, or another text, one request at a time.

    Args:
        name: of the provider, in messages.
        base_url: without the path.
        key: added to every request as the parameter `key_parameter`; never in a message.
        timeout: for each request: to connect, and between two bytes.
        budget: each request is taken from it; None when nothing has to be counted.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        key: SecretStr | None = None,
        key_parameter: str = "apikey",
        timeout: timedelta = timedelta(seconds=10),
        budget: SourceBudget | None = None,
    ) -> None:
        if key is not None and (not key.get_secret_value() or re.search(r"\s", key.get_secret_value())):
            raise InvalidValue(f"key of {name}", "***", "not empty, and without spaces and line ends")
        logging.getLogger("httpx").addFilter(_hide_query)  # the same one again changes nothing
        self._name, self._base_url = name, base_url.rstrip("/")
        self._key, self._key_parameter, self._budget = key, key_parameter, budget
        try:
            httpx.URL(base_url)
        except httpx.InvalidURL as exc:
            raise InvalidValue(
                f"base_url of {name}", base_url, f"an address, such as https://host:port ({exc})"
            ) from None
        self._client = httpx.Client(timeout=timeout.total_seconds(), follow_redirects=False, verify=_certificates())

    def get(self, path: str, parameters: Mapping[str, str]) -> tuple[int, Any]:
        """Return the status and the answer's JSON; an answer of 4xx has a meaning only its asker knows.

        Raises:
            SourceUnavailable: as `get_text`, or something that is not JSON.
        """
        answer = self._answer(path, parameters)
        try:
            return answer.status_code, json.loads(answer.content, object_pairs_hook=_each_once)
        except (ValueError, RecursionError):
            why = f"{answer.status_code} and no JSON: {_shown(answer, self._key)}"
        raise SourceUnavailable(self._name, f"{path}: {why}")

    def get_text(self, path: str, parameters: Mapping[str, str]) -> tuple[int, str]:
        """Return the status and the answer as it came; it may repeat the key.

        Raises:
            SourceUnavailable: no answer, 401, 403, 429, 5xx, a redirection, or no room in the budget.
        """
        answer = self._answer(path, parameters)
        return answer.status_code, answer.text

    def _answer(self, path: str, parameters: Mapping[str, str]) -> httpx.Response:
        if self._budget is not None:
            self._budget.take(self._name)
        secret = {self._key_parameter: self._key.get_secret_value()} if self._key is not None else {}
        answer = _asked(self._client, self._base_url + path, {**parameters, **secret})
        why = answer if isinstance(answer, str) else _refusal(answer, self._key)
        if why is None and isinstance(answer, httpx.Response):
            return answer
        raise SourceUnavailable(self._name, f"{path}: {why}")


def without_key(text: str, key: SecretStr | None) -> str:
    """Return a foreign text without the key, which some providers repeat in any case."""
    return re.sub(re.escape(key.get_secret_value()), "***", text, flags=re.IGNORECASE) if key is not None else text


@cache
def _certificates() -> ssl.SSLContext:
    """Return those that may vouch for a server; to read them takes longer than most requests."""
    return httpx.create_ssl_context()


def _asked(client: httpx.Client, url: str, parameters: Mapping[str, str]) -> httpx.Response | str:
    """Return the answer, or why there is none; no error with the address, and so the key, leaves this."""
    try:
        return client.get(url, params=parameters)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        return f"{type(exc).__name__} {exc}".rstrip()


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of names that come once each; of a name that comes twice nobody knows which value counts."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name comes twice")
    return made


def _shown(answer: httpx.Response, key: SecretStr | None) -> str:
    return repr(" ".join(without_key(answer.text, key).split())[:_SHOWN])


def refusal(status: int, retry_after: str | None = None, said: str = "") -> str | None:
    """Return why an answer of that status speaks for the provider as a whole, if it does; `said` is without the key."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "429, too many requests" + (f"; it asks to wait {retry_after} s" if retry_after else "")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        told = f"; it says {said}" if said else ""
        return f"{status}: the key is not accepted, or has no right to this; see the block's `api_key`{told}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"{status}: the provider has a fault of its own"
    return None


def _refusal(response: httpx.Response, key: SecretStr | None) -> str | None:
    if response.is_redirect:
        return f"{response.status_code}: it sends us elsewhere; see the block's `base_url`"
    said = _shown(response, key) if response.content else ""
    return refusal(response.status_code, response.headers.get("Retry-After"), said)
