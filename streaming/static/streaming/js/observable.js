/**
 * A value that can be watched. `watch` and `value` are what a front end's framework needs to follow it
 * (`useSyncExternalStore(state.watch, () => state.value)` in React).
 */
export class Observable {
  #value;
  #watchers = new Set();

  constructor(value) {
    this.#value = value;
    this.watch = this.watch.bind(this);
  }

  get value() {
    return this.#value;
  }

  /** Sets the value and tells the watchers; `detail` travels along and says what changed. */
  set(value, detail = undefined) {
    this.#value = value;
    for (const watcher of [...this.#watchers]) watcher(value, detail);
  }

  /** Calls `watcher(value, detail)` at each change from now on; returns the function that ends it. */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}
