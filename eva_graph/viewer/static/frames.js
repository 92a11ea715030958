// Frames as pictures with their true times; a click enlarges one and leads through its neighbours.

import { byId, el } from "./dom.js";
import { clock, words } from "./format.js";

/** A grid of frames. `opened` is called with one that is clicked. */
export function frameGrid(episode, shown, opened) {
  return el("div", { class: "frames" }, shown.map((one) => frameButton(episode, one, opened)));
}

function frameButton(episode, one, opened) {
  const frame = episode.frames[one.frame];
  const label = `Frame at ${timeOf(frame)}${one.snapped ? ", snapped" : ""}`;
  return el(
    "button",
    { type: "button", class: `frame${one.snapped ? " snapped" : ""}`, "aria-label": label, onclick: () => opened(one) },
    picture(frame),
    el("span", { class: "time" }, timeOf(frame)),
    one.snapped ? el("abbr", { title: snappedText(one) }, "snapped") : null,
  );
}

function picture(frame) {
  if (!frame.picture) return el("span", { class: "gone" }, "frame missing");
  const image = el("img", { src: frame.picture, alt: "", decoding: "async", loading: "lazy" });
  if (frame.width && frame.height) image.style.aspectRatio = `${frame.width} / ${frame.height}`;
  return image;
}

function timeOf(frame) {
  return frame.pts_seconds === null || frame.pts_seconds === undefined ? "unknown time" : clock(frame.pts_seconds, true);
}

function snappedText(one) {
  return `a key frame stands for the frame at ${clock(one.requested_seconds ?? 0, true)}`;
}

/** Shows frames one at a time, large. */
export class Lightbox {
  constructor() {
    this.dialog = byId("lightbox");
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => this.pressed(event));
  }

  /** Opens at `position` of `frames`: `{episode, frame, snapped, requested_seconds, turn?, call?}`. */
  open(frames, position) {
    this.frames = frames;
    this.position = Math.max(0, position);
    this.draw();
    if (!this.dialog.open) this.dialog.showModal();
  }

  step(by) {
    this.position = Math.min(this.frames.length - 1, Math.max(0, this.position + by));
    this.draw();
  }

  pressed(event) {
    const step = { ArrowLeft: -1, k: -1, ArrowRight: 1, j: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.step(step);
  }

  draw() {
    const one = this.frames[this.position];
    const frame = one.episode.frames[one.frame];
    const button = (text, label, act, disabled) =>
      el("button", { type: "button", "aria-label": label, disabled, onclick: act }, text);
    this.dialog.replaceChildren(
      el("figure", {}, enlarged(frame), el("figcaption", {}, captions(one, frame))),
      el(
        "div",
        { class: "steps" },
        button("‹", "Previous frame", () => this.step(-1), this.position === 0),
        el("span", {}, `${this.position + 1} of ${this.frames.length}`),
        button("›", "Next frame", () => this.step(1), this.position === this.frames.length - 1),
        frame.stored ? el("a", { href: frame.stored, target: "_blank", rel: "noreferrer" }, "Stored frame") : null,
        button("Close", "Close", () => this.dialog.close(), false),
      ),
    );
  }
}

function enlarged(frame) {
  if (!frame.picture) return el("span", { class: "gone" }, "This frame is not in the run's store.");
  const image = el("img", { src: frame.large ?? frame.picture, alt: `Frame at ${timeOf(frame)}` });
  if (frame.width && frame.height) image.style.aspectRatio = `${frame.width} / ${frame.height}`;
  return image;
}

function captions(one, frame) {
  const size = frame.width ? `${frame.width} × ${frame.height} pixels` : null;
  const box = frame.box ? `region ${frame.box.map((side) => Number(side).toFixed(2)).join(", ")}` : null;
  const where = one.turn ? `turn ${one.turn.turn}, ${words(one.call.tool)}` : null;
  const facts = [where, size, box, one.snapped ? snappedText(one) : null];
  return [el("b", {}, timeOf(frame)), el("span", {}, facts.filter(Boolean).join(" · "))];
}
