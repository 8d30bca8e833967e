// One stream on the page: its rows, its counters, its buttons.

import { follow } from "./stream.js";
import { element, plain, show } from "./text.js";

const MAX_ROWS = 500;       // in the page; older ones leave it, so that a long day does not fill the memory
const MAX_WAITING = 500;    // not yet painted: while paused, or in a tab that nobody looks at
const RATE_SECONDS = 5;     // the rate is over so many seconds
const NEAR_END = 48;        // pixels; whoever is this near to the newest row follows it

export class Panel {
  constructor(path, url, template, onclose) {
    this.path = path;
    this.url = url;
    this.onclose = onclose;
    this.root = template.content.firstElementChild.cloneNode(true);
    this.rows = this.find(".rows");
    this.waiting = [];
    this.skipped = 0;
    this.counts = { events: 0, gaps: 0, last: "" };
    this.recent = [];
    this.paused = false;
    this.following = true;   // the newest row; until somebody scrolls up to read
    this.pretty = true;
    this.filter = "";
    this.leave = new AbortController();
    this.dress();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  dress() {
    this.root.setAttribute("aria-label", `Stream ${this.path}`);
    this.find("h2").append(...plain(this.path));
    this.rows.setAttribute("aria-label", `Events of ${this.path}`);
    this.find(".find").setAttribute("aria-label", `Filter events of ${this.path}`);
    this.find(".close").onclick = () => this.close();
    this.find(".pause").onclick = () => this.pause();
    this.find(".pretty").onclick = () => this.indent();
    this.find(".clear").onclick = () => this.clear();
    this.find(".latest").onclick = () => this.scroll();
    this.find(".find").oninput = (event) => this.narrow(event.target.value);
    this.rows.onscroll = () => this.scrolled();
    new ResizeObserver(() => this.following && this.scroll()).observe(this.rows);
  }

  start() {
    follow(this.url, this.leave.signal, {
      state: (state, detail) => this.state(state, detail),
      event: (event) => this.event(event),
      comment: () => this.beat(),
      id: () => {},
      retry: () => {},
    });
    this.clock = setInterval(() => this.count(), 1000);
  }

  close() {
    this.leave.abort();
    clearInterval(this.clock);
    this.root.remove();
    this.onclose(this);
  }

  state(state, detail) {
    this.isLive = state === "live";
    const pill = this.find(".state");
    pill.dataset.state = pill.textContent = state;
    pill.title = detail;
    if (state === "refused" || state === "ended" || state === "reconnecting") this.add({ kind: state, data: detail });
  }

  // A heartbeat is a comment by default: the dot blinks, so that one sees a quiet stream is alive.
  beat() {
    this.find(".state").animate?.([{ opacity: 0.35 }, { opacity: 1 }], 600);
  }

  event(event) {
    if (event.name === "bridge.heartbeat") return this.beat();
    if (event.name.startsWith("bridge.")) return this.add({ kind: event.name.slice(7), data: told(event) });
    this.counts.events++;
    this.counts.last = event.id;
    this.recent.push(performance.now());
    if (this.recent.length > 10000) this.recent.splice(0, 5000);
    this.add({ kind: "event", ...event });
  }

  add(row) {
    if (row.kind === "gap") this.counts.gaps++;
    this.waiting.push({ ...row, at: new Date() });
    if (this.waiting.length > MAX_WAITING) (this.waiting.shift(), this.skipped++);
    if (!this.paused) this.paintSoon();
  }

  paintSoon() {
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.frame = null;
    const rows = this.waiting.map((row) => this.draw(row));
    if (this.skipped) rows.unshift(element("li", "line skipped", `${this.skipped} events came while this was not drawn`));
    this.waiting = [];
    this.skipped = 0;
    this.rows.append(...rows);
    while (this.rows.childElementCount > MAX_ROWS) this.rows.firstElementChild.remove();
    if (this.following) this.scroll();
    this.count();
  }

  draw(row) {
    if (row.kind !== "event") return this.drawLine(row);
    const item = element("li", "event");
    const time = element("time", "", row.at.toTimeString().slice(0, 8));
    time.dateTime = time.title = row.at.toISOString();
    const name = element("span", "name");
    name.append(...plain(row.name));
    name.classList.toggle("unnamed", row.name === "message");
    const data = element("pre", "data");
    data.append(...show(row.data, this.pretty));
    item.append(time, name, data, shortened(row.id));
    item.row = row;
    item.hidden = !this.matches(row);
    return item;
  }

  drawLine(row) {
    const item = element("li", `line ${row.kind}`);
    item.append(element("b", "", row.kind), " ", ...plain(row.data));
    return item;
  }

  // To scroll up is to stop following, to come back to the end is to follow again; growing rows do neither.
  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.rows;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    this.following = isAtEnd || (this.following && scrollTop >= this.top);
    this.top = scrollTop;
    this.find(".latest").hidden = this.following;
  }

