import { gettext, interpolate } from "chat/words.js";

const GAP_PX = 4;

/** The choice of a model for another answer: the same one first, then all others that the composer offers. */
export class AgainMenu {
  #menu;
  #select;
  #opener = null;

  /** @param select the composer's choice of models */
  constructor(menu, select) {
    this.#menu = menu;
    this.#select = select;
    menu.addEventListener("toggle", ({ newState }) => newState === "closed" && this.#closed());
  }

  /** Asks which model, if there are several; calls `choose(alias)` with the answer, not at all if there is none. */
  open(opener, current, choose) {
    const options = [...this.#select.options].filter(({ disabled, value }) => !disabled && value !== "");
    if (options.length === 1) return choose(options[0].value);
    const others = options.filter(({ value }) => value !== current);
    const same = options.some(({ value }) => value === current) ? [this.#item(gettext("The same model"), current, choose)] : [];
    this.#menu.replaceChildren(...same, ...others.map((option) => this.#item(named(option), option.value, choose)));
    this.#opener = opener;
    this.#menu.showPopover();
    this.#place(opener.getBoundingClientRect());
    this.#menu.querySelector("button").focus();
  }

  #item(words, alias, choose) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.addEventListener("click", () => {
      this.#menu.hidePopover();
      choose(alias);
    });
    return button;
  }

  #place({ left, top, bottom }) {
    const { offsetWidth: width, offsetHeight: height } = this.#menu;
    const below = bottom + GAP_PX + height <= innerHeight;
    this.#menu.style.left = `${Math.max(GAP_PX, Math.min(left, innerWidth - width - GAP_PX))}px`;
    this.#menu.style.top = `${below ? bottom + GAP_PX : Math.max(GAP_PX, top - height - GAP_PX)}px`;
  }

  #closed() {
    const isLost = document.activeElement === null || document.activeElement === document.body;
    if (isLost || this.#menu.contains(document.activeElement)) this.#opener?.focus({ preventScroll: true });
    this.#opener = null;
  }
}

function named(option) {
  return interpolate(gettext("Ask %(model)s"), { model: option.textContent.split(" · ")[0] });
}
