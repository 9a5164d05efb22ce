import { modelWait } from "chat/wait_words.js";

const KEY = "chat.model";

/** The choice of a model: the one chosen last comes first next time, and each says how long one would wait for it. */
export class ModelPicker {
  #select;
  #note;
  #labels;
  #waits = {};

  /** @param note where the wait of the chosen model stands, beside its name */
  constructor(select, note, storage) {
    this.#select = select;
    this.#note = note;
    this.#labels = new Map([...select.options].map((option) => [option, option.textContent]));
    try {
      const wanted = storage.getItem(KEY);
      const option = [...select.options].find(({ value, disabled }) => value === wanted && !disabled);
      if (option !== undefined) select.value = wanted;
    } catch {
      // No storage in this browser: the server's choice stands.
    }
    select.addEventListener("change", () => this.#chosen(storage));
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
    if (this.#note.textContent !== note) this.#note.textContent = this.#note.title = note;
  }

  #words(alias) {
    return this.#waits[alias] === undefined ? "" : modelWait(this.#waits[alias]);
  }

  #chosen(storage) {
    this.show(this.#waits);
    try {
      storage.setItem(KEY, this.#select.value);
    } catch {
      // Full or forbidden: it is chosen for this page only.
    }
  }
}
