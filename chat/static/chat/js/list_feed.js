import { ConversationList } from "chat/conversation_list.js";
import { browserClock } from "streaming/clock.js";

const AGAIN_MS = 2000;

/**
 * Keeps the list beside the page equal to the server's, and tells the server what of the conversation on this page was
 * seen: only while the page itself is.
 */
export class ListFeed {
  #client;
  #view;
  #seen;
  #away;
  #clock;
  #told = 0;
  #isAsking = false;
  list = new ConversationList();

  /**
   * @param seen `() => revision` of this page's conversation that is shown; null on a page without one
   * @param away a WhileAway
   */
  constructor(client, view, seen, away, clock = browserClock) {
    this.#client = client;
    this.#view = view;
    this.#seen = seen;
    this.#away = away;
    this.#clock = clock;
    client.on("connection.opened", () => this.#opened());
    client.on("list.changed", (frame) => this.#changed(frame));
    client.on("conversation.changed", () => this.tellSeen());
    client.on("heartbeat", ({ list_head: head }) => head && this.list.isStale(head) && this.#ask());
    document.addEventListener("visibilitychange", () => this.#looked());
  }

  tellSeen() {
    const entry = this.list.get(this.#view.current);
    const revision = this.#seen();
    if (!entry?.unread || revision === null || revision <= this.#told || document.visibilityState !== "visible") return;
    if (this.#client.connection.value.name !== "live") return;
    this.#told = revision;
    this.#client.mention("conversation.read", { conversation: entry.conversation, revision });
  }

  #opened() {
    this.#told = 0;
    this.#isAsking = false;
    this.#ask();
  }

  #ask() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#client.send("list.subscribe", {}).catch((error) => {
      this.#isAsking = false;
      if (error.code !== "connection_lost") this.#clock.after(AGAIN_MS, () => this.#ask());
    });
  }

  #changed(frame) {
    if (frame.complete) this.#isAsking = false;
    this.list.fold(frame);
    this.#show();
    this.tellSeen();
  }

  #looked() {
    this.tellSeen();
    if (this.list.entries.length > 0) this.#show();
  }

  #show() {
    const { entries } = this.list;
    this.#view.show(entries);
    this.#away.listed(entries, this.#view.current);
  }
}
