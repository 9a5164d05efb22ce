import { errorWords } from "chat/words.js";

/** What a model is told beside the messages: the instructions, which those who write here may change, and the summary. */
export class Told {
  #parts;
  #save;
  #prompt = "";

  /**
   * @param parts `{dialog, opener, form, text, alert, promptLine, summaryLine, summaryText}`
   * @param save `(text) => Promise`, rejected with the reason if it was refused
   */
  constructor(parts, save) {
    this.#parts = parts;
    this.#save = save;
    parts.opener.addEventListener("click", () => parts.dialog.open || parts.dialog.showModal());
    parts.form.addEventListener("submit", (event) => this.#submitted(event));
    // What was written and not saved does not wait there for the next time.
    parts.dialog.addEventListener("close", () => this.#showPrompt());
  }

  show({ system_prompt: prompt, summary }) {
    const { promptLine, summaryLine, summaryText } = this.#parts;
    const isWriting = this.#parts.dialog.open && this.#parts.text.value !== this.#prompt;
    this.#prompt = prompt;
    if (!isWriting) this.#showPrompt();
    promptLine.hidden = prompt === "";
    summaryLine.hidden = summary === null;
    if (summaryText.textContent !== (summary?.text ?? "")) summaryText.textContent = summary?.text ?? "";
  }

  #showPrompt() {
    this.#parts.text.value = this.#prompt;
    this.#alert("");
  }

  async #submitted(event) {
    event.preventDefault();
    try {
      await this.#save(this.#parts.text.value);
      this.#prompt = this.#parts.text.value.trim();
      this.#parts.dialog.close();
    } catch (error) {
      this.#alert(errorWords(error));
    }
  }

  #alert(sentence) {
    this.#parts.alert.hidden = sentence === "";
    this.#parts.alert.textContent = sentence;
  }
}
