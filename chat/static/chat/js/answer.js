import { messageState } from "chat/conversation_state.js";
import { counted } from "chat/debug_panel.js";
import { WaitLine } from "chat/wait_line.js";
import { gettext, interpolate, said } from "chat/words.js";
import { Smoother } from "streaming/smoother.js";

/** Longer than models pause by themselves: whoever looks at a cursor that stands still is told that it is not over. */
const QUIET_MS = 10000;
const QUIET = gettext("Nothing new for a while. Still waiting…");

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
  #line;
  #countdown = null;
  #quiet = null;
  #blocks;
  /** A tab that draws rarely has an empty view for longer than the first text. */
  #isTold = false;

  /**
   * @param place of the answer in the line, see `WaitLine`
   * @param listener `{onFirstText(), onWaiting(sentence), onStarted(), onReplaced(), onEnded(state)}`
   */
  constructor(view, subscription, place, listener) {
    this.#view = view;
    this.#listener = listener;
    this.#line = new WaitLine(view, place);
    this.#smoother = new Smoother((text) => counted(() => view.text.append(text)), drawing);
    const { text, blocks } = subscription.state.value;
    this.#blocks = blocks;
    view.text.replace(text, blocks);
    this.#showStatus(subscription.state.value);
    if (isUntold(subscription.state.value)) this.#line.restore();
    subscription.state.watch((state, change) => this.#changed(state, change));
    document.addEventListener("visibilitychange", () => document.hidden && this.#smoother.flush());
  }

  #changed(state, change) {
    if (change.kind === "append") this.#append(change);
    else if (change.kind === "replace") this.#replace(change.text);
    if (state.blocks !== this.#blocks) this.#view.text.commit(state.blocks, change.index);
    this.#blocks = state.blocks;
    if (state.end === null) this.#showStatus(state);
    else if (change.kind === "ended") this.#ended(state);
  }

  #append({ text, seam }) {
    if (this.#view.text.isEmpty && !this.#isTold) this.#listener.onFirstText();
    this.#isTold = true;
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
    this.#line.over();
    this.#view.element.removeAttribute("data-waiting");
    this.#smoother.flush();
    this.#view.text.finish();
    this.#view.showEnd(messageState({ generation: { status: state.status } }), state.end);
    this.#listener.onEnded(state);
  }

  #showStatus(state) {
    const { text, waiting, status } = state;
    clearInterval(this.#countdown);
    clearTimeout(this.#quiet);
    this.#view.element.toggleAttribute("data-has-text", text !== "");
    this.#view.element.toggleAttribute("data-waiting", waiting !== null);
    if (waiting?.reason === "waiting" && status === "queued") this.#showPlace(waiting);
    else this.#showReason(waiting, isUntold(state));
  }

  #showPlace(waiting) {
    this.#view.showState("answering", "");
    const news = this.#line.told(waiting);
    if (news !== "") this.#listener.onWaiting(news);
  }

  /** @param isUntold the server has not said yet whether it waits: what an earlier page showed stands */
  #showReason(waiting, isUntold) {
    const isOpen = isUntold || waiting?.reason === "starting";
    const sentence = waiting === null ? "" : waitingSentence(waiting);
    if (!isOpen) this.#line.over();
    this.#view.showState("answering", this.#line.isShown ? "" : sentence);
    if (waiting === null) this.#notWaiting(isUntold);
    else if (!isOpen) this.#listener.onWaiting(sentence);
    if (waiting?.reason === "retrying" && waiting.retryInS) this.#countDown(waiting);
  }

  #notWaiting(isUntold) {
    if (!isUntold) this.#listener.onStarted();
    this.#quiet = setTimeout(() => !this.#line.isShown && this.#view.showState("answering", QUIET), QUIET_MS);
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

/** Queued, as far as the page knows, and not told what for. */
function isUntold({ status, waiting, end }) {
  return status === "queued" && waiting === null && end === null;
}

/** Why an answer does not run yet, as a sentence. */
export function waitingSentence({ reason, message, retryInS }) {
  if (reason === "retrying") {
    const seconds = Math.ceil(retryInS ?? 0);
    const counted = interpolate(gettext("Trying again in %(seconds)s s."), { seconds });
    const when = seconds ? counted : gettext("Trying again…");
    return message ? `${said(message)} ${when}` : when;
  }
  if (message) return said(message);
  return reason === "waiting_for_queue" ? gettext("Waiting for the queue…") : gettext("Starting…");
}
