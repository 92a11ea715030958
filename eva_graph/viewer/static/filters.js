// The form above the list: reads what is wanted, and says how much was found.

import { byId, el } from "./dom.js";
import { number, words } from "./format.js";
import { comparing, index } from "./data.js";
import { CHANGES, SORTS, changeOf, tally } from "./questions.js";

const VERDICTS = { "": "All", right: "Right", wrong: "Wrong", unknown: "Unknown" };

/** Fills the form; `changed` is called with what is wanted after every change. */
export function prepareFilters(changed) {
  const form = byId("filters");
  const direction = byId("direction");
  fillVerdicts();
  const stops = tally(index.questions, "stop");
  options(form.elements.stop, [["", "Any stop reason"], ...stops.map(([s, n]) => [s, `${words(s)} (${number(n)})`])]);
  options(form.elements.sort, Object.entries(SORTS));
  if (comparing) fillChanges(form.elements.change);
  const update = () => changed(wanted(form, direction));
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    byId("list").focus();
  });
  form.addEventListener("reset", () => {
    turn(direction, false);
    setTimeout(update);
  });
  direction.addEventListener("click", () => {
    turn(direction, direction.getAttribute("aria-pressed") !== "true");
    update();
  });
  update();
}

export function sayFound(found, total, narrowed) {
  byId("found").textContent =
    found === total ? `${number(total)} questions` : `${number(found)} of ${number(total)} questions`;
  byId("reset").hidden = !narrowed;
}

function fillVerdicts() {
  const counts = new Map(tally(index.questions, "verdict"));
  const shown = Object.entries(VERDICTS).map(([value, name]) => {
    const input = el("input", { type: "radio", name: "verdict", value, checked: value === "" });
    const total = value === "" ? null : el("small", {}, number(counts.get(value) ?? 0));
    return el("label", { class: value && `verdict-${value}` }, input, el("span", {}, name, " ", total));
  });
  byId("verdicts").append(...shown);
}

function fillChanges(select) {
  const counts = {};
  for (const question of index.questions)
    counts[changeOf(question)] = (counts[changeOf(question)] ?? 0) + 1;
  const known = Object.entries(CHANGES).filter(([change]) => counts[change]);
  options(select, [["", "Any difference"], ...known.map(([c, name]) => [c, `${name} (${number(counts[c])})`])]);
  select.hidden = false;
}

function options(select, entries) {
  select.append(...entries.map(([value, name]) => el("option", { value }, name)));
}

function turn(direction, descending) {
  direction.setAttribute("aria-pressed", String(descending));
  direction.textContent = descending ? "↓" : "↑";
}

function wanted(form, direction) {
  const fields = form.elements;
  const bound = (name) => (fields[name].value === "" ? null : Number(fields[name].value));
  return {
    words: fields.text.value.toLowerCase().split(/\s+/).filter(Boolean),
    verdict: fields.verdict.value,
    change: fields.change.value,
    stop: fields.stop.value,
    turns: [bound("turns_min"), bound("turns_max")],
    visual: [bound("visual_min"), bound("visual_max")],
    prompt: [bound("prompt_min"), bound("prompt_max")],
    sort: fields.sort.value,
    descending: direction.getAttribute("aria-pressed") === "true",
  };
}
