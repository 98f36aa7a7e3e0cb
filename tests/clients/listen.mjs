// What a page does with an EventSource: the npm package and Chromium have the same interface.
// Reconnecting is left to it alone. The function is also sent to Chromium as text: it may use
// nothing but its arguments.
export function listen(EventSource, address, stream, options, report) {
  const source = new EventSource(address, options);
  for (const event of ["message", "ready", "reset", "bye"]) {
    source.addEventListener(event, ({ data, lastEventId }) =>
      report({ stream, event, id: lastEventId, data }),
    );
  }
  source.onerror = () => report({ stream, event: "error", closed: source.readyState === 2 });
}

// An EventSource has no other way to begin at a cursor that it has not been sent itself.
export function addressOf(url, cursor) {
  return `${url}/v1/stream?last_event_id=${encodeURIComponent(cursor)}`;
}
