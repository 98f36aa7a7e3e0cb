// The EventSource of a real browser, in a page of the server itself. Chromium is driven over its
// own pipe, which needs no package, and ends when that pipe closes.
import { spawn } from "node:child_process";

import { addressOf, listen } from "./listen.mjs";

const { url, key, streams, folder } = JSON.parse(process.env.CLIENT_TASK);
const browser = spawn(
  "chromium",
  [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    `--user-data-dir=${folder}`, "--remote-debugging-pipe", "about:blank",
  ],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
);
browser.on("exit", (code) => process.exit(code ?? 1));
const [, , , toBrowser, fromBrowser] = browser.stdio;
process.on("SIGTERM", () => toBrowser.end());

// The DevTools protocol: JSON between NUL bytes; answers carry the number of their request.
const waiting = new Map();
let count = 0;
function call(method, params = {}, sessionId = undefined) {
  count += 1;
  toBrowser.write(JSON.stringify({ id: count, method, params, sessionId }) + "\0");
  return new Promise((resolve, reject) => waiting.set(count, { resolve, reject }));
}

let loaded;
const pageLoaded = new Promise((resolve) => (loaded = resolve));
function take({ id, method, params, result, error }) {
  if (method === "Runtime.bindingCalled") console.log(params.payload);
  if (method === "Page.loadEventFired") loaded();
  if (id === undefined) return;
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error) reject(new Error(JSON.stringify(error)));
  else resolve(result);
}

let rest = "";
fromBrowser.setEncoding("utf8").on("data", (text) => {
  const messages = (rest + text).split("\0");
  rest = messages.pop();
  messages.forEach((message) => take(JSON.parse(message)));
});

// Runs in the page. A browser cannot send a key with an EventSource: it asks for the cookie once.
async function inPage(listen, key, addresses) {
  const answer = await fetch("/v1/stream-tickets", {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ cookie: true }),
  });
  if (answer.status !== 201) throw new Error(`no cookie: ${answer.status}`);
  for (const [stream, address] of Object.entries(addresses)) {
    listen(EventSource, address, stream, undefined, (line) => report(JSON.stringify(line)));
  }
}

const { targetInfos } = await call("Target.getTargets");
const { targetId } = targetInfos.find(({ type }) => type === "page");
const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
await call("Page.enable", {}, sessionId);
await call("Runtime.enable", {}, sessionId);
await call("Runtime.addBinding", { name: "report" }, sessionId);
await call("Page.navigate", { url: `${url}/docs/` }, sessionId);
await pageLoaded;
const addresses = Object.fromEntries(
  Object.entries(streams).map(([stream, cursor]) => [stream, addressOf("", cursor)]),
);
const { exceptionDetails } = await call(
  "Runtime.evaluate",
  {
    expression: `(${inPage})(${listen}, ${JSON.stringify(key)}, ${JSON.stringify(addresses)})`,
    awaitPromise: true,
  },
  sessionId,
);
if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
