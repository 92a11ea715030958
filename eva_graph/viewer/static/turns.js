// The turns of an episode: what the policy wrote, planned, asked for and saw. A turn is built when
// it is opened.

import { el } from "./dom.js";
import { argument, count, duration, number, stretch, words } from "./format.js";
import { frameGrid } from "./frames.js";

/** A turn, closed or open; `opened` is called with a frame that is clicked. */
export function turnCard(episode, turn, { open, opened }) {
  const card = el(
    "details",
    { class: "turn", open, "data-turn": turn.turn },
    el("summary", {}, heading(episode, turn)),
  );
  const build = () => {
    if (card.open && card.children.length === 1) card.append(...body(episode, turn, opened));
  };
  card.addEventListener("toggle", build);
  build();
  return card;
}

function heading(episode, turn) {
  const calls = turn.calls.map((call) => el("span", { class: call.error ? "look failed" : "look" }, brief(call)));
  return [
    el("b", { class: `turn-number tint-${turn.turn % 6}` }, turn.turn),
    el("span", { class: "gist" }, calls.length ? calls : el("span", {}, ending(episode, turn))),
    flags(turn).map(([text, title]) => el("span", { class: "flag", title }, text)),
    el("span", { class: "cost" }, `${number(visualTokens(turn))} visual · ${duration(secondsOf(turn))}`),
  ];
}

function ending(episode, turn) {
  return turn.outcome === "answer" ? `answer: ${episode.answer_text ?? "none"}` : words(turn.outcome);
}

function brief(call) {
  const range = call.range ? ` ${stretch(...call.range)}` : "";
  return `${call.tool}${range}, ${call.error ? "error" : count(call.frames.length, "frame")}`;
}

function flags(turn) {
  const injected = turn.spans.some((span) => !span.sampled);
  return [
    turn.edited && ["edited", "A person changed the calls of this turn"],
    injected && ["partly injected", "Headings of this message were written for the policy"],
    turn.finish_reason === "length" && ["cut off", "The token limit cut this message"],
    turn.prefix_ok === false && ["re-tokenised", "The prompt does not begin with the earlier prompt and sampled ids"],
    turn.images_in === "user" && ["images in user message", "The server takes no images in tool messages"],
  ].filter(Boolean);
}

export function visualTokens(turn) {
  return turn.calls.reduce((sum, call) => sum + call.visual_tokens, 0);
}

export function lookSeconds(turn) {
  return turn.calls.reduce((sum, call) => sum + call.seconds, 0);
}

function secondsOf(turn) {
  return turn.seconds + lookSeconds(turn);
}

function body(episode, turn, opened) {
  return [
    part("Summary", turn.summary),
    part("Text without a heading", turn.unmarked),
    planPart(turn.plan),
    turn.error ? el("p", { class: "trouble" }, el("b", {}, "Told back: "), turn.error) : null,
    turn.edited ? sampledPart(turn) : null,
    ...turn.calls.map((call) => callPart(episode, turn, call, opened)),
    part(turn.calls.some((call) => call.frames.length) ? "Reflection on these frames" : "Reflection", turn.reflection),
    rawPart(turn),
  ].filter(Boolean);
}

function part(name, text) {
  return text ? el("section", { class: "part" }, el("h4", {}, name), el("p", { class: "said" }, text)) : null;
}

function planPart(plan) {
  if (!plan.candidates.length) return part("Plan", plan.text);
  const rows = plan.candidates.map((look, position) => {
    const chosen = plan.chosen.includes(position);
    return el(
      "tr",
      { class: chosen ? "chosen" : "" },
      el("td", { class: "choice" }, chosen ? "→" : ""),
      el("td", {}, el("code", {}, look.tool), " ", argumentsOf(look.arguments)),
      el("td", { class: "number" }, number(look.estimated_visual_tokens)),
      el("td", { class: "reason" }, look.reason),
    );
  });
  const names = ["Chosen", "Candidate", "Tokens", "Reason"];
  const head = el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)));
  return el(
    "section",
    { class: "part" },
    el("h4", {}, "Plan"),
    el("div", { class: "wide" }, el("table", { class: "plan" }, el("thead", {}, head), el("tbody", {}, rows))),
  );
}

function argumentsOf(given) {
  return Object.entries(given).map(([name, value]) => [el("span", { class: "name" }, `${name} `), `${argument(name, value)} `]);
}

function sampledPart(turn) {
  const calls = (turn.sampled_calls ?? []).map((call) =>
    el("p", {}, el("code", {}, String(call.tool ?? "")), " ", argumentsOf(call.arguments ?? {})),
  );
  return el("section", { class: "part edited" }, el("h4", {}, "Asked by the policy, before a person changed it"), calls);
}

function callPart(episode, turn, call, opened) {
  const cost = [
    `${number(call.visual_tokens)} visual tokens, ${number(call.estimated_visual_tokens)} estimated`,
    duration(call.seconds),
    call.cached ? "from an earlier look" : null,
  ];
  return el(
    "section",
    { class: `part call tint-${turn.turn % 6}` },
    el("h4", {}, "Call ", el("code", {}, call.tool), el("small", {}, cost.filter(Boolean).join(" · "))),
    requestTable(call),
    call.notes.map((note) => el("p", { class: "note" }, note)),
    call.error ? el("p", { class: "trouble" }, call.error) : null,
    call.text ? el("pre", { class: "said" }, call.text) : null,
    (call.artifacts ?? []).map((file) => el("p", { class: "note" }, `${file.path}, ${stretch(file.start_seconds ?? 0, file.end_seconds ?? 0)}`)),
    call.frames.length ? frameGrid(episode, call.frames, (one) => opened({ ...one, episode, turn, call })) : null,
  );
}

/** What was asked beside what ran; a difference stands out. */
function requestTable(call) {
  const applied = call.applied ?? {};
  const names = [...new Set([...Object.keys(call.requested), ...Object.keys(applied)])];
  if (!names.length) return null;
  const cell = (values, name) => el("td", {}, name in values ? argument(name, values[name]) : "–");
  const rows = names.map((name) => {
    const same = JSON.stringify(call.requested[name]) === JSON.stringify(applied[name]);
    return el("tr", { class: same || !call.applied ? "" : "differs" }, el("th", { scope: "row" }, name), cell(call.requested, name), cell(applied, name));
  });
  const head = ["", "Requested", "Applied"].map((name) => el("th", { scope: "col" }, name));
  return el("div", { class: "wide" }, el("table", { class: "request" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)));
}

function rawPart(turn) {
  const spans = turn.spans.length ? turn.spans : [{ text: turn.text, sampled: true }];
  const text = spans.map((span) => el("span", { class: span.sampled ? "" : "injected" }, span.text));
  return el("details", { class: "raw" }, el("summary", {}, "Whole message"), el("pre", {}, text));
}
