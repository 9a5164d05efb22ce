import { answerFacts } from "chat/answer_facts.js";
import { copyText } from "chat/clipboard.js";
import { BAD, GOOD } from "chat/ratings.js";
import { sendOnce } from "chat/sending.js";
import { errorWords, gettext, interpolate } from "chat/words.js";
import { isLive } from "streaming/protocol.js";

/** What people do with a message: copy, edit, answer again, rate, switch versions, withdraw. One listener for the whole list. */
export class MessageActions {
  #parts;
  #person;
  /** What was pressed on a message that will be replaced by another version: the focus goes on there. */
  #focus = null;
  /** Of each view, what it shows: of thousands of messages only those that changed are touched. */
  #shown = new WeakMap();

  /**
   * @param parts `{client, state, list, composer, announcer, follower, menu, editing, costs, ratings, textOf(id)}`; `costs` is null
   *   for those who may not see them; without `composer`,
   *   `menu` and `editing` somebody may only read. `textOf` is what was written, as Markdown, or a promise of it.
   * @param person `{user, role}`
   */
  constructor(element, parts, person) {
    this.#parts = parts;
    this.#person = person;
    element.addEventListener("click", (event) => this.#pressed(event));
  }

  /** Shows what can be done with each message; `ends` are terminal events that rows do not tell yet, by generation. */
  show(messages, ends) {
    const waiting = messages.filter(({ state }) => state === "pending");
    for (const message of messages) {
      const view = this.#parts.list.view(message.id);
      if (view === undefined) continue;
      this.#showOne(message, view, ends.get(message.generation?.id));
      if (message.state === "pending") view.showState("waiting", waiting.length > 1 ? placeOf(message, waiting) : "");
    }
    this.#focusAgain();
  }

  #showOne(message, view, end) {
    const { generation } = message;
    const hasFacts = generation !== null && (!isLive(generation.status) || end !== undefined);
    const cost = hasFacts ? this.#parts.costs?.of(message.id) : null;
    const before = this.#shown.get(view);
    const rating = this.#parts.ratings.of(message.id);
    const now = { message, end, cost, rating };
    if (before !== undefined && Object.keys(now).every((name) => before[name] === now[name])) return;
    this.#shown.set(view, now);
    view.offer(this.#offers(message, view));
    view.showRating(rating);
    view.showVersions(message.siblings.indexOf(message.id) + 1, message.siblings.length);
    if (hasFacts) view.showFacts(answerFacts({ ...generation, ...end, model: message.model, cost }));
  }

  /** The composer is empty, and somebody wants to mend what they wrote last. */
  editLast() {
    const own = this.#parts.state.messages.filter((message) => this.#isMine(message));
    const last = own.at(-1);
    if (last === undefined) return false;
    this.#do("edit", last, null);
    return true;
  }

  #isMine({ role, author }) {
    return role === "user" && author?.id === this.#person.user;
  }

  #offers(message, view) {
    const mayWrite = this.#person.role !== "viewer";
    const isOver = message.generation === null || !isLive(message.generation.status);
    const mayWithdraw = this.#isMine(message) || this.#person.role === "owner";
    return {
      copy: isOver && !view.text.isEmpty,
      edit: mayWrite && this.#isMine(message),
      again: mayWrite && message.generation !== null && isOver,
      retry: mayWrite && isOver && message.generation?.retryable === true,
      ...this.#ratingOffers(message, isOver && !view.text.isEmpty),
      withdraw: mayWrite && message.state === "pending" && mayWithdraw,
    };
  }

  #ratingOffers({ role, generation }, isWritten) {
    const isOffered = role === "assistant" && generation !== null && isWritten;
    return { [GOOD]: isOffered, [BAD]: isOffered };
  }

  #pressed({ target }) {
    const button = target.closest("button[data-do]");
    if (button === null || button.ariaDisabled === "true") return;
    const message = this.#parts.state.message(Number(button.closest(".message").dataset.message));
    if (message !== undefined) this.#do(button.dataset.do, message, button);
  }

  async #do(wanted, message, button) {
    const { composer } = this.#parts;
    composer?.showAlert("");
    try {
      await this.#actions[wanted](message, button);
    } catch (error) {
      this.#focus = null;
      if (composer !== null) composer.showAlert(errorWords(error));
      else this.#parts.announcer.say(errorWords(error));
    }
  }

  #actions = {
    copy: async ({ id }, button) => {
      const isCopied = await copyText(await this.#parts.textOf(id));
      this.#parts.list.view(id)?.showCopied(button, isCopied);
      this.#parts.announcer.say(isCopied ? gettext("Copied") : gettext("Your browser does not let this page copy."));
    },
    edit: async ({ id }) => {
      const text = await this.#parts.textOf(id);
      const view = this.#parts.list.view(id);
      if (view !== undefined) this.#parts.editing.begin(id, view, text);
    },
    again: ({ id, generation, model }, button) => {
      const { menu } = this.#parts;
      menu.open(button, model, (alias) => this.#again(this.#parts.state.message(id), generation.id, alias));
    },
    [GOOD]: (message) => this.#rate(message, GOOD),
    [BAD]: (message) => this.#rate(message, BAD),
    withdraw: ({ id }) => {
      this.#parts.composer.focus(); // the button goes away; the focus must not go with it
      return this.#parts.client.send("message.cancel", { message: id });
    },
    before: (message) => this.#switch(message, -1),
    after: (message) => this.#switch(message, 1),
  };

  async #again(message, generation, model) {
    try {
      this.#parts.composer.focus();
      await sendOnce(this.#parts.client, "generation.retry", { generation, model });
      this.#parts.follower.follow();
    } catch (error) {
      this.#parts.composer.showAlert(errorWords(error));
    }
  }

  async #rate({ id }, rating) {
    this.#parts.announcer.say(await this.#parts.ratings.press(id, rating));
  }

  #switch({ id, siblings }, step) {
    const wanted = siblings[siblings.indexOf(id) + step];
    this.#focus = { message: wanted, step };
    return this.#parts.client.send("message.switch", { message: wanted });
  }

  /** After a switch that was asked for here. */
  #focusAgain() {
    if (this.#focus === null) return;
    const view = this.#parts.list.view(this.#focus.message);
    if (view === undefined) return;
    view.focusVersions(this.#focus.step);
    const { siblings, id } = this.#parts.state.message(this.#focus.message);
    this.#parts.announcer.say(versionWords(siblings.indexOf(id) + 1, siblings.length));
    this.#focus = null;
  }
}

export function versionWords(number, count) {
  return interpolate(gettext("Version %(number)s of %(count)s"), { number, count });
}

function placeOf(message, waiting) {
  const values = { place: waiting.indexOf(message) + 1, count: waiting.length };
  return interpolate(gettext("Waits until the running answer has ended: %(place)s of %(count)s."), values);
}
