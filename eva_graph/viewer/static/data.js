// The run's data: the list is there at once, an episode is unpacked when it is opened. Its chunk is
// a data block of this page, or a script of its own beside it; neither needs a network.

import { byId } from "./dom.js";

export const index = JSON.parse(byId("index").textContent);
export const comparing = index.runs.length === 2;

const RECENT = 96;
const recent = new Map();
const awaited = new Map();

globalThis.evaGraphChunk = (chunk, text) => awaited.get(chunk)?.(text);

/** An episode: its record, its side, and its frames with pictures where they are there. */
export async function loadEpisode(question, side) {
  const { chunk } = index.questions[question].sides[side];
  const episode = await unpacked((await chunkOf(chunk)).packed);
  const needed = new Set(episode.frames.flatMap((frame) => frame.thumbnail?.[0] ?? []));
  const holders = new Map();
  await Promise.all([...needed].map(async (one) => holders.set(one, await chunkOf(one))));
  for (const frame of episode.frames) {
    const [holder, position] = frame.thumbnail ?? [null, 0];
    const picture = holders.get(holder)?.thumbnails[position];
    frame.picture = picture ? `data:image/webp;base64,${picture}` : null;
    frame.stored = storedAt(side, frame.file);
  }
  const reel = episode.reel && fromPage(episode.reel);
  return { ...episode, reel, side, run: index.runs[side].name };
}

function storedAt(side, file) {
  const folder = index.runs[side].frames;
  return folder && file ? fromPage(folder + file) : null;
}

/** An address that was given from where the single page would lie. */
function fromPage(address) {
  return index.in_folder ? `./../${address}` : address;
}

function chunkOf(chunk) {
  const known = recent.get(chunk);
  recent.delete(chunk);
  const promise = known ?? textOf(chunk).then(split);
  recent.set(chunk, promise);
  promise.catch(() => recent.delete(chunk));
  if (recent.size > RECENT) recent.delete(recent.keys().next().value);
  return promise;
}

function split(text) {
  const [packed, pictures] = text.split("\n");
  return { packed, thumbnails: pictures ? pictures.split(" ") : [] };
}

async function textOf(chunk) {
  if (index.in_folder) return scripted(chunk);
  if (!byId(`chunk-${chunk}`) && document.readyState === "loading")
    await new Promise((done) => document.addEventListener("DOMContentLoaded", done, { once: true }));
  const block = byId(`chunk-${chunk}`);
  if (!block) throw new Error("The page is cut off: this question is not in it.");
  return block.textContent;
}

function scripted(chunk) {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    awaited.set(chunk, done);
    script.addEventListener("load", () => awaited.delete(chunk));
    script.addEventListener("error", () => {
      awaited.delete(chunk);
      failed(new Error(`chunks/${chunk}.js is missing: keep the page's folder together.`));
    });
    script.src = `chunks/${chunk}.js`;
    document.head.append(script);
    script.remove();
  });
}

async function unpacked(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}
