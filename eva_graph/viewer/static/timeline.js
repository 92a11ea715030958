// The video's time line: every look on it at its range and density, every frame a tick.

import { byId, el, place } from "./dom.js";
import { clock, count, stretch } from "./format.js";
import { around, densityText, extent, lanesOf, marks, strength, zoomed } from "./lanes.js";

const NEAR_PIXELS = 7;
const PHONE = "(max-width: 820px)";
const NARROW = 0.06;
const LENS = 0.3;

export class Timeline {
  /** `chosen` is called with a frame of a lane that is clicked; `headed` lanes name their run. */
  constructor(episodes, chosen, headed = false) {
    this.lanes = lanesOf(episodes);
    this.whole = extent(episodes, this.lanes);
    this.window = this.whole;
    this.chosen = chosen;
    this.headed = headed;
    this.names = episodes.map((episode) => episode.run);
    this.element = el("section", { class: "timeline", "aria-label": "Time line of the video" });
    this.element.addEventListener("pointermove", (event) => this.hovered(event));
    this.element.addEventListener("pointerleave", () => this.left());
    this.element.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    this.draw();
  }

  show(window) {
    this.window = window;
    this.draw();
  }

  zoom(factor) {
    this.show(zoomed(this.window, factor, this.whole));
  }

  reset() {
    this.show(this.whole);
  }

  zoomedIn() {
    return this.window[1] - this.window[0] < this.whole[1] - 1e-6;
  }

  at(seconds) {
    const [from, to] = this.window;
    return (seconds - from) / (to - from);
  }

  draw() {
    this.cursor = el("div", { class: "cursor", hidden: true });
    const rows = this.lanes.flatMap((lane, position) => this.rows(lane, this.lanes[position - 1]));
    this.element.replaceChildren(
      this.controls(),
      el("div", { class: "lanes" }, this.axis(), rows, el("div", { class: "pane" }, this.cursor)),
    );
    if (!this.lanes.length) this.element.append(el("p", { class: "nothing" }, "Nothing was looked at."));
  }

  controls() {
    const button = (text, label, act, disabled = false) =>
      el("button", { type: "button", "aria-label": label, title: label, disabled, onclick: act }, text);
    const [from, to] = this.window;
    const zoomedIn = this.zoomedIn();
    return el(
      "div",
      { class: "controls" },
      el("span", { class: "window" }, zoomedIn ? stretch(from, to) : `${clock(to)} in all`),
      el("span", { class: "legend" }, legend("tick", "frame"), legend("tick snapped", "snapped to a key frame")),
      button("−", "Zoom out (-)", () => this.zoom(2), !zoomedIn),
      button("+", "Zoom in (+)", () => this.zoom(0.5)),
      button("Whole video", "Whole video (0)", () => this.reset(), !zoomedIn),
    );
  }

  axis() {
    const { times, fine } = marks(this.window, matchMedia(PHONE).matches ? 4 : 7);
    const track = el(
      "div",
      { class: "track axis", onpointerdown: (event) => this.dragged(event) },
      times.map((time) => this.mark(time, fine)),
    );
    const [from, to] = this.window;
    const part = place(el("i"), from / this.whole[1], to / this.whole[1]);
    const whole = el("div", { class: "whole", hidden: !this.zoomedIn() }, part);
    return [el("span", { class: "lane-name" }, whole), track, el("span", { class: "lane-facts" })];
  }

  mark(time, fine) {
    const at = this.at(time);
    const edge = at < 0.03 ? "first" : at > 0.97 ? "last" : "";
    return place(el("span", { class: edge }, fine ? clock(time, true).slice(0, -2) : clock(time)), at);
  }

  rows(lane, before) {
    const heads = this.headed && lane.side !== before?.side;
    return [
      heads ? el("div", { class: "lane-run" }, this.names[lane.side] ?? "") : null,
      this.name(lane),
      el("div", { class: `track ${lane.kind} tint-${lane.turn % 6}` }, this.bars(lane), this.ticks(lane), this.lens(lane)),
      el("span", { class: "lane-facts" }, laneFacts(lane)),
    ];
  }

  name(lane) {
    const turn = lane.turn ? el("small", { class: `tint-${lane.turn % 6}` }, lane.turn) : el("small", {}, "★");
    const first = lane.stretches[0];
    const last = lane.stretches.at(-1);
    const act = first && (() => this.show(around({ start: first.start, end: last.end }, this.whole)));
    const label = lane.turn ? `Turn ${lane.turn}, ${lane.name}: zoom to this look` : "Zoom to the evidence";
    return el("button", { type: "button", class: "lane-name", title: label, "aria-label": label, disabled: !first, onclick: act }, turn, el("span", {}, lane.name));
  }

  bars(lane) {
    return lane.stretches.map((one) => {
      const bar = place(el("i", { class: "bar" }), this.at(one.start), this.at(one.end));
      bar.style.setProperty("--strength", strength(one.density).toFixed(3));
      return bar;
    });
  }

