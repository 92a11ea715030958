// The run as a whole: how much was right, how episodes ended, what they cost.

import { el } from "./dom.js";
import { duration, number, percent, words } from "./format.js";
import { comparing, index } from "./data.js";
import { CHANGES, changeOf, tally } from "./questions.js";

/** Elements that stand where no question is opened. `narrow` filters the list by a field. */
export function overview(narrow) {
  const runs = index.runs.map((run, side) => runColumn(run, side, narrow));
  return [
    el("h2", {}, comparing ? "Two runs on the same questions" : "The run"),
    comparing ? changes(narrow) : null,
    el("div", { class: "columns" }, runs),
  ].filter(Boolean);
}

function sidesOf(side) {
  return index.questions.map((question) => question.sides[side]).filter(Boolean);
}

function runColumn(run, side, narrow) {
  const sides = sidesOf(side);
  const as_one = sides.map((one) => ({ sides: [one] }));
  const verdicts = new Map(tally(as_one, "verdict"));
  const known = (verdicts.get("right") ?? 0) + (verdicts.get("wrong") ?? 0);
  return el(
    "section",
    { class: "run-facts" },
    comparing ? el("h3", {}, run.name) : null,
    el(
      "dl",
      { class: "figures" },
      figure("Questions", number(sides.length)),
      figure("Right", known ? percent(verdicts.get("right") ?? 0, known) : "not scored"),
      figure("Turns, mean", mean(sides, "turns")?.toFixed(2) ?? "–"),
      figure("Frames, mean", mean(sides, "frames")?.toFixed(1) ?? "–"),
      figure("Visual tokens, mean", number(Math.round(mean(sides, "visual_tokens") ?? 0))),
      figure("Time, mean", duration(mean(sides, "seconds"))),
    ),
    el("h4", {}, "Right or wrong"),
    bars(tally(as_one, "verdict"), "verdict", narrow),
    el("h4", {}, "Why episodes ended"),
    bars(tally(as_one, "stop"), "stop", narrow),
    el("h4", {}, "Turns taken"),
    bars(tally(as_one, "turns").sort((a, b) => a[0] - b[0]), "turns", narrow),
  );
}

function changes(narrow) {
  const counts = Object.keys(CHANGES).map((change) => [
    change,
    index.questions.filter((question) => changeOf(question) === change).length,
  ]);
  const shown = counts.filter(([, total]) => total > 0);
  return el("section", {}, el("h4", {}, "From the first run to the second"), bars(shown, "change", narrow, CHANGES));
}

function figure(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}

function mean(sides, field) {
  return sides.length ? sides.reduce((sum, side) => sum + (side[field] ?? 0), 0) / sides.length : null;
}

/** Counts as bars; a click on one filters the list by it. */
function bars(counts, field, narrow, names = {}) {
  const most = Math.max(1, ...counts.map(([, total]) => total));
  const rows = counts.map(([value, total]) => {
    const bar = el("i", { class: `${field}-${String(value).replace(" ", "-")}` });
    bar.style.width = `${(100 * total) / most}%`;
    return el(
      "button",
      { type: "button", onclick: () => narrow(field, value) },
      el("span", {}, names[value] ?? words(value)),
      el("span", { class: "bar" }, bar),
      el("b", {}, number(total)),
    );
  });
  return el("div", { class: "bars" }, rows);
}
