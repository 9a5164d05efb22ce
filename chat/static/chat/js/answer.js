import { messageState } from "chat/conversation_state.js";
import { Smoother } from "streaming/smoother.js";

/** Longer than models pause by themselves: whoever looks at a cursor that stands still is told that it is not over. */
const QUIET_MS = 10000;
const QUIET = "Nothing new for a while. Still waiting…";

const motion = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)");

const drawing = {
  requestFrame: (action) => requestAnimationFrame(action),
  cancelFrame: (frame) => cancelAnimationFrame(frame),
  now: () => performance.now(),
  isImmediate: () => document.hidden || motion?.matches === true,
};

/** An answer that is being written: draws what its stream brings into its message's view. */
export class Answer {
  #view;
  #smoother;
  #listener;
  #countdown = null;
  #quiet = null;

  /** @param listener `{onFirstText(), onWaiting(sentence), onReplaced(), onEnded(state)}` */
  constructor(view, subscription, listener) {
    this.#view = view;
    this.#listener = listener;
    this.#smoother = new Smoother((text) => view.text.append(text), drawing);
    view.text.replace(subscription.state.value.text);
    this.#showStatus(subscription.state.value);
    subscription.state.watch((state, change) => this.#changed(state, change));
    document.addEventListener("visibilitychange", () => document.hidden && this.#smoother.flush());
  }

  #changed(state, change) {
    if (change.kind === "append") this.#append(change);
    else if (change.kind === "replace") this.#replace(change.text);
    if (state.end === null) this.#showStatus(state);
    else if (change.kind === "ended") this.#ended(state);
  }

  #append({ text, seam }) {
    if (this.#view.text.isEmpty) this.#listener.onFirstText();
    if (seam) this.#markSeam();
    this.#smoother.push(text);
  }

  #markSeam() {
    this.#smoother.flush();
    this.#view.text.markSeam();
  }

  #replace(text) {
    this.#smoother.clear();
    this.#view.text.replace(text);
    this.#listener.onReplaced();
  }

  #ended(state) {
    clearInterval(this.#countdown);
    clearTimeout(this.#quiet);
    this.#view.element.removeAttribute("data-waiting");
    this.#smoother.flush();
    this.#view.showEnd(messageState({ generation: { status: state.status } }), state.end);
    this.#listener.onEnded(state);
  }

  #showStatus({ text, waiting }) {
    clearInterval(this.#countdown);
    clearTimeout(this.#quiet);
    this.#view.element.toggleAttribute("data-has-text", text !== "");
    this.#view.element.toggleAttribute("data-waiting", waiting !== null);
    const sentence = waiting === null ? "" : waitingSentence(waiting);
    this.#view.showState("answering", sentence);
    if (sentence !== "") this.#listener.onWaiting(sentence);
    if (waiting === null) this.#quiet = setTimeout(() => this.#view.showState("answering", QUIET), QUIET_MS);
    if (waiting?.reason === "retrying" && waiting.retryInS) this.#countDown(waiting);
  }

  #countDown({ message, retryInS }) {
    const until = performance.now() + retryInS * 1000;
    this.#countdown = setInterval(() => {
      const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
      this.#view.showState("answering", waitingSentence({ reason: "retrying", message, retryInS: left }));
      if (left === 0) clearInterval(this.#countdown);
    }, 1000);
  }
}

/** Why an answer does not run yet, as a sentence. */
export function waitingSentence({ reason, message, retryInS }) {
  if (reason === "retrying") {
    const when = retryInS ? `Trying again in ${Math.ceil(retryInS)} s.` : "Trying again…";
    return message ? `${message} ${when}` : when;
  }
  if (message) return message;
  return reason === "waiting_for_queue" ? "Waiting for the queue…" : "Starting…";
}
