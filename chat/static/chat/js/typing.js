import { gettext, interpolate } from "chat/words.js";

/** Sent at most this often, and forgotten after twice as long. */
export const SEND_EVERY_MS = 3000;
const FORGET_MS = 6000;

/** "Ann is writing…" for those who do. */
export function typingSentence(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return interpolate(gettext("%(name)s is writing…"), { name: names[0] });
  if (names.length === 2) {
    return interpolate(gettext("%(first)s and %(second)s are writing…"), { first: names[0], second: names[1] });
  }
  return gettext("Several people are writing…");
}

/** Who is writing now; nobody is asked to say that they stopped. */
export class TypingLine {
  #element;
  #clock;
  #writers = new Map();

  constructor(element, clock) {
    this.#element = element;
    this.#clock = clock;
  }

  started({ id, name }) {
    this.#writers.get(id)?.cancel();
    const cancel = this.#clock.after(FORGET_MS, () => this.stopped(id));
    this.#writers.set(id, { name, cancel });
    this.#show();
  }

  /** Their message came, or nothing for a while. */
  stopped(id) {
    this.#writers.get(id)?.cancel();
    this.#writers.delete(id);
    this.#show();
  }

  #show() {
    this.#element.textContent = typingSentence([...this.#writers.values()].map(({ name }) => name));
  }
}
