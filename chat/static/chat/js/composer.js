import { SEND_EVERY_MS } from "chat/typing.js";
import { gettext } from "chat/words.js";

const touch = globalThis.matchMedia?.("(pointer: coarse)");

/** Where people write. One button sends or stops: it stays in its place and only changes its name. */
export class Composer {
  #parts;
  #outbox;
  #listener;
  #isRunning = false;
  #typingSentAt = -Infinity;
  /** While something else than a draft is being written here. */
  #isBorrowed = false;

  /**
   * @param listener `{onSend(text, model), onStop(), onTyping(), onEscape(), onUp()}`; the last two say whether they had
   *   something to do
   */
  constructor({ form, text, button, alert, model }, outbox, listener) {
    this.#parts = { form, text, button, alert, model, grow: text.parentElement };
    this.#outbox = outbox;
    this.#listener = listener;
    text.value = outbox.draft || text.value;
    text.enterKeyHint = touch?.matches ? "enter" : "send";
    form.addEventListener("submit", (event) => this.#submitted(event));
    text.addEventListener("input", () => this.#written());
    text.addEventListener("keydown", (event) => this.#keyPressed(event));
    this.#refresh();
  }

  get isEmpty() {
    return this.#parts.text.value.trim() === "";
  }

  /** While an answer runs and nothing is written, the button stops it. */
  showRunning(isRunning) {
    this.#isRunning = isRunning;
    this.#refresh();
  }

  /** When a model answers here; `composer.html` has the words. */
  showPolicy(policy) {
    const { text } = this.#parts;
    text.placeholder = text.dataset[policy] ?? text.placeholder;
    this.#refresh();
  }

  /** A refused message comes back, before whatever was written since, with the reason. */
  giveBack(text, reason) {
    const { value } = this.#parts.text;
    this.#setText(value === "" ? text : `${text}\n${value}`);
    this.showAlert(reason);
    this.focus();
  }

  /** Something else is written here for a while; the draft stays where it is. */
  borrow(text) {
    this.#isBorrowed = true;
    this.showAlert("");
    this.#setText(text);
    this.focus();
  }

  giveDraftBack() {
    this.#isBorrowed = false;
    this.#setText(this.#outbox.draft);
    this.focus();
  }

  focus() {
    this.#parts.text.focus({ preventScroll: true });
  }

  showAlert(sentence) {
    this.#parts.alert.hidden = sentence === ""; // first: what changes while hidden is not announced
    this.#parts.alert.textContent = sentence;
  }

  #submitted(event) {
    event.preventDefault();
    if (!this.isEmpty) this.#send();
    else if (this.#isRunning) this.#listener.onStop();
    this.focus();
  }

  #send() {
    const { text, model } = this.#parts;
    const written = text.value;
    this.showAlert("");
    if (!this.#isBorrowed) this.#setText("");
    this.#typingSentAt = -Infinity;
    this.#listener.onSend(written, model.value);
  }

  #keyPressed(event) {
    if (event.isComposing || event.keyCode === 229) return; // an input method is choosing characters
    if (event.key === "Escape" && !this.#listener.onEscape() && this.#isRunning) this.#listener.onStop();
    if (event.key === "ArrowUp" && this.#parts.text.value === "" && this.#listener.onUp()) event.preventDefault();
    if (event.key !== "Enter" || event.shiftKey || event.altKey || touch?.matches) return;
    event.preventDefault();
    if (!this.isEmpty) this.#send();
  }

  #written() {
    if (!this.#isBorrowed) this.#outbox.draft = this.#parts.text.value;
    this.#refresh();
    const now = performance.now();
    if (this.isEmpty || now - this.#typingSentAt < SEND_EVERY_MS) return;
    this.#typingSentAt = now;
    this.#listener.onTyping();
  }

  #setText(text) {
    this.#parts.text.value = text;
    if (!this.#isBorrowed) this.#outbox.draft = text;
    this.#refresh();
  }

  #refresh() {
    const { text, button, grow } = this.#parts;
    grow.dataset.value = text.value || text.placeholder; // the style sheet gives the box the height of this copy
    const action = this.#isRunning && this.isEmpty ? "stop" : "send";
    if (button.dataset.action !== action) {
      button.dataset.action = action;
      button.ariaLabel = button.title = action === "stop" ? gettext("Stop") : gettext("Send");
    }
    button.ariaDisabled = String(action === "send" && this.isEmpty);
  }
}
