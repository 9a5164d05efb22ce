import { isSentence, modelWait } from "chat/wait_words.js";

const KEY = "chat.model";

/**
 * The choice of a model: a conversation keeps its own, a new one begins with the last of all. Each says how long one would
 * wait for it.
 */
export class ModelPicker {
  #select;
  #note;
  #labels;
  #waits = {};
  /** Where the choice is kept, the more particular place first. */
  #kept;

  /**
   * @param note where the wait of the chosen model stands, beside its name
   * @param storage where the last choice of all is kept
   * @param own `{storage, key}`: where that of this conversation is
   */
  constructor(select, note, storage, own) {
    this.#select = select;
    this.#note = note;
    this.#labels = new Map([...select.options].map((option) => [option, option.textContent]));
    this.#kept = [own, { storage, key: KEY }];
    const wanted = this.#kept.map(read).find((value) => this.#canBeChosen(value));
    if (wanted !== undefined) select.value = wanted;
    select.addEventListener("change", () => this.#chosen());
  }

  /** @param waits by alias, as in `models.waits`; a model that is not in it is shown without a word */
  show(waits) {
    this.#waits = waits;
    for (const [option, label] of this.#labels) {
      const words = option.disabled ? "" : this.#words(option.value);
      const isChosen = option.value === this.#select.value;
      const text = words === "" || isChosen ? label : `${label} · ${words}`;
      if (option.textContent !== text) option.textContent = text;
    }
    const note = this.#words(this.#select.value);
    this.#note.toggleAttribute("data-sentence", isSentence(waits[this.#select.value]));
    if (this.#note.textContent !== note) this.#note.textContent = this.#note.title = note;
  }

  #words(alias) {
    return this.#waits[alias] === undefined ? "" : modelWait(this.#waits[alias]);
  }

  #canBeChosen(alias) {
    return [...this.#select.options].some(({ value, disabled }) => value === alias && !disabled);
  }

  #chosen() {
    this.show(this.#waits);
    for (const place of this.#kept) write(place, this.#select.value);
  }
}

function read({ storage, key }) {
  try {
    return storage.getItem(key);
  } catch {
    return null; // no storage in this browser: the server's choice stands
  }
}

function write({ storage, key }, alias) {
  try {
    storage.setItem(key, alias);
  } catch {
    // Full or forbidden: it is chosen for this page only.
  }
}
