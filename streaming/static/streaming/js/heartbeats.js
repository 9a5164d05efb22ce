/** A network may bunch two heartbeats; nobody promised a shorter period than this. */
const SHORTEST_MS = 5000;

/**
 * How often the server can be expected to say something. While streams are live it does so more often than `hello`
 * promises; how often shows in the heartbeats themselves. That is what tells a stalled answer from a dead connection.
 */
export class Heartbeats {
  #clock;
  /** The last one: when it came and whether streams were live. */
  #last = null;
  #livePeriodMs = null;

  constructor(clock) {
    this.#clock = clock;
  }

  came({ streams }) {
    const now = { at: this.#clock.now(), isLive: streams.length > 0 };
    const isSecondLive = now.isLive && this.#last?.isLive === true;
    this.#livePeriodMs = isSecondLive ? Math.max(SHORTEST_MS, now.at - this.#last.at) : null;
    this.#last = now;
  }

  periodMs({ heartbeat_s: promisedS }, areStreamsLive) {
    const promisedMs = promisedS * 1000;
    return areStreamsLive ? Math.min(promisedMs, this.#livePeriodMs ?? promisedMs) : promisedMs;
  }

  reset() {
    this.#last = this.#livePeriodMs = null;
  }
}
