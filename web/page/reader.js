// What is in a table or a database: look a key up, or list entries from it on.

import { element, keyFrom, show } from "./text.js";

const PAGE = 100;

/** Entries of `source` from `start` on, page by page, with deletes and old versions. */
function* allVersions(source, start) {
  let [from, seen] = [start, 0];
  for (;;) {
    const page = source.entries(PAGE + seen, from).slice(seen);
    if (page.length === 0) return;
    yield* page;
    const last = page.at(-1)[0];
    const same = page.filter(([key]) => show(key, Infinity) === show(last, Infinity)).length;
    seen = same === page.length && show(from, Infinity) === show(last, Infinity) ? seen + same : same;
    from = last;
  }
}

function row([key, value]) {
  return element("tr", {}, element("td", { class: "mono" }, show(key)),
    element("td", { class: "mono" }, value === null ? element("i", {}, "deleted") : show(value, 200)));
}

/** Takes the next entries; says whether there may be more. */
function take(entries, body) {
  for (let i = 0; i < PAGE; i++) {
    const { value, done } = entries.next();
    if (done) return false;
    body.append(row(value));
  }
  return true;
}

/** The steps of a look-up in a database, if it tells them. */
function steps(source, key) {
  const all = source.explain?.(key) ?? [];
  return element("ol", { class: "parts" }, ...all.map(({ part, offset, verdict }) =>
    element("li", {}, `${part}${offset === null ? "" : ` at byte ${offset}`}: ${verdict}`)));
}

/** A form over `source`, a table or a database. */
export function readerOf(source) {
  const key = element("input", { autocomplete: "off", spellcheck: "false", placeholder: "text, or hex:00ff" });
  const all = element("input", { type: "checkbox", checked: source.range === undefined });
  const said = element("p", { role: "status" });
  const body = element("tbody");
  const list = element("div", { class: "scroll entries", tabindex: "0", role: "region", "aria-label": "Entries" },
    element("table", {}, element("thead", {}, element("tr", {}, ...["key", "value"].map((name) => element("th", { scope: "col" }, name)))), body));
  let entries = null;
  const more = element("button", { type: "button", onclick: () => attempt(grow) }, "More entries");
  const attempt = (work) => {
    try {
      work();
    } catch (error) {
      said.replaceChildren(element("span", { class: "bad" }, error.message));
    }
  };
  const grow = () => {
    const isMore = take(entries, body);
    more.hidden = !isMore;
    said.textContent = `${body.children.length} entries${isMore ? ", and more" : ""}`;
  };
  const start = () => {
    body.replaceChildren();
    more.hidden = true;
    const from = keyFrom(key.value);
    entries = all.checked || !source.range ? allVersions(source, from) : source.range({ gte: from });
    grow();
  };
  const get = () => {
    body.replaceChildren();
    more.hidden = true;
    const wanted = keyFrom(key.value);
    const value = source.get(wanted);
    const found = value === undefined ? `${show(wanted)} is not there` : `${show(wanted)} = ${show(value, 2000)}`;
    said.replaceChildren(element("span", { class: "mono" }, found), steps(source, wanted));
  };
  const form = element("form", {
    class: "reader",
    onsubmit: (event) => {
      event.preventDefault();
      attempt(event.submitter?.value === "get" ? get : start);
    },
  },
  element("label", {}, "Key ", key),
  element("div", { class: "buttons" }, element("button", { value: "list" }, "List from here"), element("button", { value: "get" }, "Look up"),
    source.range ? element("label", { class: "inline" }, all, " with deletes and old versions") : null));
  attempt(start);
  return element("div", {}, form, said, list, more);
}
