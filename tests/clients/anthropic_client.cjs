// An ordinary program on the Anthropic SDK for Node: asks once, prints what it got as JSON.

const Anthropic = require(require.resolve("@anthropic-ai/sdk", { paths: [process.env.SDK_FOLDER] }));

const BASE = { model: "claude-sonnet-4-5", max_tokens: 4096 };
const TOOL = { name: "weather", input_schema: { type: "object", properties: { city: { type: "string" } } } };

async function main(mode, prompt) {
  const out = { text: "", chunks: 0, tool: null, arguments: "", finish: null, status: null, error: null };
  const messages = [{ role: "user", content: prompt }];
  const client = new Anthropic();
  try {
    if (mode === "whole") {
      const answer = await client.messages.create({ ...BASE, messages });
      out.text = answer.content[0].text;
      out.finish = answer.stop_reason;
    } else if (mode === "stream") {
      await read(client.messages.stream({ ...BASE, messages }), out);
    } else {
      const answer = await read(client.messages.stream({ ...BASE, messages, tools: [TOOL] }), out);
      messages.push({ role: "assistant", content: answer.content });
      const result = { type: "tool_result", tool_use_id: answer.content[0].id, content: "sunny" };
      messages.push({ role: "user", content: [result] });
      await read(client.messages.stream({ ...BASE, messages, tools: [TOOL] }), out);
    }
  } catch (error) {
    out.status = error.status ?? null;
    out.error = `${error} ${error.cause ?? ""}`;
  }
  console.log(JSON.stringify(out));
}

async function read(stream, out) {
  for await (const event of stream) {
    if (event.type === "content_block_delta") {
      out.chunks += 1;
      out.text += event.delta.text ?? "";
      out.arguments += event.delta.partial_json ?? "";
    }
  }
  const answer = await stream.finalMessage();
  out.finish = answer.stop_reason;
  for (const block of answer.content) {
    if (block.type === "tool_use") out.tool = block.name;
  }
  return answer;
}

main(...process.argv.slice(2));
