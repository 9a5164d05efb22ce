import { Answer } from "chat/answer.js";
import { endSentence, spokenText } from "chat/announcer.js";
import { ConversationFeed } from "chat/conversation_feed.js";
import { messageState } from "chat/conversation_state.js";
import { sendOnce } from "chat/sending.js";
import { errorWords, gettext, interpolate } from "chat/words.js";
import { MessageActions } from "chat/message_actions.js";
import { isLive } from "streaming/protocol.js";

const SAID_CHARS = 200;

/** Keeps the page equal to the conversation: rows from its feed, running answers from their streams. */
export class ConversationPage {
  #client;
  #state;
  #parts;
  #me;
  #mayWrite;
  #actions;
  /** The answers that are followed: generation → `{answer, subscription, message}`. */
  #answers = new Map();
  /** Terminal events of this page's streams, by generation. */
  #ends = new Map();

  /**
   * @param parts `{list, element, follower, announcer, readAloud, typing, composer, editing, menu, empty, waits,
   *   fetchText(id), showHeading(state), goneAway()}`; `composer`, `editing` and `menu` are null for those who may only
   *   read, `goneAway` is called when we may not even do that any more
   */
  constructor(client, state, parts, { user, role }) {
    this.#client = client;
    this.#state = state;
    this.#parts = parts;
    this.#me = user;
    this.#mayWrite = role !== "viewer";
    const textOf = (id) => this.#textOf(id);
    this.#actions = new MessageActions(parts.element, { ...parts, client, state, textOf }, { user, role });
    for (const source of [parts.costs, parts.ratings]) if (source) source.onNews = () => this.#settleDown();
    for (const message of state.messages) this.#adopt(message);
    this.#settleDown();
  }

  /** The id of the answer that is being written or waited for. */
  get running() {
    const generation = this.#state.running?.generation.id ?? null;
    return this.#ends.has(generation) ? null : generation;
  }

  /** Somebody wants to mend what they wrote last; false: there is nothing. */
  editLast() {
    return this.#actions.editLast();
  }

