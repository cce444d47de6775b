"""One streamed turn with requests: prints the answer's text; an error goes to standard error."""

import sys

import requests
from openai_shape import body, text

with requests.post(
    "https://api.openai.com/v1/chat/completions", json=body(sys.argv[1]), stream=True, timeout=60
) as reply:
    if reply.status_code != 200:
        sys.exit(f"{reply.status_code} {reply.text}")
    for line in reply.iter_lines():
        print(text(line), end="", flush=True)
