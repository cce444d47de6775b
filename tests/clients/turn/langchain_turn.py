"""One streamed turn with LangChain: prints the answer's text; an error goes to standard error."""

import sys

from langchain_openai import ChatOpenAI

for chunk in ChatOpenAI(model="gpt-4o-mini").stream(sys.argv[1]):
    print(chunk.content, end="", flush=True)
