// One streamed turn with Node's fetch: prints the answer's text; an error goes to standard error.

const readline = require("node:readline");
const { Readable } = require("node:stream");

async function main(prompt) {
  const messages = [{ role: "user", content: prompt }];
  const reply = await fetch("https://api.openai.com/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o-mini", stream: true, messages }),
  });
  if (reply.status !== 200) throw new Error(`${reply.status} ${await reply.text()}`);
  for await (const line of readline.createInterface({ input: Readable.fromWeb(reply.body) })) {
    if (line.startsWith("data: {")) {
      process.stdout.write(JSON.parse(line.slice(6)).choices[0]?.delta.content ?? "");
    }
  }
}

main(process.argv[2]);
