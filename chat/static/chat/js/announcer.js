import { gettext, interpolate, language, ngettext } from "chat/words.js";
import { nothingToCancel } from "streaming/clock.js";

/** A longer answer is only announced, not read out. */
const READ_OUT_CHARS = 500;
/** How often a waiting answer may say something new. */
const WAITING_EVERY_MS = 10000;
const FORGET_MS = 15000;

/** Markdown's marks are noise when read out. */
export function spokenText(text) {
  return text.replace(/[*_`#>]+/g, "").replace(/\s+/g, " ").trim();
}

/** What is said when an answer has ended. */
export function endSentence({ status, text, end }) {
  if (status === "completed") return finished(text);
  const told = end.message ?? "";
  const reason = gettext(told) || (status === "expired" ? gettext("It waited too long.") : "");
  const what = { stopped: gettext("Answer stopped."), interrupted: gettext("Answer broke off.") }[status];
  return `${what ?? gettext("No answer.")} ${reason}`.trim();
}

function finished(text) {
  const spoken = spokenText(text);
  if (spoken === "") return gettext("The model had nothing to say.");
  if (spoken.length <= READ_OUT_CHARS) return spoken;
  const count = spoken.split(" ").length;
  const sentence = ngettext("Answer finished, %(count)s word", "Answer finished, %(count)s words", count);
  return interpolate(sentence, { count: new Intl.NumberFormat(language).format(count) });
}

/** Speaks through the page's one live region; streamed text itself is never in a live region. */
export class Announcer {
  #region;
  #clock;
  #waitingAt = -Infinity;
  #waiting = "";
  #cancelWaiting = nothingToCancel;

  constructor(region, clock) {
    this.#region = region;
    this.#clock = clock;
  }

  say(sentence) {
    if (sentence === "") return;
    const line = document.createElement("p");
    line.textContent = sentence;
    this.#region.append(line);
    this.#clock.after(FORGET_MS, () => line.remove());
  }

  /** Like `say`, but at most every ten seconds: the newest of what came in between is said then. */
  sayWaiting(sentence) {
    this.#cancelWaiting();
    if (sentence === this.#waiting) return;
    const pauseMs = this.#waitingAt + WAITING_EVERY_MS - this.#clock.now();
    if (pauseMs > 0) this.#cancelWaiting = this.#clock.after(pauseMs, () => this.#sayWaitingNow(sentence));
    else this.#sayWaitingNow(sentence);
  }

  /** It does not wait any more: what was not said is no longer true. */
  stopWaiting() {
    this.#cancelWaiting();
    this.#waiting = "";
  }

  #sayWaitingNow(sentence) {
    this.#waitingAt = this.#clock.now();
    this.#waiting = sentence;
    this.say(sentence);
  }
}
