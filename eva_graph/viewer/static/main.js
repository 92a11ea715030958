// The page: the list on one side, the opened question or the overview on the other.

import { byId, el } from "./dom.js";
import { number } from "./format.js";
import { comparing, index, loadEpisode } from "./data.js";
import { chosen } from "./questions.js";
import { prepareFilters, sayFound } from "./filters.js";
import { QuestionList } from "./list.js";
import { Lightbox } from "./frames.js";
import { overview } from "./overview.js";
import { questionView } from "./episode.js";
import { listen, showHelp } from "./keys.js";
import { prepareTheme } from "./theme.js";

const detail = byId("detail");
const lightbox = new Lightbox();
const list = new QuestionList(byId("list"), open);
let opened = null;
let timeline = null;

function open(question) {
  location.hash = `q=${question}`;
}

function close() {
  location.hash = "";
}

/** Shows what the address names: a question, or the overview. */
async function follow() {
  const match = /^#q=(\d+)$/.exec(location.hash);
  const question = match && Number(match[1]) < index.questions.length ? Number(match[1]) : null;
  opened = question;
  document.body.classList.toggle("opened", question !== null || location.hash === "#overview");
  byId("tip").hidden = true;
  timeline = null;
  if (question === null) {
    detail.replaceChildren(back(), ...overview(narrow));
    return;
  }
  list.select(question);
  detail.setAttribute("aria-busy", "true");
  try {
    await show(question);
  } catch (error) {
    if (opened === question) detail.replaceChildren(back(), el("p", { class: "trouble" }, error.message));
  }
  detail.removeAttribute("aria-busy");
}

async function show(question) {
  const sides = index.questions[question].sides;
  const there = sides.map((side, number) => (side ? number : null)).filter((side) => side !== null);
  const episodes = await Promise.all(there.map((side) => loadEpisode(question, side)));
  if (opened !== question) return;
  const view = questionView(question, episodes, lightbox);
  timeline = view.timeline;
  detail.replaceChildren(back(), ...view.elements);
  detail.scrollTop = 0;
  window.scrollTo(0, 0);
  detail.focus({ preventScroll: true });
}

function back() {
  return el("button", { type: "button", class: "back", onclick: close }, "‹ Questions");
}

/** Filters the list by a bar of the overview. */
function narrow(field, value) {
  const fields = byId("filters").elements;
  if (field === "turns") fields.turns_min.value = fields.turns_max.value = value;
  else fields[field].value = value;
  byId("filters").dispatchEvent(new Event("input"));
  close();
}

function step(by) {
  if (list.move(by) && opened !== null) open(list.current());
}

function stepTurn(by) {
  const turns = [...detail.querySelectorAll(".turn")];
  const at = turns.findIndex((turn) => turn.contains(document.activeElement));
  const next = turns[Math.min(turns.length - 1, Math.max(0, at + by))];
  if (!next) return;
  next.open = true;
  next.querySelector("summary").focus({ preventScroll: true });
  next.scrollIntoView({ block: "start" });
}

function toggleTurns() {
  const turns = [...detail.querySelectorAll(".turn")];
  const open = turns.some((turn) => !turn.open);
  for (const turn of turns) turn.open = open;
}

function enter(event) {
  if (event.target.closest("button, a, summary, input") || !list.numbers.length) return false;
  open(list.current());
}

function escape() {
  if (opened !== null) close();
  byId("list").focus();
}

function arrow(by) {
  return () => (opened !== null && detail.contains(document.activeElement) ? false : step(by));
}

const toggleTheme = prepareTheme();
byId("theme").addEventListener("click", toggleTheme);
byId("help-button").addEventListener("click", showHelp);
byId("to-overview").addEventListener("click", () => (location.hash = "overview"));
byId("run-names").textContent = index.runs.map((run) => run.name).join(" → ");
byId("run-facts").textContent = `${number(index.questions.length)} questions`;
document.body.classList.toggle("comparing", comparing);
prepareFilters((wanted) => {
  const numbers = chosen(index.questions, wanted);
  list.show(numbers);
  sayFound(numbers.length, index.questions.length, numbers.length < index.questions.length);
});
listen({
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: arrow(1),
  ArrowUp: arrow(-1),
  Enter: enter,
  Escape: escape,
  "/": () => byId("search").focus(),
  "?": showHelp,
  t: toggleTheme,
  o: toggleTurns,
  "]": () => stepTurn(1),
  "[": () => stepTurn(-1),
  "+": () => timeline?.zoom(0.5),
  "-": () => timeline?.zoom(2),
  0: () => timeline?.reset(),
});
addEventListener("hashchange", follow);
follow();
if (opened === null) byId("list").focus({ preventScroll: true });
