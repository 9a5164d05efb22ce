import { gettext, interpolate } from "chat/words.js";
import { CLOSED_OTHER_VERSION, CLOSED_SESSION_ENDED } from "streaming/protocol.js";

const CLOSED = {
  [CLOSED_SESSION_ENDED]: gettext("Logged out"),
  4503: gettext("No longer allowed here"),
  4504: gettext("Open in too many tabs"),
  [CLOSED_OTHER_VERSION]: gettext("This page is out of date"),
};

/** What a person reads about the connection; `now` and `retryAt` are of the same clock, in milliseconds. */
export function connectionSentence({ name, again, retryAt, code }, now) {
  switch (name) {
    case "live":
      return gettext("Live");
    case "connecting":
      return again ? gettext("Reconnecting…") : gettext("Connecting…");
    case "reconnecting": {
      const seconds = Math.ceil((retryAt - now) / 1000);
      if (seconds <= 0) return gettext("Reconnecting…");
      return interpolate(gettext("Reconnecting in %(seconds)s s"), { seconds });
    }
    case "offline":
      return gettext("Offline");
    case "closed":
      return CLOSED[code] ?? gettext("Disconnected");
    default:
      return gettext("Paused");
  }
}

/** The line that always says how things stand, with "Retry now" while it waits and "Reload" when it gave up. */
export class ConnectionLine {
  #element;
  #client;
  #text;
  #button;
  #timer = null;

  constructor(element, client) {
    this.#element = element;
    this.#client = client;
    this.#text = element.querySelector(".connection-text");
    this.#button = element.querySelector(".connection-retry");
    this.#button.addEventListener("click", () => this.#retry());
    client.connection.watch(() => this.#show());
    this.#show();
  }

  #show() {
    clearTimeout(this.#timer);
    const state = this.#client.connection.value;
    this.#element.dataset.state = state.name;
    this.#text.textContent = connectionSentence(state, performance.now());
    this.#button.hidden = !["reconnecting", "offline", "closed"].includes(state.name);
    this.#button.textContent = state.name === "closed" ? gettext("Reload") : gettext("Retry now");
    if (state.name === "reconnecting") this.#timer = setTimeout(() => this.#show(), 250);
  }

  #retry() {
    if (this.#client.connection.value.name === "closed") location.reload();
    else this.#client.wake();
  }
}
