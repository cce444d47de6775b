"""One streamed turn with aiohttp: prints the answer's text; an error goes to standard error."""

import asyncio
import sys

import aiohttp
from openai_shape import body, text


async def main():
    async with aiohttp.ClientSession() as session:
        async with session.post("https://api.openai.com/v1/chat/completions", json=body(sys.argv[1])) as reply:
            if reply.status != 200:
                sys.exit(f"{reply.status} {await reply.text()}")
            async for line in reply.content:
                print(text(line), end="", flush=True)


asyncio.run(main())
