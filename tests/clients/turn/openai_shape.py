"""What programs without an SDK share: the request's body, and the text in a line of the stream."""

import json


def body(prompt):
    messages = [{"role": "user", "content": prompt}]
    return {"model": "gpt-4o-mini", "stream": True, "messages": messages}


def text(line):
    if not line.startswith(b"data: {"):
        return ""
    choices = json.loads(line[6:])["choices"]
    return choices[0]["delta"].get("content") or "" if choices else ""
