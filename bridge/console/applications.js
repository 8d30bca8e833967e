// How the applications behind the bridge are: one line each, of those that `upstream` and `upstreams` name.

import { add } from "./sources.js";
import { element, plain } from "./text.js";

const WORDS = { up: "live", starting: "connecting", down: "refused" };   // the pill's colours

const items = new Map();    // by path

export async function refreshApplications() {
  const response = await fetch("-/applications", { cache: "no-store", headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`answered ${response.status}`);
  const applications = await response.json();
  const known = new Set(applications.map(({ path }) => path));
  for (const [path, item] of items) if (!known.has(path)) (item.remove(), items.delete(path));
  for (const application of applications) {
    if (!items.has(application.path)) items.set(application.path, made(application.path));
    update(items.get(application.path), application);
  }
  document.getElementById("applications").hidden = !applications.length;
}

function made(path) {
  const root = document.getElementById("source").content.firstElementChild.cloneNode(true);
  root.querySelector(".name").append(...plain(path));
  document.querySelector("#applications ul").append(root);
  return root;
}

function update(root, { address, state, error, health, open }) {
  const pill = root.querySelector(".state");
  pill.textContent = state;
  pill.dataset.state = WORDS[state] ?? "";
  root.querySelector(".kind").textContent = "";
  const facts = element("dl", "facts");
  add(facts, "address", address);
  add(facts, "error", error);
  add(facts, "health", health ?? "not asked: `health` of the application says what is");
  add(facts, "requests", open.toLocaleString());
  root.querySelector(".detail").replaceChildren(facts);
}
