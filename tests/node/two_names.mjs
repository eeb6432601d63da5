// One HTTP/2 server over TLS with a certificate for two names, which says of itself that it answers for
// both, and that it is also to be found elsewhere. For tests of whether a client mixes them up.
//
// Usage: node two_names.mjs PORT ELSEWHERE REPORT    the server, where it claims to be, and what it saw

import fs from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";

const [port, elsewhere, report] = process.argv.slice(2).map(Number);
const file = (name) => fs.readFileSync(new URL(`tls/${name}`, import.meta.url));
const sessions = [];
let visits = 0;

const document = (authority) => ({
  openapi: "3.1.0",
  info: { title: "Named", version: "1" },
  servers: [{ url: `https://${authority}` }],
  paths: { "/thing": { get: { operationId: "thing" } } },
});

const server = http2.createSecureServer({ key: file("server.key"), cert: file("server.pem") });
server.on("session", (session) => {
  const seen = { authorities: [], alpn: session.alpnProtocol };
  sessions.push(seen);
  session.origin(`https://localhost:${port}`, `https://127.0.0.1:${port}`);
  session.altsvc(`h2="127.0.0.1:${elsewhere}"`, `https://localhost:${port}`);
  session.on("stream", (stream, headers) => {
    const authority = headers[":authority"];
    seen.authorities.push(authority);
    const isDocument = headers[":path"] === "/openapi.json";
    stream.respond({
      ":status": 200,
      "content-type": "application/json",
      "alt-svc": `h2="127.0.0.1:${elsewhere}"; ma=3600, h3=":${elsewhere}"`,
    });
    stream.end(JSON.stringify(isDocument ? document(authority) : { authority }));
  });
});
server.listen(port, "127.0.0.1");

net.createServer((socket) => {
  visits += 1;
  socket.on("error", () => {});
  socket.destroy();
}).listen(elsewhere, "127.0.0.1");

http.createServer((_, response) => response.end(JSON.stringify({ sessions, visits }))).listen(report, "127.0.0.1");
