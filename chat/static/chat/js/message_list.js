import { setUpCode } from "chat/code_blocks.js";
import { MessageView } from "chat/message_view.js";

/** The list in the page: which view shows which message, in the right order. */
export class MessageList {
  #element;
  #template;
  #views = new Map();

  constructor(element, template) {
    this.#element = element;
    this.#template = template;
    for (const item of element.children) {
      const view = new MessageView(item);
      view.showTime();
      setUpCode(item);
      this.#views.set(item.dataset.message, view);
    }
  }

  get isEmpty() {
    return this.#views.size === 0;
  }

  view(key) {
    return this.#views.get(String(key));
  }

  /** The view of `key`; a new one is put at the end. */
  ensure(key) {
    const known = this.view(key);
    if (known !== undefined) return { view: known, isNew: false };
    const view = new MessageView(this.#template.content.cloneNode(true).firstElementChild);
    this.#put(String(key), view);
    this.#element.append(view.element);
    return { view, isNew: true };
  }

  /** A message on its way became a row: the same view goes on under the row's id. */
  rename(from, to) {
    const view = this.view(from);
    if (view === undefined || this.view(to) !== undefined) return;
    this.#views.delete(String(from));
    this.#put(String(to), view);
  }

  remove(key) {
    this.view(key)?.element.remove();
    this.#views.delete(String(key));
  }

  /** Moves what stands in the wrong place; `keys` not named stay at the end. */
  arrange(keys) {
    let place = this.#element.firstElementChild;
    for (const key of keys) {
      const element = this.view(key)?.element;
      if (element === undefined) continue;
      if (element === place) place = place.nextElementSibling;
      else this.#element.insertBefore(element, place);
    }
  }

  #put(key, view) {
    view.element.dataset.message = key;
    this.#views.set(key, view);
  }
}
