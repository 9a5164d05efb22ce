/** Nothing waits longer than this before it is drawn. */
const LAG_MAX_MS = 250;
/** The backlog is drawn at a pace that would empty it in about this time. */
const HORIZON_MS = 120;
const FRAME_MS = 16;

/** Code points that belong to the character before them, and the joiner that binds the next one to it. */
const CONTINUES = /^[\p{M}\p{Emoji_Modifier}\u200d\ufe0e\ufe0f]/u;
const JOINER = "\u200d";

/** The first place at or after `wanted` where cutting `text` splits neither a surrogate pair nor a joined emoji. */
export function safeCut(text, wanted) {
  let cut = Math.min(wanted, text.length);
  while (cut > 0 && cut < text.length) {
    const unit = text.charCodeAt(cut);
    const isLowSurrogate = unit >= 0xdc00 && unit <= 0xdfff;
    if (!isLowSurrogate && text[cut - 1] !== JOINER && !CONTINUES.test(text.slice(cut, cut + 2))) break;
    cut += 1;
  }
  return cut;
}

/**
 * Draws text evenly, however it arrives: a piece per animation frame, never more than a quarter of a second late, and
 * at once if nobody sees it or the reader wants no motion.
 */
export class Smoother {
  #draw;
  #options;
  #backlog = "";
  /** `{length, at}` of the pieces in the backlog, oldest first. */
  #arrivals = [];
  #frame = null;
  #lastFrameAt = 0;

  /**
   * @param draw `(text) => void` shows more text
   * @param options `requestFrame`, `cancelFrame`, `now`, `isImmediate()`
   */
  constructor(draw, options) {
    this.#draw = draw;
    this.#options = options;
  }

  push(text) {
    this.#backlog += text;
    this.#arrivals.push({ length: text.length, at: this.#options.now() });
    if (this.#options.isImmediate()) this.flush();
    else this.#schedule();
  }

  /** Draws all that is left. */
  flush() {
    this.#cancel();
    this.#take(this.#backlog.length);
  }

  /** Forgets what was not drawn: other text replaces it. */
  clear() {
    this.#cancel();
    this.#backlog = "";
    this.#arrivals = [];
  }

  #schedule() {
    if (this.#frame !== null) return;
    this.#lastFrameAt = this.#options.now();
    this.#frame = this.#options.requestFrame(() => this.#onFrame());
  }

  #cancel() {
    if (this.#frame !== null) this.#options.cancelFrame(this.#frame);
    this.#frame = null;
  }

  #onFrame() {
    const now = this.#options.now();
    const elapsed = Math.max(FRAME_MS, now - this.#lastFrameAt);
    const even = Math.ceil((this.#backlog.length * elapsed) / HORIZON_MS);
    this.#lastFrameAt = now;
    this.#frame = null;
    this.#take(Math.max(even, this.#overdue(now)));
    if (this.#backlog !== "") this.#frame = this.#options.requestFrame(() => this.#onFrame());
  }

  #overdue(now) {
    let length = 0;
    for (const arrival of this.#arrivals) {
      if (now - arrival.at < LAG_MAX_MS) break;
      length += arrival.length;
    }
    return length;
  }

  #take(wanted) {
    if (this.#backlog === "") return;
    const cut = safeCut(this.#backlog, wanted);
    const piece = this.#backlog.slice(0, cut);
    this.#backlog = this.#backlog.slice(cut);
    for (let rest = cut; rest > 0; ) {
      const taken = Math.min(rest, this.#arrivals[0].length);
      rest -= taken;
      this.#arrivals[0].length -= taken;
      if (this.#arrivals[0].length === 0) this.#arrivals.shift();
    }
    this.#draw(piece);
  }
}
