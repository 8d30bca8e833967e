// Follows one stream, over as many connections as it takes.
//
// Not an EventSource: that one shows only events whose names it was told before, hides comments and the delay that
// the server asked for, says nothing about why it was refused, and gives up for ever on a 502. The rules are those of
// https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6.

const RETRY = 3000;            // a browser's own delay before it asks again
const MAX_LINE = 8 * 2 ** 20;  // characters; a line longer than this is nothing that a bridge sends
const SILENCE = 90000;         // six heartbeats of the default 15 s; a connection that is quieter than that is dead

// Reads the bytes of one connection; `on.event`, `on.comment`, `on.retry` and `on.id` are called as lines complete.
export class Decoder {
  constructor(on, id = "") {
    this.on = on;
    this.id = id;
    this.text = new TextDecoder();   // drops a BOM at the start, and turns bad bytes into U+FFFD
    this.rest = "";
    this.name = "";
    this.data = [];
  }

  feed(bytes) {
    const text = this.rest + this.text.decode(bytes, { stream: true });
    const ends = /\r\n|\n|\r/g;
    let start = 0;
    for (let end; (end = ends.exec(text)); start = ends.lastIndex) {
      if (end[0] === "\r" && ends.lastIndex === text.length) break;   // its LF may be the next byte
      this.line(text.slice(start, end.index));
    }
    this.rest = text.slice(start);
    if (this.rest.length > MAX_LINE) throw new Error("a line without an end");
  }

  line(line) {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return this.on.comment(line.slice(1));
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "data") this.data.push(value);
    else if (field === "event") this.name = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.on.retry(Number(value));
  }

  dispatch() {
    const { name, data } = this;
    this.name = "";
    this.data = [];
    this.on.id(this.id);
    if (data.length) this.on.event({ name: name || "message", data: data.join("\n"), id: this.id });
  }
}

// Calls `on.state(word, detail)` and the decoder's callbacks until `signal` is aborted or the stream is over for good.
export async function follow(url, signal, on) {
  const position = { id: "", retry: RETRY };
  const heard = {
    ...on,
    id: (id) => (position.id = id),
    retry: (delay) => (position.retry = Math.min(delay, 2 ** 31 - 1)),
  };
  while (!signal.aborted) {
    on.state("connecting", "");
    let why = "the connection ended";
    try {
      const over = await once(url, signal, heard, position);
      if (over) return on.state(...over);
    } catch (error) {
      if (signal.aborted) return;
      why = error.message;
    }
    const delay = position.retry;
    on.state("reconnecting", `${why}; again in ${(delay / 1000).toFixed(1)} s`);
    await pause(delay, signal);
  }
}

// Reads one connection to its end. Returns the last state where there is nothing to come back for.
async function once(url, signal, on, position) {
  const headers = { Accept: "text/event-stream" };
  if (position.id) headers["Last-Event-ID"] = position.id;
  const own = new AbortController();
  const leave = () => own.abort();
  signal.addEventListener("abort", leave);
  try {
    const response = await fetch(url, { headers, cache: "no-store", signal: own.signal });
    const final = await verdict(response);
    if (final) return final;
    if (!response.ok) throw new Error(`answered ${response.status}`);
    on.state("live", "");
    await read(response.body.getReader(), own, new Decoder(on, position.id));
    return null;
  } finally {
    signal.removeEventListener("abort", leave);
    own.abort();
  }
}

// 204 and a refusal are for good; a server's own trouble (5xx, 429) passes, although a browser's EventSource gives up.
async function verdict(response) {
  if (response.status === 204) return ["ended", "the stream is over"];
  if (response.status >= 400 && response.status < 500 && response.status !== 429) {
    const reason = (await response.text()).slice(0, 500);
    return ["refused", `${response.status} ${reason}`.trim()];
  }
  const type = response.headers.get("Content-Type") ?? "";
  return response.ok && !type.startsWith("text/event-stream") ? ["refused", `not a stream: ${type || "no type"}`] : null;
}

async function read(reader, own, decoder) {
  for (;;) {
    const watch = setTimeout(() => own.abort(new Error("silent for too long")), SILENCE);
    try {
      const { done, value } = await reader.read();
      if (done) return;
      decoder.feed(value);
    } finally {
      clearTimeout(watch);
    }
  }
}

function pause(delay, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delay);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
