import { gettext, interpolate, ngettext } from "chat/words.js";

/** Within this distance from the end a reader counts as being there. */
const NEAR_PX = 48;

/**
 * Follows new content if, and only if, the reader is at the end; otherwise a button tells how many messages came.
 * Scrolling up by any distance lets go at once: whoever starts to read back must not be pulled down again.
 */
export class Follower {
  #container;
  #button;
  #label;
  #isFollowing = true;
  #lastTop = 0;
  #unseen = 0;

  constructor(container, content, button) {
    this.#container = container;
    this.#button = button;
    this.#label = button.querySelector("span") ?? button;
    container.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    button.addEventListener("click", () => this.follow());
    const observer = new ResizeObserver(() => this.#grown());
    observer.observe(content);
    observer.observe(container);
    this.follow();
  }

  /** Goes to the end and stays there. */
  follow() {
    this.#isFollowing = true;
    this.#unseen = 0;
    this.#container.scrollTop = this.#container.scrollHeight;
    this.#lastTop = this.#container.scrollTop;
    this.#showButton();
  }

  /** A message came; it counts as unseen if the reader is elsewhere. */
  messageCame() {
    if (!this.#isFollowing) this.#unseen += 1;
    this.#showButton();
  }

  /** Puts content above the present place without moving what is being read. */
  keepPlace(change) {
    const below = this.#container.scrollHeight - this.#container.scrollTop;
    change();
    this.#container.scrollTop = this.#container.scrollHeight - below;
    this.#lastTop = this.#container.scrollTop;
  }

  #distance() {
    const { scrollHeight, scrollTop, clientHeight } = this.#container;
    return scrollHeight - scrollTop - clientHeight;
  }

  #scrolled() {
    const top = this.#container.scrollTop;
    const wentUp = top < this.#lastTop - 1;
    this.#lastTop = top;
    if (wentUp) this.#isFollowing = this.#distance() <= 1; // a container that shrank moves up by itself
    else if (this.#distance() <= NEAR_PX) this.#isFollowing = true;
    if (this.#isFollowing) this.#unseen = 0;
    this.#showButton();
  }

  #grown() {
    if (this.#isFollowing) this.follow();
    else this.#showButton();
  }

  #showButton() {
    this.#button.hidden = this.#isFollowing || this.#distance() <= NEAR_PX;
    const count = this.#unseen;
    const news = ngettext("%(count)s new · Jump to newest", "%(count)s new · Jump to newest", count);
    this.#label.textContent = count === 0 ? gettext("Jump to newest") : interpolate(news, { count });
  }
}
