// Numbers and times as the page writes them. Clocks are those of the policy's frame labels:
// floored, minutes not wrapped at sixty.

const NUMBER = new Intl.NumberFormat("en");

export function number(value) {
  return value === null || value === undefined ? "–" : NUMBER.format(value);
}

export function count(value, noun) {
  return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** `mm:ss`, or `mm:ss.mmm` where milliseconds are asked for. */
export function clock(seconds, milliseconds = false) {
  const total = Math.max(0, Math.floor((seconds + 1e-7) * 1000));
  const minutes = String(Math.floor(total / 60000)).padStart(2, "0");
  const rest = String(Math.floor(total / 1000) % 60).padStart(2, "0");
  const fraction = milliseconds ? `.${String(total % 1000).padStart(3, "0")}` : "";
  return `${minutes}:${rest}${fraction}`;
}

/** A stretch of the video; one instant stands alone. */
export function stretch(start, end) {
  const fine = end - start < 10;
  if (start === end) return clock(start, true);
  return `${clock(start, fine)} – ${clock(end, fine)}`;
}

/** How long something took. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 6) / 10;
  return minutes < 120 ? `${minutes} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export function percent(part, whole) {
  return whole ? `${((100 * part) / whole).toFixed(1)} %` : "–";
}

/** A stop reason or outcome as words. */
export function words(name) {
  return String(name).replaceAll("_", " ");
}

const TIMES = new Set(["start_time", "end_time", "time"]);

/** Numbers to four decimals: what a policy writes and what was applied differ by more. */
function rounded(value) {
  if (Array.isArray(value)) return value.map(rounded);
  return typeof value === "number" ? Number(value.toFixed(4)) : value;
}

/** An argument of a call; times also as the clock that frame labels show. */
export function argument(name, value) {
  const text = typeof value === "string" ? value : JSON.stringify(rounded(value));
  return TIMES.has(name) && typeof value === "number" ? `${text} (${clock(value)})` : text;
}
