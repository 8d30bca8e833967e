// How the sources are: one line each, and beneath it what the source tells of itself.

import { element, plain } from "./text.js";

const MAX_ADDRESSES = 20;   // of one source; the rest is counted
const WORDS = { up: "live", starting: "connecting", down: "refused", ended: "" };   // the pill's colours

const items = new Map();    // by name

export async function refreshSources() {
  const response = await fetch("-/sources", { cache: "no-store", headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`answered ${response.status}`);
  const sources = await response.json();
  const known = new Set(sources.map(({ name }) => name));
  for (const [name, item] of items) if (!known.has(name)) (item.root.remove(), items.delete(name));
  for (const source of sources) {
    if (!items.has(source.name)) items.set(source.name, new Item(source.name));
    items.get(source.name).update(source);
  }
  document.getElementById("sources").hidden = !sources.length;
}

class Item {
  constructor(name) {
    this.root = document.getElementById("source").content.firstElementChild.cloneNode(true);
    this.root.querySelector(".name").append(...plain(name));
    document.querySelector("#sources ul").append(this.root);
  }

  update(source) {
    const state = this.root.querySelector(".state");
    state.textContent = source.state;
    state.dataset.state = WORDS[source.state] ?? "";
    this.root.querySelector(".kind").textContent = source.kind;
    const facts = element("dl", "facts");
    add(facts, "since", moment(source.since));
    if (source.error) add(facts, "error", source.error);
    add(facts, "messages", source.messages.toLocaleString());
    add(facts, "subscribers", source.subscribers.toLocaleString());
    const { addresses = [], ...rest } = source.detail ?? {};
    for (const [name, value] of Object.entries(rest)) add(facts, name, shown(name, value));
    const blocks = addresses.slice(0, MAX_ADDRESSES).map((address) => block(address));
    if (addresses.length > MAX_ADDRESSES) blocks.push(element("p", "more", `and ${addresses.length - MAX_ADDRESSES} more`));
    this.root.querySelector(".detail").replaceChildren(facts, ...blocks);
  }
}

// One address of a source that has several: who asked for what, and what came of it.
function block({ captures = {}, ...rest }) {
  const facts = element("dl", "facts address");
  const names = Object.entries(captures);
  if (names.length) add(facts, "address", names.map(([name, value]) => `${name}: ${value}`).join(", "));
  for (const [name, value] of Object.entries(rest)) add(facts, name, shown(name, value));
  return facts;
}

export function add(list, name, value) {
  if (value === null || value === undefined || value === "") return;
  const row = element("div");
  const told = element("dd");
  told.append(...plain(String(value)));
  row.append(element("dt", "", name.replace(/_at$/, "").replaceAll("_", " ")), told);
  list.append(row);
}

// What ends in `_at` is a moment in Unix seconds; other numbers are counts.
function shown(name, value) {
  if (name.endsWith("_at") && typeof value === "number") return moment(value);
  if (typeof value === "number") return value.toLocaleString();
  return value !== null && typeof value === "object" ? JSON.stringify(value) : value;
}

function moment(seconds) {
  if (!seconds) return null;
  const away = Math.round(seconds - Date.now() / 1000);
  const size = Math.abs(away);
  const text = size < 120 ? `${size} s` : size < 7200 ? `${Math.round(size / 60)} min` : new Date(seconds * 1000).toLocaleString();
  return size >= 7200 ? text : away > 0 ? `in ${text}` : `${text} ago`;
}
