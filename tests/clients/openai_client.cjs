// An ordinary program on the OpenAI SDK for Node: asks once, prints what it got as JSON.

const OpenAI = require(require.resolve("openai", { paths: [process.env.SDK_FOLDER] }));

const TOOL = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};

async function main(mode, prompt) {
  const out = { text: "", chunks: 0, tool: null, arguments: "", finish: null, status: null, error: null };
  const messages = [{ role: "user", content: prompt }];
  const client = new OpenAI();
  const ask = (more) => client.chat.completions.create({ model: "gpt-4o-mini", messages, ...more });
  try {
    if (mode === "whole") {
      const answer = await ask({});
      out.text = answer.choices[0].message.content;
      out.finish = answer.choices[0].finish_reason;
    } else if (mode === "stream") {
      await read(await ask({ stream: true }), out);
    } else {
      await read(await ask({ stream: true, tools: [TOOL] }), out);
      const call = { name: out.tool, arguments: out.arguments };
      messages.push({ role: "assistant", tool_calls: [{ id: "call_1", type: "function", function: call }] });
      messages.push({ role: "tool", tool_call_id: "call_1", content: "sunny" });
      await read(await ask({ stream: true, tools: [TOOL] }), out);
    }
  } catch (error) {
    out.status = error.status ?? null;
    out.error = `${error} ${error.cause ?? ""}`;
  }
  console.log(JSON.stringify(out));
}

async function read(stream, out) {
  for await (const chunk of stream) {
    for (const choice of chunk.choices) {
      out.chunks += 1;
      out.text += choice.delta.content ?? "";
      out.finish = choice.finish_reason ?? out.finish;
      for (const call of choice.delta.tool_calls ?? []) {
        out.tool = call.function.name ?? out.tool;
        out.arguments += call.function.arguments ?? "";
      }
    }
  }
}

main(...process.argv.slice(2));
