import { ask } from "chat/forms.js";

/** Says that a budget comes to its end as soon as the server says so; the sentences are those of a fresh page. */
export class BudgetNotice {
  #place;
  #address;
  #said = "";

  /** @param place the element of `notices.html` that holds them; its `data-address` tells the sentences */
  constructor(client, place) {
    this.#place = place;
    this.#address = place.dataset.address;
    this.#said = place.textContent.trim();
    client.on("budget.short", () => this.#show());
  }

  async #show() {
    try {
      const { short } = await ask(this.#address);
      const said = short.join("\n");
      if (said === this.#said) return; // not announced again
      this.#said = said;
      this.#place.replaceChildren(...short.map((sentence) => this.#line(sentence)));
    } catch {
      // The next question brings it again, and so does the next page.
    }
  }

  #line(sentence) {
    const line = document.createElement("p");
    const link = document.createElement("a");
    line.className = "notice notice-warning";
    link.href = this.#address;
    link.textContent = this.#place.dataset.words;
    line.append(`${sentence} `, link);
    return line;
  }
}
