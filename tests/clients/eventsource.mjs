// `eventsource` of npm: the browser's interface for Node.
import { EventSource } from "eventsource";

import { addressOf, listen } from "./listen.mjs";

const { url, key, streams } = JSON.parse(process.env.CLIENT_TASK);
const withKey = (address, init) =>
  fetch(address, { ...init, headers: { ...init.headers, authorization: `Bearer ${key}` } });

for (const [stream, cursor] of Object.entries(streams)) {
  listen(EventSource, addressOf(url, cursor), stream, { fetch: withKey }, (line) =>
    console.log(JSON.stringify(line)),
  );
}
