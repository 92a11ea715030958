// The list of questions. Only the rows in sight are in the document, so that thousands cost nothing.

import { el, place } from "./dom.js";
import { clock, count, number, words } from "./format.js";
import { comparing, index } from "./data.js";
import { densityOf, strength } from "./lanes.js";
import { CHANGES, changeOf } from "./questions.js";

const ROW_PIXELS = 92;
const BEYOND = 6;

export class QuestionList {
  /** `opened` is called with the number of a question that is clicked. */
  constructor(scroller, opened) {
    this.scroller = scroller;
    this.opened = opened;
    this.numbers = [];
    this.selected = 0;
    this.room = el("div", { class: "room", role: "presentation" });
    scroller.append(this.room);
    scroller.addEventListener("scroll", () => requestAnimationFrame(() => this.draw()), { passive: true });
    scroller.addEventListener("click", (event) => this.clicked(event));
    new ResizeObserver(() => this.draw()).observe(scroller);
  }

  /** Shows these questions; the selected one stays selected if it is among them. */
  show(numbers) {
    const current = this.current();
    this.numbers = numbers;
    this.room.style.height = `${numbers.length * ROW_PIXELS}px`;
    this.selected = Math.max(0, numbers.indexOf(current));
    this.reveal();
    this.draw();
  }

  current() {
    return this.numbers[this.selected];
  }

  /** Moves the selection, and tells whether there was anywhere to go. */
  move(step) {
    return this.selectAt(this.selected + step);
  }

  selectAt(position) {
    const bounded = Math.min(this.numbers.length - 1, Math.max(0, position));
    const moved = bounded !== this.selected;
    this.selected = Math.max(0, bounded);
    this.reveal();
    this.draw();
    return moved;
  }

  select(number) {
    const position = this.numbers.indexOf(number);
    if (position >= 0) this.selectAt(position);
  }

  reveal() {
    const top = this.selected * ROW_PIXELS;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + ROW_PIXELS > scrollTop + clientHeight)
      this.scroller.scrollTop = top + ROW_PIXELS - clientHeight;
  }

  draw() {
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / ROW_PIXELS) - BEYOND);
    const last = Math.min(this.numbers.length, Math.ceil((scrollTop + clientHeight) / ROW_PIXELS) + BEYOND);
    const rows = [];
    for (let position = first; position < last; position++) rows.push(this.row(position));
    if (!this.numbers.length) rows.push(el("p", { class: "nothing" }, "No question matches."));
    this.room.replaceChildren(...rows);
    const active = this.numbers.length ? `question-${this.current()}` : "";
    this.scroller.setAttribute("aria-activedescendant", active);
  }

  row(position) {
    const which = this.numbers[position];
    const question = index.questions[which];
    const row = el(
      "div",
      {
        class: `row change-${changeClass(question)}`,
        id: `question-${which}`,
        role: "option",
        "data-position": position,
        "aria-selected": String(position === this.selected),
        "aria-posinset": position + 1,
        "aria-setsize": this.numbers.length,
      },
      el("div", { class: "asked" }, question.question),
      question.sides.map((side) => strip(side, question.duration)),
      el("div", { class: "facts" }, comparing ? pairFacts(question) : facts(question.sides[0], question)),
    );
    row.style.top = `${position * ROW_PIXELS}px`;
    return row;
  }

  clicked(event) {
    const row = event.target.closest(".row");
    if (!row) return;
    this.selectAt(Number(row.dataset.position));
    this.opened(this.current());
  }
}

function changeClass(question) {
  return comparing ? changeOf(question).replace(" ", "-") : "none";
}

/** The time line of an episode in a hair's height. */
function strip(side, length) {
  const line = el("div", { class: "strip" });
  for (const [start, end, turn, frames] of side?.looks ?? []) {
    const look = el("i", { class: `tint-${turn % 6}` });
    look.style.opacity = (strength(densityOf(start, end, frames)) * 1.6).toFixed(2);
    line.append(place(look, Math.min(1, start / (length || 1)), Math.min(1, end / (length || 1))));
  }
  return line;
}

export function verdictMark(side) {
  const marks = { right: "✓", wrong: "✗", unknown: "·" };
  return el("span", { class: `mark verdict-${side.verdict}`, title: side.verdict }, marks[side.verdict]);
}

function facts(side, question) {
  return [
    verdictMark(side),
    side.answer === null ? null : el("b", {}, side.answer),
    side.stop === "answered" ? null : el("span", { class: "stop" }, words(side.stop)),
    side.edited ? el("span", { class: "edited" }, "edited") : null,
    el("span", { class: "rest" }, `${count(side.turns, "turn")} · ${number(side.visual_tokens)} tokens`),
    el("span", { class: "video" }, `${question.video} · ${clock(question.duration ?? 0)}`),
  ];
}

function pairFacts(question) {
  const change = changeOf(question);
  const answers = question.sides.map((side) =>
    side ? [verdictMark(side), el("b", {}, side.answer ?? words(side.stop))] : el("span", { class: "rest" }, "not asked"),
  );
  return [
    answers[0],
    el("span", { class: "arrow", "aria-label": "then" }, "→"),
    answers[1],
    change === "same" ? null : el("span", { class: "badge" }, CHANGES[change]),
    el("span", { class: "video" }, `${question.video} · ${clock(question.duration ?? 0)}`),
  ];
}
