"""A program that prefers HTTP/3: where QUIC is refused it says so and asks again over HTTP/2.

Arguments: the prompt, and a file with roots for QUIC, which knows no environment variable for them.
"""

import asyncio
import sys

import httpx_turn
from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived
from aioquic.quic.configuration import QuicConfiguration


class Client(QuicConnectionProtocol):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.http, self.text = H3Connection(self._quic), b""
        self.ended = asyncio.get_running_loop().create_future()

    def error_received(self, error):
        if not self.ended.done():
            self.ended.set_exception(error)

    def quic_event_received(self, event):
        for one in self.http.handle_event(event):
            if isinstance(one, DataReceived):
                self.text += one.data
                if one.stream_ended:
                    self.ended.set_result(self.text)

    async def ask(self, host):
        self.transmit()
        established = asyncio.ensure_future(self.wait_connected())
        await asyncio.wait([established, self.ended], return_when=asyncio.FIRST_COMPLETED)
        if not self.ended.done():
            stream = self._quic.get_next_available_stream_id()
            names = {":method": "GET", ":scheme": "https", ":authority": host, ":path": "/"}
            self.http.send_headers(stream, [(n.encode(), v.encode()) for n, v in names.items()], True)
            self.transmit()
        return await self.ended


async def over_quic(host, roots):
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=True)
    configuration.load_verify_locations(roots)
    async with connect(host, 443, configuration=configuration, create_protocol=Client, wait_connected=False) as client:
        return await client.ask(host)


def main(prompt, roots):
    try:
        print(asyncio.run(over_quic("api.openai.com", roots)).decode())
    except OSError as error:
        print(f"QUIC: {error}", file=sys.stderr)
        httpx_turn.main(prompt)


main(*sys.argv[1:])
