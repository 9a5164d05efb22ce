import { spokenText } from "chat/announcer.js";

const KEY = "chat.readAloud";
const CHOICES = ["end", "paragraph", "off"];
/** What is one paragraph for the ear: a line's end alone ends none. */
const PARAGRAPH_END = "\n\n";

/** Cuts a growing text into its finished paragraphs; each character is looked at once. */
export class Paragraphs {
  #from = 0;
  #seen = 0;

  /** The paragraphs that `text`, of which more was given before, has finished since. */
  next(text) {
    const finished = [];
    let end = text.indexOf(PARAGRAPH_END, Math.max(this.#from, this.#seen - 1));
    while (end !== -1) {
      finished.push(text.slice(this.#from, end));
      this.#from = end + PARAGRAPH_END.length;
      end = text.indexOf(PARAGRAPH_END, this.#from);
    }
    this.#seen = text.length;
    return finished.map(spokenText).filter((paragraph) => paragraph !== "");
  }

  /** What came after the last finished one. */
  rest(text) {
    return spokenText(text.slice(this.#from));
  }

  /** The text was replaced: what stands in it now has been there before. */
  startOver(text) {
    this.#from = text.lastIndexOf(PARAGRAPH_END) + 1;
    this.#seen = text.length;
  }
}

/** How answers are read out: at their end, by paragraph or not at all; and whether they are shown while they grow. */
export class ReadAloud {
  #select;
  #calm;
  #storage;

  constructor(select, calm, storage) {
    this.#select = select;
    this.#calm = calm;
    this.#storage = storage;
    const [choice = "end", isCalm = ""] = (this.#read() ?? "").split(" ");
    select.value = CHOICES.includes(choice) ? choice : "end";
    calm.checked = isCalm === "calm";
    for (const control of [select, calm]) control.addEventListener("change", () => this.#chosen());
    this.#show();
  }

  get choice() {
    return this.#select.value;
  }

  /**
   * Follows one answer.
   * @param endSentence what to say of an end, see `announcer.js`
   * @returns `(state) =>` the sentence for its end
   */
  follow(subscription, announcer, endSentence) {
    const paragraphs = new Paragraphs();
    paragraphs.startOver(subscription.state.value.text);
    subscription.state.watch((state, change) => {
      if (change.kind === "replace") paragraphs.startOver(state.text);
      if (change.kind !== "append") return;
      const finished = paragraphs.next(state.text);
      if (this.choice === "paragraph") finished.forEach((paragraph) => announcer.say(paragraph));
    });
    return (state) => {
      if (this.choice === "end" || state.status !== "completed") return endSentence(state);
      return this.choice === "paragraph" ? paragraphs.rest(state.text) : "";
    };
  }

  #chosen() {
    this.#show();
    try {
      this.#storage.setItem(KEY, `${this.#select.value} ${this.#calm.checked ? "calm" : ""}`);
    } catch {
      // Full or forbidden: it holds for this page only.
    }
  }

  #show() {
    document.documentElement.toggleAttribute("data-calm", this.#calm.checked);
  }

  #read() {
    try {
      return this.#storage.getItem(KEY);
    } catch {
      return null; // no storage in this browser
    }
  }
}
