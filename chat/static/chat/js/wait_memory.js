const KEY = "chat.waits";
/** No wait is longer: the server ends it then. */
const FORGET_MS = 20 * 60 * 1000;

/** What this tab showed of its waits, so that a reload shows it at once and goes on counting where it was. */
export class WaitMemory {
  #storage;
  #now;

  /** @param now `() => ms of the epoch` */
  constructor(storage, now) {
    this.#storage = storage;
    this.#now = now;
  }

  /** The state of a generation's countdown, or null. */
  recall(generation) {
    return this.#fresh()[generation] ?? null;
  }

  keep(generation, state) {
    this.#write({ ...this.#fresh(), [generation]: state });
  }

  forget(generation) {
    const { [generation]: known, ...others } = this.#fresh();
    if (known !== undefined) this.#write(others);
  }

  #fresh() {
    try {
      const all = Object.entries(JSON.parse(this.#storage.getItem(KEY)) ?? {});
      return Object.fromEntries(all.filter(([, { saidAt }]) => this.#now() - saidAt < FORGET_MS));
    } catch {
      return {}; // no storage in this browser, or somebody else's content
    }
  }

  #write(all) {
    try {
      if (Object.keys(all).length === 0) this.#storage.removeItem(KEY);
      else this.#storage.setItem(KEY, JSON.stringify(all));
    } catch {
      // Full or forbidden: a reload waits for the server's word.
    }
  }
}
