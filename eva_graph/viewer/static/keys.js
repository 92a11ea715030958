// The keyboard: what each key does, and the sheet that says so.

import { byId, el } from "./dom.js";

const SHEET = [
  ["j ↓", "next question"],
  ["k ↑", "previous question"],
  ["Enter", "open the question"],
  ["Esc", "back to the list"],
  ["[ ]", "previous or next turn"],
  ["o", "open or close all turns"],
  ["+ - 0", "zoom the time line, whole video"],
  ["← →", "in an enlarged frame: its neighbours"],
  ["/", "search"],
  ["t", "light or dark"],
  ["?", "this sheet"],
];

/** Calls `actions[key]` for keys that are not meant for a field or a dialog. */
export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = event.target.matches("input:not([type=radio]), select, textarea");
    if (typing && event.key !== "Escape") return;
    const action = actions[event.key];
    if (action && action(event) !== false) event.preventDefault();
  });
}

export function showHelp() {
  const help = byId("help");
  const rows = SHEET.map(([keys, text]) => [
    el("dt", {}, keys.split(" ").map((key) => el("kbd", {}, key))),
    el("dd", {}, text),
  ]);
  const close = el("button", { type: "button", onclick: () => help.close() }, "Close");
  help.replaceChildren(el("h2", {}, "Keys"), el("dl", {}, rows), close);
  help.showModal();
}
