import { modelWait } from "chat/wait_words.js";

const KEY = "chat.model";

/** The choice of a model: the one chosen last comes first next time, and each says how long one would wait for it. */
export class ModelPicker {
  #select;
  #labels;

  constructor(select, storage) {
    this.#select = select;
    this.#labels = new Map([...select.options].map((option) => [option, option.textContent]));
    try {
      const wanted = storage.getItem(KEY);
      const option = [...select.options].find(({ value, disabled }) => value === wanted && !disabled);
      if (option !== undefined) select.value = wanted;
      select.addEventListener("change", () => storage.setItem(KEY, select.value));
    } catch {
      // No storage in this browser: the server's choice stands.
    }
  }

  /** @param waits by alias, as in `models.waits`; a model that is not in it is shown without a word */
  show(waits) {
    for (const [option, label] of this.#labels) {
      const wait = waits[option.value];
      const words = wait === undefined || option.disabled ? "" : modelWait(wait);
      const text = words === "" ? label : `${label} · ${words}`;
      if (option.textContent !== text) option.textContent = text;
    }
  }
}
