// The way of a get, step by step, from the engine's own explanation.

import { element, show } from "./text.js";

const STEP_MS = 650;
const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** What a step came to. */
function verdictOf(step) {
  if (!step.isLast) return "no";
  return step.verdict.startsWith("a tombstone") ? "stopped" : "found";
}

const EXPLAINED = { found: "the newest value: stop", stopped: "deleted: stop looking", no: "not here: go on" };

function item(step) {
  const verdict = verdictOf(step);
  const parts = step.parts.map((part) => {
    const place = part.offset === null ? "" : ` at byte ${part.offset}`;
    return element("li", {}, `${part.part}${place}: ${part.verdict}`);
  });
  return element("li", { class: verdict },
    element("b", {}, step.layer), ` — ${step.parts.length > 0 && verdict === "no" ? "" : `${step.verdict}; `}${EXPLAINED[verdict]}`,
    parts.length > 0 ? element("ul", { class: "parts" }, ...parts) : null);
}

let turn = 0;

/** Shows `steps`, one after another, in the list and in the picture. */
export async function animate(list, picture, key, steps) {
  const mine = ++turn;
  picture.mark(null);
  list.replaceChildren();
  for (const step of steps) {
    const id = step.file ?? "memtable";
    picture.mark(id, "asked");
    list.append(item(step));
    if (!isCalm()) await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    if (turn !== mine) return;
    picture.mark(id, verdictOf(step));
  }
  if (!steps.at(-1)?.isLast) {
    const end = `nobody has “${show(key)}”: tables whose key range leaves it out were not even asked`;
    list.append(element("li", { class: "no" }, element("b", {}, "end"), ` — ${end}`));
  }
}