  ticks(lane) {
    return lane.frames
      .filter((frame) => frame.seconds !== null)
      .map((frame) => place(tickOf(frame), this.at(frame.seconds)));
  }

  /** A look too short to be seen in its lane, enlarged beside itself where the lane is empty. */
  lens(lane) {
    const [start, end] = [lane.stretches[0]?.start, lane.stretches.at(-1)?.end];
    const size = this.at(end) - this.at(start);
    if (!(end > start) || size > NARROW || lane.frames.length < 2) return null;
    const left = this.at(end) < 1 - LENS - 0.02 ? this.at(end) + 0.012 : this.at(start) - LENS - 0.012;
    if (left < 0 || left > 1 - LENS) return null;
    const inside = { start: start - (end - start) * 0.04, end: end + (end - start) * 0.04 };
    const ticks = lane.frames
      .filter((frame) => frame.seconds !== null)
      .map((frame) => place(tickOf(frame), (frame.seconds - inside.start) / (inside.end - inside.start)));
    const lens = el("div", { class: "lens", "data-start": inside.start, "data-end": inside.end }, ticks);
    return place(lens, left, left + LENS);
  }

  /** The time under the pointer, and the lane's nearest frame if it is near enough. */
  under(event) {
    const track = event.target.closest(".track");
    const lens = event.target.closest(".lens");
    const any = lens ?? track ?? this.element.querySelector(".track");
    const box = any.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    const [from, to] = lens ? [Number(lens.dataset.start), Number(lens.dataset.end)] : this.window;
    const seconds = from + share * (to - from);
    const tracks = [...this.element.querySelectorAll(".track:not(.axis)")];
    const lane = this.lanes[tracks.indexOf(track)];
    const near = (NEAR_PIXELS / box.width) * (to - from);
    const distance = (frame) => Math.abs((frame.seconds ?? Infinity) - seconds);
    const frame = lane?.frames.reduce((a, b) => (a && distance(a) <= distance(b) ? a : b), null);
    const inside = share >= 0 && share <= 1;
    return { share, seconds, inside, frame: frame && distance(frame) <= near ? frame : null };
  }

  hovered(event) {
    const { seconds, inside, frame } = this.under(event);
    if (!inside) return this.left();
    const box = this.element.querySelector(".axis.track").getBoundingClientRect();
    const pane = this.cursor.parentElement.getBoundingClientRect();
    this.cursor.hidden = false;
    this.cursor.style.left = `${box.left - pane.left + this.at(frame?.seconds ?? seconds) * box.width}px`;
    showTip(tipOf(frame, seconds, this.window), event);
    this.element.classList.toggle("on-frame", frame !== null);
  }

  left() {
    this.cursor.hidden = true;
    byId("tip").hidden = true;
  }

  dragged(event) {
    const track = event.currentTarget;
    const { seconds: start } = this.under(event);
    const box = track.getBoundingClientRect();
    track.setPointerCapture(event.pointerId);
    track.addEventListener(
      "pointerup",
      (end) => {
        const share = Math.min(1, Math.max(0, (end.clientX - box.left) / box.width));
        const stop = this.window[0] + share * (this.window[1] - this.window[0]);
        if (Math.abs(end.clientX - event.clientX) > 8)
          this.show([Math.min(start, stop), Math.max(start, stop, Math.min(start, stop) + 0.1)]);
      },
      { once: true },
    );
  }

  wheeled(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.show(zoomed(this.window, event.deltaY > 0 ? 1.25 : 0.8, this.whole, this.under(event).seconds));
  }

  clicked(event) {
    const { frame } = this.under(event);
    if (frame) this.chosen(frame);
  }
}

function tickOf(frame) {
  const missing = frame.episode.frames[frame.frame].picture === null;
  return el("b", { class: `tick${frame.snapped ? " snapped" : ""}${missing ? " missing" : ""}` });
}

function legend(kind, text) {
  return el("span", {}, el("b", { class: kind }), text);
}

function laneFacts(lane) {
  if (lane.kind === "failed") return "error";
  if (lane.kind === "evidence") return count(lane.frames.length, "frame");
  const density = lane.stretches.length ? densityText(lane.stretches[0].density) : "no range";
  return [count(lane.frames.length, "frame"), density && ` · ${density}`];
}

function tipOf(frame, seconds, [from, to]) {
  if (!frame) return [el("span", {}, clock(seconds, to - from < 60))];
  const picture = frame.episode.frames[frame.frame].picture;
  return [
    picture ? el("img", { src: picture, alt: "" }) : el("em", {}, "frame missing"),
    el("span", {}, clock(frame.seconds, true), frame.snapped ? " · snapped" : ""),
  ];
}

function showTip(content, event) {
  const tip = byId("tip");
  tip.replaceChildren(...content);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(window.innerWidth - width - 8, Math.max(8, event.clientX - width / 2));
  const above = event.clientY - height - 16;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 8 ? above : event.clientY + 20}px`;
}
