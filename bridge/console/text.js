// Shows anybody's text as text: control and bidi characters stand visibly, ANSI colours become classes, JSON is indented.
// Nothing here makes HTML from a string.

const MAX_SHOWN = 64 * 1024;   // characters of one event; the rest is counted, not laid out
const ONE_LINE = 40;           // characters of JSON that stand on one line, which reads better than four
const MAX_NODES = 4000;        // coloured parts of one event; past them the text stands plain

// C0 without tab and newline, DEL, C1, soft hyphen, the zero-width ones, the bidi controls, LS and PS, interlinear, BOM, tags.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;
const PARTS = new RegExp(`\\u001b\\[([0-9;]{0,64})m|${HIDDEN.source}`, "gu");
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Returns nodes for `data`: indented and coloured where it is a JSON object or array and `pretty` asks for it.
export function show(data, pretty) {
  const shown = data.slice(0, MAX_SHOWN);
  const whole = shown.length === data.length;
  const nodes = pretty && whole && isJson(shown) ? json(shown) : plain(shown);
  if (!whole) nodes.push(element("span", "more", ` … ${data.length - shown.length} more characters`));
  return nodes;
}

// Returns text nodes, with a span for each character that would not be seen, or would move others about.
export function plain(text) {
  const nodes = [];
  let start = 0;
  let style = "";
  const put = (end) => {
    if (end > start) nodes.push(style ? element("span", style, text.slice(start, end)) : document.createTextNode(text.slice(start, end)));
  };
  for (const part of text.matchAll(PARTS)) {
    if (nodes.length > MAX_NODES) break;
    put(part.index);
    if (part[1] === undefined) nodes.push(mark(part[0]));
    else style = restyle(style, part[1]);
    start = part.index + part[0].length;
  }
  put(text.length);
  return nodes;
}

function mark(character) {
  const code = character.codePointAt(0);
  const name = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  const picture = code < 0x20 ? `^${String.fromCodePoint(code + 0x40)}` : code === 0x7f ? "^?" : name;
  const made = element("span", "hidden-character", picture);
  made.title = name;
  return made;
}

function restyle(style, codes) {
  const styles = new Set(style.split(" ").filter(Boolean));
  for (const code of (codes || "0").split(";").map(Number)) {
    if (code === 38 || code === 48) break;   // 256 colours and more, in numbers of their own: left plain
    if (code === 0) styles.clear();
    else if (code === 1) styles.add("bold");
    else if (code === 2) styles.add("dim");
    else if (code === 22) ["bold", "dim"].forEach((name) => styles.delete(name));
    else if (code === 39 || (code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
      COLOURS.forEach((name) => styles.delete(`ansi-${name}`));
      if (code !== 39) styles.add(`ansi-${COLOURS[code % 10]}`);
    }
  }
  return [...styles].join(" ");
}

function isJson(text) {
  if (!/^\s*[{[]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// Indents the text as it stands: parsing and printing again would change 12345678901234567890 and 1.0, and drop double keys.
function json(text) {
  const tokens = text.match(TOKENS) ?? [];
  if (tokens.length > MAX_NODES) return plain(text);
  const nodes = [];
  let depth = 0;
  const isShort = tokens.join("").length <= ONE_LINE;
  const line = (gap) => nodes.push(document.createTextNode(isShort ? gap : `\n${"  ".repeat(Math.min(depth, 40))}`));
  tokens.forEach((token, at) => {
    const opens = token === "{" || token === "[";
    const closes = token === "}" || token === "]";
    const isEmpty = opens ? /[}\]]/.test(tokens[at + 1]) : closes && /^[{[]$/.test(tokens[at - 1]);
    if (closes && !isEmpty) (depth--, line(""));
    nodes.push(...part(token, tokens[at + 1]));
    if (opens && !isEmpty) (depth++, line(""));
    if (token === ",") line(" ");
  });
  return nodes;
}

function part(token, next) {
  if (token === ":") return [document.createTextNode(": ")];
  if (/^[{}[\],]$/.test(token)) return [document.createTextNode(token)];
  const kind = token[0] === '"' ? (next === ":" ? "json-key" : "json-text") : "json-value";
  const made = element("span", kind);
  made.append(...plain(token));
  return [made];
}
