"""An ordinary program on the Anthropic SDK: asks once, prints what it got as JSON."""

import json
import sys

import anthropic

MODEL = "claude-sonnet-4-5"
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def main(mode, prompt):
    out = {"text": "", "chunks": 0, "tool": None, "arguments": "", "finish": None, "status": None, "error": None}
    messages = [{"role": "user", "content": prompt}]
    client = anthropic.Anthropic()
    try:
        if mode == "whole":
            answer = client.messages.create(model=MODEL, max_tokens=4096, messages=messages)
            out["text"], out["finish"] = answer.content[0].text, answer.stop_reason
        elif mode == "stream":
            read(client, out, messages=messages)
        else:
            answer = read(client, out, messages=messages, tools=[TOOL])
            messages.append({"role": "assistant", "content": [block.model_dump() for block in answer.content]})
            result = {"type": "tool_result", "tool_use_id": answer.content[0].id, "content": "sunny"}
            messages.append({"role": "user", "content": [result]})
            read(client, out, messages=messages, tools=[TOOL])
    except anthropic.APIStatusError as error:
        out["status"], out["error"] = error.status_code, str(error)
    except anthropic.AnthropicError as error:
        out["error"] = repr(error) + repr(error.__cause__)
    print(json.dumps(out))


def read(client, out, **request):
    with client.messages.stream(model=MODEL, max_tokens=4096, **request) as stream:
        for event in stream:
            if event.type == "content_block_delta":
                out["chunks"] += 1
                out["text"] += getattr(event.delta, "text", "")
                out["arguments"] += getattr(event.delta, "partial_json", "")
        answer = stream.get_final_message()
    out["finish"] = answer.stop_reason
    for block in answer.content:
        if block.type == "tool_use":
            out["tool"] = block.name
    return answer


main(*sys.argv[1:])
