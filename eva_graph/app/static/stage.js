import { byId, el, place } from "./dom.js";
import { clock, count, duration, stretch, words } from "./format.js";
import { Lightbox, frameGrid } from "./frames.js";
import { Timeline } from "./timeline.js";
import { turnCard } from "./turns.js";

// The stage: the video's time line with the looks on it, the answer, the turns. It is drawn anew
// from each state that arrives; what the person opened, closed or zoomed stays as it was.

const NOTHING = { turns: [], evidence: [], frames: [] };

/** The viewer's time line over a strip of the film, with looks that are planned and not yet seen. */
class StageTimeline extends Timeline {
  constructor(stage, episode, chosen) {
    super([episode], chosen);
    this.stage = stage;
    this.draw();
  }

  draw() {
    super.draw();
    if (!this.stage) return;
    this.element.querySelector(".nothing")?.remove();
    const lanes = this.element.querySelector(".lanes");
    lanes.children[2].after(...this.film());
    lanes.querySelector(".pane").before(...this.stage.planned.flatMap((look) => this.plannedLane(look)));
  }

  film() {
    const strip = this.stage.video.strip;
    const edges = strip.map(([seconds], n) => (n ? (strip[n - 1][0] + seconds) / 2 : 0));
    const pictures = strip.map(([, source], n) =>
      place(el("img", { src: source, alt: "" }), this.at(edges[n]), this.at(edges[n + 1] ?? this.whole[1])),
    );
    const marks = this.lanes.flatMap((lane) =>
      lane.stretches.map((one) => this.mark_on_film(lane.kind, lane.turn, one.start, one.end)),
    );
    const wishes = this.stage.planned.map(([turn, , start, end]) => this.mark_on_film("wish", turn, start, end));
    const film = el("div", { class: "film", "data-frames": strip.length }, pictures, marks, wishes);
    return [el("span", { class: "lane-name film-name" }), film, el("span", { class: "lane-facts" }, "")];
  }

  mark_on_film(kind, turn, start, end) {
    return place(el("i", { class: `mark-${kind} tint-${turn % 6}` }), this.at(start), this.at(end));
  }

  plannedLane([turn, tool, start, end]) {
    const bar = place(el("i", { class: "bar" }), this.at(start), this.at(end));
    return [
      el("span", { class: "lane-name" }, el("small", { class: `tint-${turn % 6}` }, turn), el("span", {}, tool)),
      el("div", { class: `track planned tint-${turn % 6}` }, bar),
      el("span", { class: "lane-facts" }, "looking"),
    ];
  }
}

class Stage {
  constructor(root) {
    this.body = root.querySelector(".eva-body");
    this.lightbox = new Lightbox();
    this.cards = new Map();
    this.timeline = null;
    this.of = null;
  }

  show(stage) {
    this.body.dataset.phase = stage.phase;
    document.body.dataset.evaPhase = stage.phase;
    const episode = { ...NOTHING, ...stage.episode, side: 0, run: "" };
    for (const frame of episode.frames) frame.large = frame.picture;
    const opened = (one) => this.opened(episode, one);
    this.body.replaceChildren(
      ...[
        this.title(stage),
        stage.video ? this.line(stage, episode, opened) : null,
        this.message(stage),
        this.doing(stage),
        stage.episode && episode.turns.length ? this.outcome(stage, episode) : null,
        episode.evidence.length ? this.evidence(episode, opened) : null,
        ...this.turns(stage, episode, opened),
      ].filter(Boolean),
    );
  }

  title({ video, phase, files }) {
    if (!video) {
      if (phase !== "empty") return null;
      return el("div", { class: "eva-empty" }, el("div", { class: "eva-ghost" }), el("p", {}, "Choose a video: its time line appears here."));
    }
    const link = (name, text) => el("a", { href: `${files}/${name}`, download: true }, text);
    const links = files
      ? [el("span", { class: "eva-links" }, "Download ", link("trajectory.json", "trajectory"), " ", link("view.html", "page"))]
      : [];
    const facts = `${clock(video.duration_seconds)} · ${video.width} × ${video.height}`;
    return el("header", { class: "eva-video" }, el("b", {}, video.name), el("span", {}, facts), links);
  }

