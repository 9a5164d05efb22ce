import { ENDINGS, START, comesRightAfter, comparePositions, isLive, parsePosition } from "streaming/protocol.js";

/** What applying a frame did. `hole`: something is missing before it; the stream must be subscribed again. */
const NOTHING = Object.freeze({ kind: "nothing" });
const HOLE = Object.freeze({ kind: "hole" });
const STATUS = Object.freeze({ kind: "status" });
const ENDED = Object.freeze({ kind: "ended" });

/**
 * One generation as this page knows it: a pure fold over its frames. Each durable event is applied exactly once and
 * in order, whatever the network repeats, loses or delays.
 */
export class Stream {
  text = "";
  /** The finished pieces of the text, `{lines, html}` each; see `stream.block`. Replaced, never changed. */
  blocks = Object.freeze([]);
  position = START;
  epoch = null;
  /** The terminal event's fields once it ended: `{status, reason, code, message, retryable, ...}`. */
  end = null;
  /**
   * Why it does not run yet: `{reason, message, retryInS}`, and in the line of its lane (reason "waiting") also
   * `{ahead, p50S, p90S, why, resumeS}`, counted from the moment when it was told; null is not known.
   */
  waiting = null;
  /** False if the server could not prove that what it sent follows what was shown. */
  recovered = true;
  #parts = [];
  #blockParts = [];
  #lineEnds = 0;
  /** Lines that blocks stand for. */
  #covered = 0;
  /** A later attempt has begun: what it writes next goes on with text that another one wrote. */
  #goesOn = false;

  constructor(generation, { status = "queued", model = "" } = {}) {
    this.generation = generation;
    this.status = status;
    this.model = model;
  }

  /** What a subscription asks for: everything after what is known, or everything. */
  get known() {
    if (this.epoch === null) return {};
    const after = `${this.position.attempt}-${this.position.seq}`;
    return this.epoch ? { after, epoch: this.epoch } : { after }; // empty: a snapshot of a text that has no log
  }

  /** The answer to a subscription. */
  subscribed({ epoch, status }) {
    if (epoch) this.epoch = epoch;
    if (this.end === null && isLive(status)) this.status = status;
    return STATUS;
  }

  /** Forgets the place, not the text: the next subscription gets a snapshot, which replaces what is shown. */
  startOver() {
    this.position = START;
    this.epoch = null;
    this.end = null;
    this.#parts = [];
    this.#blockParts = [];
  }

  /** The row's final state, learned on another way than the stream. */
  settle({ text, ...end }) {
    if (this.end !== null) return NOTHING;
    const effect = this.#show(text);
    this.#finish(end);
    return { ...effect, kind: effect.kind === "nothing" ? "ended" : effect.kind };
  }

  apply(frame) {
    if (this.end !== null) return NOTHING;
    if (frame.type === "stream.queued") return this.#queued(frame);
    if (frame.type === "stream.snapshot") return this.#snapshot(frame);
    return this.#durable(frame);
  }

  #queued(frame) {
    const { reason, message = "", retry_in_s: retryInS = null } = frame;
    this.status = "queued";
    this.waiting = { reason, message, retryInS, ...(reason === "waiting" && inLine(frame)) };
    return STATUS;
  }

  #snapshot(frame) {
    if (frame.part === 0) [this.#parts, this.#blockParts] = [[], []];
    if (frame.part !== this.#parts.length) return HOLE;
    this.#parts.push(frame.text);
    this.#blockParts.push(...(frame.blocks ?? []));
    if (!frame.last) return NOTHING;
    const [text, blocks] = [this.#parts.join(""), this.#blockParts];
    [this.#parts, this.#blockParts] = [[], []];
    Object.assign(this, { position: parsePosition(frame.position), epoch: frame.epoch, model: frame.model });
    this.recovered = frame.recovered;
    if (isLive(frame.status)) this.status = frame.status;
    const effect = this.#show(text, STATUS);
    this.#setBlocks(blocks);
    return effect;
  }

  #durable(frame) {
    const position = parsePosition(frame.position);
    const order = comparePositions(position, this.position);
    // A snapshot of a finished row has the terminal event's position; the event itself still says how it ended.
    const isEndOfSnapshot = order === 0 && frame.type in ENDINGS;
    if (order <= 0 && !isEndOfSnapshot) return NOTHING;
    if (order > 0 && !comesRightAfter(frame, position, this.position)) return HOLE;
    this.position = position;
    return this.#event(frame);
  }

  #event(frame) {
    if (frame.type === "stream.delta") {
      Object.assign(this, { status: "streaming", waiting: null });
      return this.#append(this.text + frame.text, frame.text); // nothing here may cost more in a long text
    }
    if (frame.type === "stream.block") return this.#block(frame);
    if (frame.type === "stream.started") {
      this.#goesOn = this.text !== "" && frame.attempt > 1;
      Object.assign(this, { status: this.text === "" ? "admitted" : "streaming", model: frame.model });
      if (!this.#goesOn) this.waiting = null; // else until it goes on in fact
      return STATUS;
    }
    if (frame.type in ENDINGS) {
      const { type, generation, position, ...fields } = frame;
      this.#finish({ status: ENDINGS[type], ...fields });
      return ENDED;
    }
    return NOTHING; // usage, or an event of a later server that this page need not know
  }

  /** A known number comes again in its place, or with other lines in the place of all from there on. */
  #block({ index, lines, html = null }) {
    const before = this.blocks;
    if (index > before.length) return NOTHING;
    const after = before[index]?.lines === lines ? before.slice(index + 1) : [];
    const blocks = [...before.slice(0, index), { lines, html }, ...after];
    if (countLines(blocks) > this.#lineEnds + 1) return NOTHING; // text that is not there
    this.#setBlocks(blocks);
    return { kind: "block", index };
  }

  #setBlocks(blocks) {
    this.blocks = Object.freeze(blocks);
    this.#covered = countLines(blocks);
  }

  #finish(end) {
    this.end = Object.freeze(end);
    this.status = end.status;
    this.waiting = null;
  }

  /** More of the same text is appended (`seam`: by the next attempt); anything else replaces what is shown. */
  #show(text, otherwise = NOTHING) {
    const before = this.text;
    if (text === before) return otherwise;
    if (text.startsWith(before)) return this.#append(text, text.slice(before.length));
    Object.assign(this, { text });
    this.#lineEnds = countLineEnds(text);
    this.#setBlocks([]);
    this.#goesOn = false;
    return { kind: "replace", text };
  }

  #append(text, more) {
    if (more === "") return NOTHING;
    const effect = { kind: "append", text: more, ...(this.#goesOn && { seam: true }) };
    // A block for the last line that had no end: more of that line has come.
    if (this.#covered > this.#lineEnds) this.#setBlocks(this.blocks.slice(0, -1));
    this.text = text;
    this.#lineEnds += countLineEnds(more);
    this.#goesOn = false;
    return effect;
  }
}

function countLineEnds(text) {
  return text.split("\n").length - 1;
}

function countLines(blocks) {
  return blocks.reduce((sum, { lines }) => sum + lines, 0);
}

function inLine({ ahead = null, p50_s: p50S = null, p90_s: p90S = null, why = "open", resume_s: resumeS = null }) {
  return { ahead, p50S, p90S, why, resumeS };
}
