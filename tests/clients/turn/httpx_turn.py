"""One streamed turn with httpx over HTTP/2: prints the answer's text; an error goes to standard error."""

import sys

import httpx
from openai_shape import body, text


def main(prompt):
    with httpx.Client(http2=True, timeout=60) as client:
        with client.stream("POST", "https://api.openai.com/v1/chat/completions", json=body(prompt)) as reply:
            if reply.status_code != 200:
                sys.exit(f"{reply.status_code} {reply.read().decode()}")
            if reply.http_version != "HTTP/2":
                sys.exit(f"expected HTTP/2, got {reply.http_version}")
            for line in reply.iter_lines():
                print(text(line.encode()), end="", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
