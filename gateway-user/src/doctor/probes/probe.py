# Shakes hands with a server on loopback under another name, once per TLS client library that is installed.
# Prints one line for each: `gateway-doctor {"client", "runtime", "ok", "error"}`. Python 3.6 and newer.
import sys

# The working directory is not where the program's own modules are.
sys.path[:] = [folder for folder in sys.path if folder]

import importlib.util
import json
import platform
import socket

host, port = sys.argv[1], int(sys.argv[2])
url = "https://%s:%d/" % (host, port)


def here(*_arguments, **_named):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


socket.getaddrinfo = here


def by_ssl():
    import ssl

    with socket.create_connection((host, port), 10) as plain:
        with ssl.create_default_context().wrap_socket(plain, server_hostname=host):
            pass


def by_httpx(name):
    with importlib.import_module(name).Client(timeout=10) as client:
        client.get(url)


def by_requests():
    import requests

    requests.get(url, timeout=10)


def by_aiohttp():
    import asyncio

    import aiohttp

    async def ask():
        # The resolver that asks the system, not one that speaks DNS itself.
        connector = aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver())
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.get(url):
                pass

    asyncio.run(asyncio.wait_for(ask(), 10))


clients = [
    ("ssl", by_ssl),
    ("httpx", lambda: by_httpx("httpx")),
    ("httpx2", lambda: by_httpx("httpx2")),
    ("requests", by_requests),
    ("aiohttp", by_aiohttp),
]
for name, attempt in clients:
    if importlib.util.find_spec(name) is None:
        continue
    found = {"client": name, "runtime": "Python " + platform.python_version(), "ok": True, "error": ""}
    try:
        attempt()
    except BaseException as error:
        while not isinstance(error, OSError) and (error.__cause__ or error.__context__):
            error = error.__cause__ or error.__context__
        found.update(ok=False, error="%s: %s" % (type(error).__name__, error))
    print("gateway-doctor " + json.dumps(found), flush=True)
