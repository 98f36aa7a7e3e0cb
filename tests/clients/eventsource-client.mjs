// `eventsource-client` of npm: an interface of its own, on fetch.
import { createEventSource } from "eventsource-client";

const { url, key, streams } = JSON.parse(process.env.CLIENT_TASK);

for (const [stream, cursor] of Object.entries(streams)) {
  createEventSource({
    url: `${url}/v1/stream`,
    headers: { authorization: `Bearer ${key}` },
    initialLastEventId: cursor,
    onMessage: ({ event = "message", id, data }) =>
      console.log(JSON.stringify({ stream, event, id, data })),
    onDisconnect: () => console.log(JSON.stringify({ stream, event: "error", closed: false })),
  });
}
