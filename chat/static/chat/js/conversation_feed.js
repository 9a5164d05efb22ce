import { browserClock } from "streaming/clock.js";
import { Observable } from "streaming/observable.js";

/** After a refusal that has nothing to do with rights. */
const AGAIN_MS = 2000;

/**
 * Keeps a ConversationState equal to the server's: subscribes, subscribes again after a lost connection, a hole or a
 * heartbeat that names a newer revision. `view` holds `{messages, title, participants, running, gone}`; its watchers also
 * get what a change brought, `{messages, removed}`. `gone`: we may not read it any more.
 */
export class ConversationFeed {
  #client;
  #state;
  #clock;
  #ends = [];
  /** Set between the answer to our subscription and the frame with the changes that follows it. */
  #asked = false;

  constructor(client, state, clock = browserClock) {
    this.#client = client;
    this.#state = state;
    this.#clock = clock;
    this.view = new Observable(this.#look());
  }

  open() {
    this.#ends = [
      this.#client.on("connection.opened", () => this.#subscribe()),
      this.#client.on("conversation.changed", (frame) => this.#changed(frame)),
      this.#client.on("heartbeat", (frame) => this.#compareRevision(frame)),
      this.#client.on("error", (frame) => frame.conversation === this.#state.id && this.#gone()),
    ];
    if (this.#client.connection.value.name === "live") this.#subscribe();
  }

  close() {
    for (const end of this.#ends.splice(0)) end();
    this.#client.mention("conversation.unsubscribe", { conversation: this.#state.id });
  }

  #subscribe() {
    if (this.#ends.length === 0) return; // closed while a retry was waited for
    const { id: conversation, revision } = this.#state;
    const since = revision === null ? {} : { since: revision };
    const onOk = () => (this.#asked = true);
    this.#asked = false;
    this.#client.send("conversation.subscribe", { conversation, ...since }, { onOk }).catch((error) => {
      if (error.code === "not_found") this.#gone();
      else if (error.code !== "connection_lost") this.#clock.after(AGAIN_MS, () => this.#subscribe());
    });
  }

  #compareRevision({ conversations }) {
    const head = conversations.find(({ conversation }) => conversation === this.#state.id);
    if (head !== undefined && head.revision > this.#state.revision) this.#subscribe();
  }

  #changed(frame) {
    if (frame.conversation !== this.#state.id) return;
    const isAnswer = this.#asked;
    const wasAlone = this.#state.participants.length === 1;
    this.#asked = false;
    const { hole, ...change } = this.#state.fold(frame, { isAnswer });
    this.view.set(this.#look(), change);
    // Who is here is told from the time on at which one subscribed to a conversation of several people.
    if (hole || (wasAlone && this.#state.participants.length > 1 && !isAnswer)) this.#subscribe();
  }

  #gone() {
    this.view.set(Object.freeze({ ...this.view.value, gone: true }), { messages: [], removed: [] });
  }

  #look() {
    const { messages, title, participants, running } = this.#state;
    return Object.freeze({ messages, title, participants, running, gone: false });
  }
}
