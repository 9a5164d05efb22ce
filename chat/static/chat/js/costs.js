/** Answers that ended together are asked for together. */
const TOGETHER_MS = 300;
const AT_ONCE = 100;

/** What answers cost, for those who may see it: fetched once each, as they are shown. */
export class Costs {
  #fetchCosts;
  #clock;
  #known = new Map();
  #wanted = [];

  /** @param fetchCosts `(ids) => Promise` of `{id: millionths of a US dollar}` */
  constructor(fetchCosts, clock) {
    this.#fetchCosts = fetchCosts;
    this.#clock = clock;
  }

  /** Called when some became known. */
  onNews = () => {};

  /** In millionths of a US dollar; null if it is not known (yet). */
  of(id) {
    if (!this.#known.has(id)) {
      this.#known.set(id, null);
      this.#wanted.push(id);
      if (this.#wanted.length === 1) this.#clock.after(TOGETHER_MS, () => this.#ask());
    }
    return this.#known.get(id);
  }

  async #ask() {
    const ids = this.#wanted.splice(0, AT_ONCE);
    if (this.#wanted.length > 0) this.#clock.after(TOGETHER_MS, () => this.#ask());
    try {
      const costs = Object.entries(await this.#fetchCosts(ids));
      for (const [id, cost] of costs) this.#known.set(Number(id), cost);
      if (costs.length > 0) this.onNews();
    } catch {
      // Nobody misses it: a reload asks again.
    }
  }
}
