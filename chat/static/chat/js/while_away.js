import { browserClock } from "streaming/clock.js";

/** Whoever reads the answer in another tab or on another device is not told of it: that takes this long to be known. */
const SETTLE_MS = 2000;

/** Notices what happens while this page is hidden: what is new in how many conversations, and which answers ended. */
export class WhileAway {
  #title;
  #onFinished;
  #page;
  #clock;
  #entries = new Map();
  #answering = new Set();
  #finished = new Set();

  /**
   * @param title a PageTitle
   * @param onFinished `(entry) =>` told of an answer that ended, if nobody has read it a moment later
   */
  constructor(title, onFinished, page = document, clock = browserClock) {
    this.#title = title;
    this.#onFinished = onFinished;
    this.#page = page;
    this.#clock = clock;
  }

  /** The list of conversations as it is now, also after this page was shown or hidden. `current`: this page's own. */
  listed(entries, current) {
    this.#entries = new Map(entries.map((entry) => [entry.conversation, entry]));
    const isHidden = this.#isHidden;
    const unread = entries.filter((one) => one.unread && !one.answering && (isHidden || one.conversation !== current));
    const ended = isHidden ? unread.filter(({ conversation }) => this.#answering.has(conversation)) : [];
    this.#answering = new Set(entries.filter(({ answering }) => answering).map(({ conversation }) => conversation));
    for (const { conversation } of ended) this.#ended(conversation);
    for (const conversation of this.#finished) {
      if (!isHidden || !this.#isNew(conversation)) this.#finished.delete(conversation);
    }
    this.#title.mark(unread.length, this.#finished.size > 0);
  }

  get #isHidden() {
    return this.#page.visibilityState === "hidden";
  }

  #isNew(conversation) {
    const entry = this.#entries.get(conversation);
    return entry !== undefined && entry.unread && !entry.answering;
  }

  #ended(conversation) {
    this.#finished.add(conversation);
    this.#clock.after(SETTLE_MS, () => {
      if (this.#finished.has(conversation)) this.#onFinished(this.#entries.get(conversation));
    });
  }
}
