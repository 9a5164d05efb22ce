/** Editing one's own message in the composer. What was written there before comes back at the end. */
export class Editing {
  #composer;
  #strip;
  #save;
  #now = null;

  /**
   * @param strip `{element, cancel}`: says that something is being edited, and its button
   * @param save `(message, text, model) => Promise`, rejected with the reason if it was refused
   */
  constructor(composer, { element, cancel }, save) {
    this.#composer = composer;
    this.#strip = element;
    this.#save = save;
    cancel.addEventListener("click", () => this.cancel());
  }

  get isActive() {
    return this.#now !== null;
  }

  begin(message, view, text) {
    this.#end();
    view.element.toggleAttribute("data-edited-now", true);
    this.#now = { message, view };
    this.#strip.hidden = false;
    this.#composer.borrow(text);
  }

  cancel() {
    if (!this.isActive) return;
    this.#end();
    this.#composer.giveDraftBack();
  }

  /** The message is gone, or another version of it is shown. */
  dropIf(message) {
    if (this.#now?.message === message) this.cancel();
  }

  async finish(text, model) {
    const { message, view } = this.#now;
    this.#end();
    this.#composer.giveDraftBack();
    try {
      await this.#save(message, text, model);
    } catch (error) {
      this.begin(message, view, text);
      this.#composer.showAlert(error.sentence);
    }
  }

  #end() {
    this.#now?.view.element.removeAttribute("data-edited-now");
    this.#now = null;
    this.#strip.hidden = true;
  }
}
