// An opened question: what was asked, the time line, and beside each other the episodes about it.

import { el } from "./dom.js";
import { clock, count, duration, number, stretch, words } from "./format.js";
import { comparing, index } from "./data.js";
import { frameGrid } from "./frames.js";
import { verdictMark } from "./list.js";
import { CHANGES, changeOf } from "./questions.js";
import { Timeline } from "./timeline.js";
import { transcript } from "./transcript.js";
import { lookSeconds, turnCard, visualTokens } from "./turns.js";

const OPEN_TURNS = 8;

/** Elements of a question, its time line, and all its frames in the order they were seen. */
export function questionView(question, episodes, lightbox) {
  const seen = episodes.flatMap((episode) =>
    episode.turns.flatMap((turn) =>
      turn.calls.flatMap((call) => call.frames.map((one) => ({ ...one, episode, turn, call }))),
    ),
  );
  const opened = (one) => {
    const position = seen.findIndex((other) => other.episode === one.episode && other.frame === one.frame && (!one.call || other.call === one.call));
    if (position >= 0) lightbox.open(seen, position);
    else lightbox.open([one], 0);
  };
  const timeline = new Timeline(episodes, opened, comparing);
  timeline.element.addEventListener("click", (event) => timeline.clicked(event));
  const columns = episodes.map((episode) => column(episode, opened));
  const elements = [head(question, episodes), timeline.element, el("div", { class: "columns" }, columns)];
  return { elements, timeline };
}

function head(question, episodes) {
  const entry = index.questions[question];
  const { video, options } = episodes[0];
  const change = comparing ? changeOf(entry) : "same";
  return el(
    "header",
    { class: "question" },
    el("h2", {}, entry.question),
    Object.keys(options).length ? optionList(options, episodes) : null,
    el(
      "p",
      { class: "about" },
      el("span", { title: video.path }, entry.video),
      el("span", {}, clock(video.duration_seconds ?? 0)),
      el("span", {}, `${video.width} × ${video.height}`),
      el("span", {}, `${(video.average_fps ?? 0).toFixed(2)} fps`),
      change === "same" ? null : el("span", { class: `badge change-${change.replace(" ", "-")}` }, CHANGES[change]),
    ),
  );
}

function optionList(options, episodes) {
  return el(
    "ul",
    { class: "options" },
    Object.entries(options).map(([letter, text]) => {
      const by = episodes.filter((episode) => episode.answer === letter);
      const marks = by.map((episode) => [verdictMark(episode), comparing ? el("small", {}, episode.run) : null]);
      const expected = expectedLetter(episodes[0]) === letter;
      const wanted = expected ? el("small", { class: "expected" }, "expected") : null;
      return el("li", { class: by.length ? "picked" : "" }, el("b", {}, letter), el("span", {}, text), el("span", { class: "by" }, wanted, marks));
    }),
  );
}

function column(episode, opened) {
  const turns = episode.turns.map((turn) =>
    turnCard(episode, turn, { open: !comparing && turn.turn <= OPEN_TURNS, opened }),
  );
  return el(
    "section",
    { class: "episode", "aria-label": `Episode of ${episode.run}` },
    comparing ? el("h3", { class: "run" }, episode.run) : null,
    outcome(episode),
    episode.evidence.length ? evidence(episode, opened) : null,
    el("h3", {}, "Turns", expander()),
    turns.length ? turns : el("p", { class: "nothing" }, "The policy wrote nothing."),
    costs(episode),
    transcript(episode),
    about(episode),
  );
}

