import { WaitCountdown } from "chat/wait_countdown.js";
import { spokenWait, waitLine, waitReason } from "chat/wait_words.js";

const TICK_MS = 1000;

/** An answer's place in the line: shown and counted down until it starts, or nobody waits for it any more. */
export class WaitLine {
  #view;
  #place;
  #countdown;
  #timer = null;
  #told = null;
  #isShown = false;

  /**
   * @param view of the answer's message
   * @param place `{generation, isOwn, memory, now()}`; `isOwn`: the reader's own question waits
   */
  constructor(view, place) {
    this.#view = view;
    this.#place = place;
    this.#countdown = new WaitCountdown(place.memory.recall(place.generation));
  }

  get isShown() {
    return this.#isShown;
  }

  /** What an earlier page of this tab showed, until the server has spoken. */
  restore() {
    if (this.#countdown.state !== null) this.#show();
  }

  /** Shows an announcement; returns what those should hear who listen, empty if it is nothing new. */
  told(waiting) {
    if (waiting === this.#told) return "";
    const { generation, isOwn, memory, now } = this.#place;
    this.#told = waiting;
    this.#countdown.told(waiting, now());
    memory.keep(generation, this.#countdown.state);
    this.#show();
    return waiting.ahead === null ? "" : spokenWait(this.#countdown.at(now()), isOwn);
  }

  /** It does not wait here (any more). */
  over() {
    if (this.#countdown.state === null) return; // told with every piece of text
    clearTimeout(this.#timer);
    this.#place.memory.forget(this.#place.generation);
    this.#countdown = new WaitCountdown();
    this.#told = null;
    this.#isShown = false;
    this.#view.hideWait();
  }

  #show() {
    clearTimeout(this.#timer);
    this.#isShown = true;
    const wait = this.#countdown.at(this.#place.now());
    this.#view.showWait(waitLine(wait, this.#place.isOwn), waitReason(wait), wait.why);
    this.#timer = setTimeout(() => this.#show(), TICK_MS);
  }
}