  line(stage, episode, opened) {
    const shown = { ...episode, video: { duration_seconds: stage.video.duration_seconds } };
    const same = this.of === stage.video.strip[0]?.[1];
    const window = same && this.timeline?.zoomedIn() ? this.timeline.window : null;
    this.of = stage.video.strip[0]?.[1];
    this.timeline = new StageTimeline(stage, shown, opened);
    this.timeline.element.addEventListener("click", (event) => this.timeline.clicked(event));
    if (window) this.timeline.show(window);
    return this.timeline.element;
  }

  message({ message, phase }) {
    if (!message) return null;
    const role = phase === "failed" ? "alert" : "status";
    return el("p", { class: phase === "failed" ? "trouble" : "eva-said", role }, message);
  }

  doing({ doing }) {
    if (!doing) return null;
    return el("p", { class: "eva-doing", role: "status" }, el("i", { class: "eva-pulse" }), doing);
  }

  outcome(stage, episode) {
    if (stage.phase === "running") return null;
    const { usage, answer } = episode;
    const more = episode.answer_text !== answer ? `. ${episode.answer_text}` : "";
    const verdict = { right: "✓ as drawn", wrong: `✗ drawn was ${episode.expected}` }[episode.verdict];
    return el(
      "section",
      { class: `eva-answer verdict-${episode.verdict}`, "aria-label": "Answer" },
      el("p", { class: "asked" }, stage.question),
      el("p", { class: "said" }, answer === null ? "No answer" : answer + more, verdict ? el("small", {}, verdict) : null),
      el(
        "p",
        { class: "facts" },
        episode.stop_reason === "answered" ? null : el("span", { class: "flag" }, words(episode.stop_reason)),
        el("span", {}, count(episode.turns.length, "turn")),
        el("span", {}, count(usage.frames, "frame")),
        el("span", {}, count(usage.visual_tokens, "visual token")),
        el("span", {}, duration(usage.policy_seconds + usage.look_seconds)),
      ),
      episode.error ? el("p", { class: "trouble" }, episode.error) : null,
      episode.notice ? el("p", { class: "note" }, episode.notice) : null,
    );
  }

  evidence(episode, opened) {
    const items = episode.evidence.map((item) => [
      el("p", { class: "note" }, stretch(item.start_seconds ?? 0, item.end_seconds ?? 0)),
      frameGrid(episode, item.frames.map((frame) => ({ frame, snapped: false })), (one) => opened({ ...one, episode })),
    ]);
    return el("section", { class: "evidence" }, el("h3", {}, "Evidence"), items);
  }

  /** Cards of the turns; one whose turn is unchanged stays the element that it was. */
  turns(stage, episode, opened) {
    const fresh = new Map();
    const last = episode.turns.length;
    for (const turn of episode.turns) {
      const looking = stage.phase === "running" && turn.turn === last && turn.outcome === "calls" && !turn.calls.length;
      const shown = looking ? { ...turn, outcome: "looking" } : turn;
      const key = JSON.stringify([shown, episode.trajectory_id, turn.outcome === "answer" && episode.answer_text]);
      const known = this.cards.get(turn.turn);
      if (known?.key === key) fresh.set(turn.turn, known);
      else fresh.set(turn.turn, { key, card: turnCard(episode, shown, { open: known?.card.open ?? true, opened }) });
    }
    this.cards = fresh;
    return [...fresh.values()].map(({ card }) => card);
  }

  opened(episode, one) {
    const seen = episode.turns.flatMap((turn) =>
      turn.calls.flatMap((call) => call.frames.map((shown) => ({ ...shown, episode, turn, call }))),
    );
    const position = seen.findIndex((other) => other.frame === one.frame && (!one.call || other.call.id === one.call.id));
    if (position >= 0) this.lightbox.open(seen, position);
    else this.lightbox.open([{ ...one, episode }], 0);
  }
}

const shownStage = new Stage(element);
const drawStage = () => props.value && typeof props.value === "object" && shownStage.show(props.value);
watch("value", drawStage);
drawStage();
byId("tip").hidden = true;