  scroll() {
    this.following = true;
    this.rows.scrollTop = this.rows.scrollHeight;
    this.top = this.rows.scrollTop;
    this.find(".latest").hidden = true;
  }

  count() {
    const since = performance.now() - RATE_SECONDS * 1000;
    while (this.recent.length && this.recent[0] < since) this.recent.shift();
    const rate = this.recent.length / RATE_SECONDS;
    this.find(".events").textContent = this.counts.events.toLocaleString("en");
    this.find(".rate").textContent = rate >= 10 || rate === 0 ? rate.toFixed(0) : rate.toFixed(1);
    this.find(".gaps").textContent = this.counts.gaps;
    this.find(".gaps").classList.toggle("some", this.counts.gaps > 0);
    this.find(".last").textContent = this.find(".last").title = this.counts.last || "–";
    const behind = this.waiting.length + this.skipped;
    this.find(".pause").textContent = this.paused ? `Resume${behind ? ` (${behind})` : ""}` : "Pause";
  }

  pause() {
    this.paused = !this.paused;
    this.find(".pause").setAttribute("aria-pressed", this.paused);
    if (!this.paused) this.paintSoon();
    this.count();
  }

  indent() {
    this.pretty = !this.pretty;
    this.find(".pretty").setAttribute("aria-pressed", this.pretty);
    for (const item of this.rows.querySelectorAll(".event")) {
      item.querySelector(".data").replaceChildren(...show(item.row.data, this.pretty));
    }
  }

  clear() {
    this.rows.replaceChildren();
    this.waiting = [];
    this.skipped = 0;
    this.count();
  }

  narrow(text) {
    this.filter = text.toLowerCase();
    for (const item of this.rows.querySelectorAll(".event")) item.hidden = !this.matches(item.row);
    this.scroll();
  }

  matches(row) {
    return !this.filter || row.data.toLowerCase().includes(this.filter) || row.name.toLowerCase().includes(this.filter);
  }
}

// Returns an id whose first part, the same for all of one process, can be left out where there is little room.
function shortened(id) {
  const made = element("span", "id");
  made.title = id;
  if (id.startsWith("p_")) {
    // A position names the next offset of each partition: its end shows that it moves, the title has it all.
    made.append(...plain(id.length > 12 ? `…${id.slice(-11)}` : id));
    return made;
  }
  const dash = id.lastIndexOf("-") + 1;
  const epoch = element("span", "epoch");
  epoch.append(...plain(id.slice(0, dash)));
  made.append(epoch, ...plain(id.slice(dash) || "–"));
  return made;
}

// Says in words what a control event says in JSON.
function told({ name, data }) {
  let facts;
  try {
    facts = JSON.parse(data);
  } catch {
    return data;
  }
  if (name === "bridge.gap") {
    const missed = facts.missed == null ? "some events are" : facts.missed === 1 ? "1 event is" : `${facts.missed} events are`;
    return `${missed} missing here (${facts.reason})${facts.snapshot ? "; the present state follows" : ""}`;
  }
  if (name === "bridge.source") return `${facts.source} is ${facts.state}${facts.error ? `: ${facts.error}` : ""}`;
  if (name === "bridge.bye") return `the bridge closes the stream (${facts.reason})`;
  return data;
}
