// What the time line shows: a lane for each look and each row of evidence, and marks on its axis. Pure.

import { duration } from "./format.js";

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000];

/** Lanes of some episodes, one below the other; frames carry their own true time. */
export function lanesOf(episodes) {
  return episodes.flatMap((episode) => [
    ...episode.turns.flatMap((turn) => turn.calls.map((call) => lookLane(episode, turn, call))),
    ...(episode.evidence.length ? [evidenceLane(episode)] : []),
  ]);
}

function lookLane(episode, turn, call) {
  const frames = call.frames.map((shown) => ({ ...shown, ...timed(episode, shown), turn, call, episode }));
  return {
    kind: call.error ? "failed" : "look",
    side: episode.side,
    turn: turn.turn,
    name: call.tool,
    stretches: call.range ? [stretchOf(call)] : [],
    frames,
    call,
  };
}

function evidenceLane(episode) {
  const frames = episode.evidence.flatMap((item) =>
    item.frames.map((frame) => ({ frame, snapped: false, ...timed(episode, { frame }), episode })),
  );
  const stretches = episode.evidence.map((item) => ({
    start: item.start_seconds ?? 0,
    end: item.end_seconds ?? 0,
    density: null,
  }));
  return { kind: "evidence", side: episode.side, turn: 0, name: "evidence", stretches, frames, call: null };
}

function timed(episode, shown) {
  return { seconds: episode.frames[shown.frame].pts_seconds ?? null };
}

function stretchOf(call) {
  const [start, end] = call.range;
  return { start, end, density: densityOf(start, end, call.frames.length) };
}

/** Frames per second of a look; null for an instant. */
export function densityOf(start, end, frames) {
  return end > start && frames ? frames / (end - start) : null;
}

/** How strongly a look's range is filled: from one frame in five minutes to ten in a second. */
export function strength(density) {
  if (density === null) return 0.35;
  const scaled = (Math.log10(density) + 2.5) / 3.5;
  return 0.12 + 0.5 * Math.min(1, Math.max(0, scaled));
}

export function densityText(density) {
  if (density === null) return "";
  return density >= 0.95 ? `${density.toFixed(1)} per s` : `every ${duration(1 / density)}`;
}

/** Times for labels on the axis, about as many as asked for. */
export function marks([from, to], about) {
  const step = STEPS.find((one) => (to - from) / one <= about) ?? STEPS.at(-1);
  const times = [];
  for (let n = Math.ceil(from / step); n * step <= to && times.length < 60; n++) times.push(n * step);
  return { times, fine: step < 1 };
}

/** The stretch of video that there is to show; at least a tenth of a second. */
export function extent(episodes, lanes) {
  const lengths = episodes.map((episode) => episode.video.duration_seconds ?? 0);
  const ends = lanes.flatMap((lane) => lane.frames.map((frame) => frame.seconds ?? 0));
  return [0, Math.max(0.1, ...lengths, ...ends)];
}

/** A window of the video around a stretch, with room on both sides. */
export function around(stretch, [, length]) {
  const room = Math.max(1, (stretch.end - stretch.start) * 0.25);
  const from = Math.max(0, stretch.start - room);
  return [Math.min(from, length - 0.1), Math.min(length, Math.max(stretch.end + room, from + 0.1))];
}

/** The window narrowed (factor below one) or widened about its middle. */
export function zoomed([from, to], factor, [start, end], middle = (from + to) / 2) {
  const size = Math.min(end - start, Math.max(0.1, (to - from) * factor));
  const share = (middle - from) / (to - from);
  const left = Math.min(end - size, Math.max(start, middle - share * size));
  return [left, left + size];
}
