"""What is not the protocol: on the gateway's socket, and on the client's."""

import asyncio
import logging

import pytest
from gateway_client import until

from ib_gateway.scenarios import Fault, Scenario
from ib_gateway.wire import Reader, WireError, fields_of, frame, spelt


async def reply_to(gateway, raw):
    """Send bytes and return what comes until the gateway closes the socket."""
    reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
    writer.write(raw)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


HELLO = b"API\0" + (9).to_bytes(4, "big") + b"v157..178"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "an API client says"),
        (b"API\0" + (2**31).to_bytes(4, "big"), "a greeting of 2147483648 bytes"),
        (b"API\0" + (5).to_bytes(4, "big") + b"hello", "was expected"),
        (b"API\0" + (8).to_bytes(4, "big") + b"v100..15", "before 157 are not spoken"),
        (HELLO + (2**31).to_bytes(4, "big"), "a frame of 2147483648 bytes"),
        (HELLO + (3).to_bytes(4, "big") + b"71x", "does not end with NUL"),
        (HELLO + (3).to_bytes(4, "big") + b"\xff\xfe\x00", "not UTF-8"),
        (HELLO + frame(["nonsense", 1]), "is not a number"),
        (HELLO + frame([71, 2, 0]) + frame([3, 1, "AAPL"]), "ends after"),
    ],
)
async def test_what_is_no_message_closes_the_socket_with_a_clear_log(open_gateway, caplog, raw, words):
    gateway = await open_gateway()
    caplog.set_level(logging.WARNING, "ib_gateway")

    await reply_to(gateway, raw)

    assert words in caplog.text
    assert gateway.sockets == set()


async def test_a_bad_neighbour_leaves_the_others_alone(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)

    await reply_to(gateway, HELLO + (2**31).to_bytes(4, "big"))

    assert await ib.reqCurrentTimeAsync()


async def test_requests_before_the_session_and_unknown_ones_are_answered_with_an_error(open_gateway):
    gateway = await open_gateway()
    reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
    writer.write(HELLO + frame([5, 1]) + frame([71, 2, 1, ""]) + frame([999, 1]))

    await until(lambda: len([m for m in gateway.wire_log if m.name == "error"]) >= 5)

    codes = [m.fields[2] for m in gateway.wire_log if m.name == "error"]
    assert codes[0] == "504"
    assert codes[-1] == "320"
    writer.close()
    del reader


@pytest.mark.parametrize("do", ["garbage", "huge_frame"])
async def test_what_no_gateway_should_send_does_not_stop_the_gateway(lib, open_gateway, connect, do):
    gateway = await open_gateway(Scenario(faults=(Fault(on="currentTime", do=do, times=1),)))
    ib = await connect(gateway)
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    logging.getLogger("ib_insync").setLevel(logging.CRITICAL)

    await ib.reqCurrentTimeAsync()
    other = await connect(gateway, 2)

    assert await other.reqCurrentTimeAsync()


async def test_a_new_connection_is_no_client_before_its_session_starts(open_gateway):
    gateway = await open_gateway()
    reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
    writer.write(HELLO)

    head = await reader.readexactly(4)
    version, _ = fields_of(await reader.readexactly(int.from_bytes(head, "big")))

    assert version == "178"
    assert gateway.clients == []
    writer.close()


@pytest.mark.parametrize(
    ("value", "field"),
    [(True, "1"), (False, "0"), (None, ""), (100.0, "100.0"), (float("inf"), "Infinite"), (7, "7"), ("a", "a")],
)
def test_values_are_spelt_as_the_protocol_says(value, field):
    assert spelt(value) == field


def test_unset_values_are_read_as_absent():
    message = Reader(["", "2147483647", "1.7976931348623157E308", "Infinite", "1"])

    assert (message.integer(5), message.integer(6), message.real(7.0)) == (5, 6, 7.0)
    assert message.real() == float("inf")
    assert message.boolean() is True
    with pytest.raises(WireError, match="ends after 5 fields"):
        message.text()
