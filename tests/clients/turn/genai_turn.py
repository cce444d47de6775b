"""One streamed turn with Google's Gen AI SDK: prints the answer's text; an error goes to standard error."""

import sys

from google import genai

client = genai.Client()
for chunk in client.models.generate_content_stream(model="gemini-2.5-flash", contents=sys.argv[1]):
    print(chunk.text or "", end="", flush=True)
