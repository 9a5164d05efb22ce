/**
 * How long to wait before the next attempt: exponential with full jitter, so that the clients of a restarted server
 * do not come back all at once.
 */
export class Backoff {
  #attempts = 0;

  constructor({ baseMs = 500, maxMs = 15000, random = Math.random } = {}) {
    this.baseMs = baseMs;
    this.maxMs = maxMs;
    this.random = random;
  }

  get attempts() {
    return this.#attempts;
  }

  /** The next delay in milliseconds: anything between `minimumMs` and a ceiling that doubles each time. */
  next(minimumMs = 0) {
    const ceiling = Math.min(this.maxMs, this.baseMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts += 1;
    return minimumMs + Math.round(this.random() * ceiling);
  }

  reset() {
    this.#attempts = 0;
  }
}
