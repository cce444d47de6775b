"""One streamed turn with LiteLLM: prints the answer's text; an error goes to standard error."""

import sys

import litellm

litellm.suppress_debug_info = True
for chunk in litellm.completion(
    model="openai/gpt-4o-mini", messages=[{"role": "user", "content": sys.argv[1]}], stream=True
):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
