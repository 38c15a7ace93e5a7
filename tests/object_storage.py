"""Object storage that speaks S3 on loopback."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, Thread

import httpx
from pydantic import SecretStr

KEY, SECRET = "AKIAOPENBELLTESTKEY0", "never/tell+this/secret/of/object/storage"
BUCKET = "bars"


@dataclass(frozen=True, slots=True)
class ObjectStorage:
    """A server with one bucket.

    Attributes:
        conditional_puts: keys of objects that were written only where there was none.
    """

    url: str
    conditional_puts: list[str]

    def options(self, secret: str = SECRET) -> dict[str, SecretStr]:
        return {
            "aws_access_key_id": SecretStr(KEY),
            "aws_secret_access_key": SecretStr(secret),
            "aws_endpoint_url": SecretStr(self.url),
            "aws_region": SecretStr("us-east-1"),
            "aws_allow_http": SecretStr("true"),
            "max_retries": SecretStr("1"),
        }

    def require_known_keys(self, wanted: bool) -> None:
        """Let the server look at credentials, of which it knows none, or let everyone in."""
        httpx.post(f"{self.url}/moto-api/reset-auth", content="0" if wanted else "inf").raise_for_status()


class OneWriteAtATime:
    """Lets a conditional put be what it is at S3, one step: moto looks first and writes then."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app, self._lock, self.conditional_puts = app, Lock(), list[str]()

    def __call__(self, environ: dict[str, object], start_response: Callable[..., object]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "PUT":
            return self._app(environ, start_response)
        if environ.get("HTTP_IF_NONE_MATCH") == "*":
            self.conditional_puts.append(str(environ["PATH_INFO"]))
        with self._lock:
            return list(self._app(environ, start_response))


@contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    import boto3  # here, as the children that write to it need none of it
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = OneWriteAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.port}"
    boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET
    ).create_bucket(Bucket=BUCKET)
    try:
        yield ObjectStorage(url, app.conditional_puts)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
