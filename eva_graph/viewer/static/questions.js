// Which questions are listed, and in which order. Pure.

/** How the second run's answer differs from the first's. */
export function changeOf(question) {
  const [first, second] = question.sides;
  if (!first || !second) return first ? "only first" : "only second";
  if (first.verdict === "wrong" && second.verdict === "right") return "gained";
  if (first.verdict === "right" && second.verdict === "wrong") return "lost";
  return normal(first.answer) === normal(second.answer) ? "same" : "changed";
}

function normal(answer) {
  return answer === null ? null : answer.toLowerCase().split(/\s+/).join(" ").trim();
}

export const CHANGES = {
  gained: "Wrong → right",
  lost: "Right → wrong",
  changed: "Another answer",
  same: "Same answer",
  "only first": "Only in the first run",
  "only second": "Only in the second run",
};

const KEYS = {
  question: (question) => question.question.toLowerCase(),
  video: (question) => question.video.toLowerCase(),
  duration: (question) => question.duration ?? 0,
  turns: (question) => largest(question, "turns"),
  frames: (question) => largest(question, "frames"),
  visual_tokens: (question) => largest(question, "visual_tokens"),
  prompt_tokens: (question) => largest(question, "prompt_tokens"),
  seconds: (question) => largest(question, "seconds"),
};

export const SORTS = {
  recorded: "As recorded",
  question: "Question",
  video: "Video",
  duration: "Video length",
  turns: "Turns",
  frames: "Frames",
  visual_tokens: "Visual tokens",
  prompt_tokens: "Last prompt",
  seconds: "Time taken",
};

function largest(question, name) {
  return Math.max(...question.sides.filter(Boolean).map((side) => side[name] ?? 0));
}

/** Numbers of the questions that match, sorted. */
export function chosen(questions, wanted) {
  const numbers = questions.map((_, number) => number).filter((n) => matches(questions[n], wanted));
  const key = KEYS[wanted.sort];
  if (key) {
    const keys = new Map(numbers.map((n) => [n, key(questions[n])]));
    const order = (a, b) => (keys.get(a) < keys.get(b) ? -1 : keys.get(a) > keys.get(b) ? 1 : 0);
    numbers.sort(wanted.descending ? (a, b) => order(b, a) : order);
  } else if (wanted.descending) numbers.reverse();
  return numbers;
}

/** One side has to satisfy all that is asked of an episode. */
function matches(question, wanted) {
  if (wanted.change && changeOf(question) !== wanted.change) return false;
  if (!wanted.words.every((word) => searchable(question).includes(word))) return false;
  return question.sides.some(
    (side) =>
      side &&
      (!wanted.verdict || side.verdict === wanted.verdict) &&
      (!wanted.stop || side.stop === wanted.stop) &&
      within(side.turns, wanted.turns) &&
      within(side.visual_tokens, wanted.visual) &&
      within(side.prompt_tokens, wanted.prompt),
  );
}

/** What is not known is in no range. */
function within(value, [least, most]) {
  if (value === null && (least !== null || most !== null)) return false;
  return (least === null || value >= least) && (most === null || value <= most);
}

const texts = new WeakMap();

function searchable(question) {
  if (!texts.has(question)) {
    const sides = question.sides.filter(Boolean);
    const parts = sides.flatMap((s) => [s.answer, s.answer_text, s.id, s.policy, ...s.labels]);
    texts.set(question, [question.question, question.video, ...parts].join("\n").toLowerCase());
  }
  return texts.get(question);
}

/** How often each value of a field occurs, the most frequent first. */
export function tally(questions, field) {
  const counts = new Map();
  for (const side of questions.flatMap((question) => question.sides.filter(Boolean)))
    counts.set(side[field], (counts.get(side[field]) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}
