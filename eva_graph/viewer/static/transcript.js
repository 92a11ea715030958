// The conversation as the policy read it, message by message; frames stand as their times.

import { el } from "./dom.js";
import { clock } from "./format.js";

export function transcript(episode) {
  const shown = el("details", { class: "transcript" }, el("summary", {}, "Transcript"));
  shown.addEventListener("toggle", () => {
    if (shown.children.length === 1) shown.append(...episode.messages.map((one) => message(episode, one)));
  });
  return shown;
}

function message(episode, { role, parts, tool_calls }) {
  const calls = tool_calls.map((call) => el("code", {}, JSON.stringify(call)));
  const said = parts.map((part) => (typeof part === "number" ? mention(episode.frames[part]) : part));
  return el("section", { class: `message ${role}` }, el("b", {}, role ?? ""), el("pre", {}, said, calls));
}

function mention(frame) {
  const time = frame.pts_seconds === undefined ? "unknown time" : clock(frame.pts_seconds, true);
  return el("span", { class: "mention" }, `frame ${time}`);
}
