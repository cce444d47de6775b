"""An ordinary program on the OpenAI SDK: asks once, prints what it got as JSON."""

import json
import sys

import openai

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def main(mode, prompt):
    out = {"text": "", "chunks": 0, "tool": None, "arguments": "", "finish": None, "status": None, "error": None}
    messages = [{"role": "user", "content": prompt}]
    client = openai.OpenAI()
    try:
        if mode == "whole":
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
            out["text"] = answer.choices[0].message.content
            out["finish"] = answer.choices[0].finish_reason
        elif mode == "stream":
            read(client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True), out)
        else:
            read(client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True, tools=[TOOL]), out)
            call = {"name": out["tool"], "arguments": out["arguments"]}
            messages.append({"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]})
            messages.append({"role": "tool", "tool_call_id": "call_1", "content": "sunny"})
            read(client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True, tools=[TOOL]), out)
    except openai.APIStatusError as error:
        out["status"], out["error"] = error.status_code, str(error)
    except openai.OpenAIError as error:
        out["error"] = repr(error) + repr(error.__cause__)
    print(json.dumps(out))


def read(stream, out):
    for chunk in stream:
        for choice in chunk.choices:
            out["chunks"] += 1
            out["text"] += choice.delta.content or ""
            out["finish"] = choice.finish_reason or out["finish"]
            for call in choice.delta.tool_calls or []:
                out["tool"] = call.function.name or out["tool"]
                out["arguments"] += call.function.arguments or ""


main(*sys.argv[1:])