function outcome(episode) {
  const more = episode.answer_text !== episode.answer ? `. ${episode.answer_text}` : "";
  const usage = episode.usage;
  return el(
    "div",
    { class: `outcome verdict-${episode.verdict}` },
    el("p", { class: "answer" }, verdictMark(episode), episode.answer === null ? "No answer" : episode.answer + more),
    el(
      "p",
      { class: "facts" },
      el("span", { class: "stop" }, words(episode.stop_reason)),
      el("span", {}, count(episode.turns.length, "turn")),
      el("span", {}, count(usage.frames, "frame")),
      el("span", {}, count(usage.visual_tokens, "visual token")),
      el("span", {}, duration(usage.policy_seconds + usage.look_seconds)),
      episode.reward === null ? null : el("span", {}, `reward ${episode.reward}`),
      episode.labels.map((label) => el("span", { class: "label" }, words(label))),
    ),
    episode.expected === null || episode.verdict === "right" ? null : el("p", {}, `Expected: ${episode.expected}`),
    episode.reel ? el("p", {}, el("a", { href: episode.reel, target: "_blank", rel: "noreferrer" }, "Play the evidence reel")) : null,
    episode.error ? el("p", { class: "trouble" }, episode.error) : null,
    episode.notice ? el("p", { class: "note" }, episode.notice) : null,
  );
}

/** The option that was expected, named by its letter or by its text. */
function expectedLetter({ expected, options }) {
  const plain = (text) => text.trim().toLowerCase();
  const known = Object.entries(options).find(
    ([letter, text]) => expected !== null && [letter, text].map(plain).includes(plain(expected)),
  );
  return known?.[0] ?? null;
}

function evidence(episode, opened) {
  const items = episode.evidence.map((item) => [
    el("p", { class: "note" }, stretch(item.start_seconds ?? 0, item.end_seconds ?? 0)),
    frameGrid(episode, item.frames.map((frame) => ({ frame, snapped: false })), (one) => opened({ ...one, episode })),
  ]);
  return el("section", { class: "evidence" }, el("h3", {}, "Evidence"), items);
}

function expander() {
  const all = (open) => (event) => {
    for (const turn of event.target.closest(".episode").querySelectorAll(".turn")) turn.open = open;
  };
  const button = (text, open) => el("button", { type: "button", class: "quiet", onclick: all(open) }, text);
  return el("span", { class: "expander" }, button("Open all", true), button("Close all", false));
}

/** Tokens and time of every turn, part by part. */
function costs(episode) {
  const longest = Math.max(0.001, ...episode.turns.map((turn) => turn.seconds + lookSeconds(turn)));
  const rows = episode.turns.map((turn) =>
    costRow(turn.turn, [turn.prompt_tokens, turn.completion_tokens, visualTokens(turn)], turn.seconds, lookSeconds(turn), longest),
  );
  const { prompt_tokens, completion_tokens, visual_tokens, policy_seconds, look_seconds } = episode.usage;
  const total = costRow("all", [prompt_tokens, completion_tokens, visual_tokens], policy_seconds, look_seconds, null);
  const names = ["Turn", "Prompt", "Written", "Visual", "Policy", "Looks", ""];
  const heads = names.map((name) => el("th", { scope: "col" }, name));
  return el(
    "section",
    { class: "costs" },
    el("h3", {}, "Tokens and time"),
    el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows), el("tfoot", {}, total))),
  );
}

function costRow(name, tokens, policy, looks, longest) {
  const bar = (kind, seconds) => {
    const piece = el("i", { class: kind });
    piece.style.width = `${(100 * seconds) / longest}%`;
    return piece;
  };
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, name),
    tokens.map((value) => el("td", { class: "number" }, number(value))),
    [policy, looks].map((seconds) => el("td", { class: "number" }, duration(seconds))),
    el("td", { class: "share" }, longest === null ? null : el("div", { title: "policy, then looks" }, bar("policy", policy), bar("looks", looks))),
  );
}

function about(episode) {
  const usage = episode.usage;
  const facts = {
    Policy: `${episode.policy.name} (${episode.policy.backend})`,
    Dialect: `${episode.dialect}, tools ${episode.tools.join(", ")}`,
    "Policy calls": `${number(usage.policy_calls)}, ${count(usage.requests, "request")}`,
    "Last prompt": count(usage.last_prompt_tokens ?? 0, "token"),
    Video: episode.video.path,
    Recorded: episode.created,
    Episode: episode.trajectory_id,
    Knobs: JSON.stringify(episode.context),
    Versions: Object.entries(episode.versions).map((pair) => pair.join(" ")).join(", "),
  };
  const rows = Object.entries(facts).map(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]);
  return el("details", { class: "about-run" }, el("summary", {}, "How it was run"), el("dl", {}, rows));
}
