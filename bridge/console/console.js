// The console: the list of routes on one side, the streams that one watches on the other.

import { refreshApplications } from "./applications.js";
import { Panel } from "./panel.js";
import { refreshSources } from "./sources.js";
import { element, plain } from "./text.js";

const REFRESH = 2000;      // milliseconds between two looks at the list
const MAX_PANELS = 5;      // a browser opens six connections to one HTTP/1.1 server: one is for the list
const MAX_CHANNELS = 30;   // offered as buttons; any other can be typed
const HOLE = /\{([A-Za-z_][A-Za-z0-9_]*)(\*?)\}/g;

const $ = (id) => document.getElementById(id);
const panels = new Map();   // by path
const items = new Map();    // the list's entries, by route

// --- Routes

async function refresh() {
  try {
    const response = await fetch("-/routes", { cache: "no-store", headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(`answered ${response.status}`);
    list(await response.json());
    await refreshSources();
    await refreshApplications();
    const ready = await fetch("-/ready", { cache: "no-store" });
    health(ready.ok ? "running" : "not ready", ready.ok ? "" : await ready.text());
  } catch {
    health("unreachable");
  }
}

function health(word, reasons = "") {
  $("health").dataset.state = $("health").textContent = word;
  $("health").title = reasons;   // as `/-/ready` says them, one a line
}

function list(routes) {
  const known = new Set(routes.map(({ path }) => path));
  for (const [path, item] of items) if (!known.has(path)) (item.root.remove(), items.delete(path));
  for (const route of routes) {
    if (!items.has(route.path)) items.set(route.path, new Item(route));
    items.get(route.path).update(route);
  }
  const sum = routes.reduce((total, { subscribers }) => total + subscribers, 0);
  $("totals").textContent = `${counted(routes.length, "route")} · ${counted(sum, "subscriber")}`;
  narrow();
}

function narrow() {
  const text = $("filter").value.trim().toLowerCase();
  let shown = 0;
  for (const [path, { root }] of items) shown += !(root.hidden = !path.toLowerCase().includes(text));
  $("nothing").hidden = shown > 0 || !items.size;
}

const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

// One route in the list. A route with names asks for them; its known channels stand beneath as buttons.
class Item {
  constructor(route) {
    this.names = [...route.path.matchAll(HOLE)].map(([hole, name, rest]) => ({ hole, name, rest }));
    this.path = route.path;
    this.root = $("route").content.firstElementChild.cloneNode(true);
    this.button = this.root.querySelector(".open");
    this.form = this.root.querySelector(".names");
    this.channels = this.root.querySelector(".channels");
    this.root.querySelector(".path").append(...highlighted(route.path));
    this.button.onclick = () => (this.names.length ? this.unfold() : watch(this.path));
    if (this.names.length) this.button.setAttribute("aria-expanded", "false");
    this.ask();
    $("routes").append(this.root);
  }

  ask() {
    for (const { hole, name, rest } of this.names) {
      const label = element("label", "", name);
      const input = element("input");
      Object.assign(input, { name: hole, required: true, autocomplete: "off", spellcheck: false, placeholder: rest ? "a/b/c" : name });
      label.append(input);
      this.form.append(label);
    }
    this.form.append(element("button", "go", "Watch"));
    this.form.onsubmit = (event) => {
      event.preventDefault();
      watch(this.fill(new FormData(this.form)));
    };
  }

  fill(values) {
    const query = this.path.indexOf("?");
    return this.path.replace(HOLE, (hole, name, rest, at) => {
      const value = encodeURIComponent(values.get(hole));
      return rest && (query < 0 || at < query) ? value.replaceAll("%2F", "/") : value;
    });
  }

  unfold() {
    const opens = this.form.hidden;
    this.form.hidden = !opens;
    this.channels.hidden = !opens;
    this.button.setAttribute("aria-expanded", opens);
    if (opens) this.form.querySelector("input").focus();
  }

  update(route) {
    this.root.querySelector(".about").textContent = about(route);
    const count = this.root.querySelector(".count");
    count.textContent = route.subscribers;
    count.classList.toggle("some", route.subscribers > 0);
    if (this.names.length) this.offer(route.channels ?? []);
  }

  offer(channels) {
    const seen = channels.join("\n");
    if (seen === this.seen) return;   // do not take the focus from a button that stays
    this.seen = seen;
    this.channels.replaceChildren(...channels.slice(0, MAX_CHANNELS).map((path) => {
      const button = element("button", "channel");
      button.type = "button";
      button.append(...plain(decoded(path)));
      button.onclick = () => watch(path);
      return button;
    }));
    if (channels.length > MAX_CHANNELS) this.channels.append(element("p", "", `and ${channels.length - MAX_CHANNELS} more`));
  }
}

function about({ sources = [], gone }) {
  return gone ? "gone: answers 204" : `from ${sources.join(", ")}`;
}

function highlighted(path) {
  const parts = path.split(/(\{[^}]*\})/);
  return parts.filter(Boolean).flatMap((part) => (part[0] === "{" ? [element("i", "", part)] : plain(part)));
}

function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

// --- Streams

function watch(path) {
  const open = panels.get(path);
  if (open) return void open.root.focus();
  if (panels.size >= MAX_PANELS) return notice(`Close a stream first: a browser keeps only ${MAX_PANELS + 1} connections to one server.`);
  const panel = new Panel(decoded(path), address(path), $("panel"), () => (panels.delete(path), remember()));
  panels.set(path, panel);
  $("streams").append(panel.root);
  panel.start();
  remember();
  panel.root.scrollIntoView({ block: "nearest" });
}

function address(path) {
  const from = $("from").value;
  return `-/view${path}${from ? (path.includes("?") ? "&" : "?") + from : ""}`;
}

// The address of the page names what is open, so that it can be reloaded, kept, and sent to somebody.
function remember() {
  $("hint").hidden = panels.size > 0;
  const open = new URLSearchParams([...panels.keys()].map((path) => ["open", path]));
  history.replaceState(null, "", panels.size ? `#${open}` : location.pathname + location.search);
}

function recall() {
  for (const path of new URLSearchParams(location.hash.slice(1)).getAll("open").slice(0, MAX_PANELS)) {
    if (path.startsWith("/")) watch(path);
  }
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = false;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => ($("notice").hidden = true), 6000);
}

// --- The page

$("filter").oninput = narrow;
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, select, textarea");
  if (event.key === "/" && !isTyping) (event.preventDefault(), $("filter").focus());
  if (event.key === "Escape" && isTyping) event.target.blur();
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
setInterval(() => document.hidden || refresh(), REFRESH);
refresh();
recall();
