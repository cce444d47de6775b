// Shakes hands with a server on loopback under another name; for Node, Bun and Deno.
// Prints one line: `gateway-doctor {"client", "runtime", "ok", "error"}`.
const tls = globalThis.process?.getBuiltinModule?.("node:tls") ?? require("node:tls");
const [host, port] = process.argv.slice(-2);
const name = globalThis.Bun ? "Bun " + Bun.version : globalThis.Deno ? "Deno " + Deno.version.deno : "Node " + process.versions.node;
const tell = (ok, error) => {
  console.log("gateway-doctor " + JSON.stringify({ client: "", runtime: name, ok, error }));
  process.exit(0);
};
const socket = tls.connect({ host: "127.0.0.1", port: Number(port), servername: host, ALPNProtocols: ["http/1.1"] });
socket.on("secureConnect", () => tell(true, ""));
socket.on("error", (error) => tell(false, (error.code ? error.code + ": " : "") + error.message));
socket.setTimeout(10000, () => tell(false, "no answer within 10 s"));