  listen() {
    const feed = new ConversationFeed(this.#client, this.#state);
    feed.view.watch(({ gone }, change) => (gone ? this.#parts.goneAway() : this.#changed(change)));
    this.#client.on("typing.started", (frame) => this.#typing(frame));
    feed.open();
  }

  /** A message of ours that the server does not have yet. */
  showUnsent(entry, isConnected) {
    const { view, isNew } = this.#parts.list.ensure(entry.client_message_id);
    if (isNew) {
      view.describe({ role: "user", author: { id: this.#me, name: gettext("You") }, created_at: entry.at }, true);
      view.text.replace(entry.text);
    }
    view.showState(isConnected ? "sending" : "unsent");
    this.#parts.empty.hidden = true;
    this.#parts.follower.follow();
  }

  /** The server has it; its row arrives, or has arrived, on its own. */
  accepted(entry, { message }) {
    this.#parts.list.view(entry.client_message_id)?.showState("done");
    this.#parts.list.rename(entry.client_message_id, message);
    this.#parts.announcer.say(gettext("Message sent"));
  }

  dropUnsent(entry) {
    this.#parts.list.remove(entry.client_message_id);
    this.#settleDown();
  }

  /** Older messages, loaded on demand. */
  showOlder({ messages, older }) {
    const added = this.#state.addOlder(messages, older);
    this.#parts.follower.keepPlace(() => this.#show(added));
  }

  #changed({ messages, removed }) {
    for (const id of removed) this.#remove(id);
    const came = messages.filter((message) => this.#isNew(message));
    this.#show(messages);
    for (const message of came) this.#came(message);
  }

  #remove(id) {
    this.#parts.list.remove(id);
    this.#parts.editing?.dropIf(id);
    for (const [generation, { message }] of this.#answers) if (message === id) this.#answers.delete(generation);
  }

  /** What was written, as Markdown: rows that came with the page have left it to the server. */
  #textOf(id) {
    const { text, generation } = this.#state.message(id);
    const followed = this.#answers.get(generation?.id);
    if (followed !== undefined) return followed.subscription.state.value.text;
    return text ?? this.#parts.fetchText(id);
  }

  #isNew({ id, client_message_id: clientId }) {
    const { list } = this.#parts;
    return list.view(id) === undefined && (clientId === null || list.view(clientId) === undefined);
  }

  #came({ role, author, text }) {
    this.#parts.follower.messageCame();
    if (role !== "user" || author === null || author.id === this.#me) return;
    this.#parts.typing.stopped(author.id);
    this.#parts.announcer.say(`${author.name}: ${spokenText(text).slice(0, SAID_CHARS)}`);
  }

  #show(messages) {
    for (const message of messages) this.#showOne(message);
    this.#parts.list.arrange(this.#state.messages.map(({ id }) => id));
    this.#settleDown();
  }

  #showOne(message) {
    const { list } = this.#parts;
    if (message.author?.id === this.#me && message.client_message_id) list.rename(message.client_message_id, message.id);
    const { view, isNew } = list.ensure(message.id);
    if (isNew) this.#offerRetry(view, message);
    view.describe(message, message.author?.id === this.#me);
    if (message.generation === null) {
      this.#showWritten(message, view);
      view.showState(messageState(message));
    } else {
      this.#showAnswer(message, view);
    }
  }

  /** What nobody is writing any more: a person's message, or the copy of an answer. */
  #showWritten({ role, text, html }, view) {
    if (view.text.whole === text) return;
    if (role === "assistant") view.text.show(text, html);
    else view.text.replace(text);
  }

  #showAnswer(message, view) {
    const { text, html, generation } = message;
    if (isLive(generation.status)) {
      this.#follow(message, view);
    } else if (this.#answers.has(generation.id)) {
      this.#client.settle(generation.id, { text, ...generation });
    } else {
      if (view.text.whole !== text) view.text.show(text, html);
      view.showEnd(messageState({ generation }), generation);
    }
  }

  /** A message that the server has rendered. */
  #adopt(message) {
    const view = this.#parts.list.view(message.id);
    this.#offerRetry(view, message);
    if (message.generation !== null && isLive(message.generation.status)) {
      this.#follow(message, view);
    }
  }

  #follow({ id: message, parent, generation: { id: generation, status, model } }, view) {
    if (this.#answers.has(generation)) return;
    const { announcer, readAloud, waits } = this.#parts;
    const name = model || gettext("The model");
    const listener = {
      onFirstText: () => announcer.say(interpolate(gettext("%(name)s is answering"), { name })),
      onWaiting: (sentence) => announcer.sayWaiting(sentence),
      onStarted: () => announcer.stopWaiting(),
      onReplaced: () => announcer.say(gettext("Part of the answer was lost and is written again")),
      onEnded: (state) => this.#ended(generation, state, lastWords(state)),
    };
    const isOwn = this.#state.message(parent)?.author?.id === this.#me;
    const subscription = this.#client.subscribe(generation, { status, model });
    const lastWords = readAloud.follow(subscription, announcer, endSentence);
    const answer = new Answer(view, subscription, { generation, isOwn, ...waits }, listener);
    this.#answers.set(generation, { answer, subscription, message });
    if (this.#mayWrite) view.onCancel(() => this.#cancel(generation));
  }

  async #cancel(generation) {
    const { composer } = this.#parts;
    composer.focus(); // the button goes away; the focus must not go with it
    try {
      await this.#client.stop(generation);
    } catch (error) {
      composer.showAlert(errorWords(error));
    }
  }

  #ended(generation, { end }, sentence) {
    this.#ends.set(generation, end);
    this.#parts.announcer.stopWaiting();
    this.#parts.announcer.say(sentence);
    this.#settleDown();
  }

  #offerRetry(view, { id }) {
    view.onRetry(() => this.#retry(this.#state.message(id).generation.id));
  }

  async #retry(generation) {
    const { composer, follower } = this.#parts;
    composer.showAlert("");
    composer.focus(); // the button goes away; the focus must not go with it
    try {
      await sendOnce(this.#client, "generation.retry", { generation });
      follower.follow();
    } catch (error) {
      composer.showAlert(errorWords(error));
    }
  }

  /** What depends on everything together. */
  #settleDown() {
    const { list, composer, showHeading, empty } = this.#parts;
    this.#actions.show(this.#state.messages, this.#ends);
    composer?.showRunning(this.running !== null);
    empty.hidden = !list.isEmpty;
    showHeading(this.#state);
  }

  #typing({ conversation, user }) {
    if (conversation === this.#state.id && user.id !== this.#me) this.#parts.typing.started(user);
  }
}
