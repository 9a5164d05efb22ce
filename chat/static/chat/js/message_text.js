/** The text of somebody's message in the page, plain and with its line breaks. */
export class MessageText {
  #element;

  constructor(element) {
    this.#element = element;
  }

  get isEmpty() {
    return this.#element.textContent === "";
  }

  get whole() {
    return this.#element.textContent;
  }

  replace(text) {
    this.#element.textContent = text;
  }
}
