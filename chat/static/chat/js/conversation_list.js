/**
 * The list of conversations as this page knows it: a fold over `list.changed`. Of a very long list the server leaves
 * out the oldest; `#rest` is what those add up to.
 */
export class ConversationList {
  #entries = new Map();
  #rest = null;
  #suspicion = "";

  /** The last changed one first. */
  get entries() {
    return [...this.#entries.values()].sort((a, b) => (a.changed_at < b.changed_at ? 1 : -1));
  }

  get(conversation) {
    return this.#entries.get(conversation);
  }

  /** Applies a frame. */
  fold({ complete, entries, removed, list_head: head }) {
    if (complete) this.#entries.clear();
    for (const entry of entries) this.#accept(entry);
    for (const conversation of removed) this.#entries.delete(conversation);
    if (!complete) return;
    const { count, total } = this.#sum();
    this.#rest = { count: head.count - count, total: head.total - total };
    this.#suspicion = "";
  }

  /**
   * Whether something was missed, judged by what the whole list adds up to on the server. That may be a little old:
   * whoever is ahead of it waits whether the next one says the same.
   */
  isStale({ count, total }) {
    if (this.#rest === null) return false;
    const own = this.#sum();
    own.count += this.#rest.count;
    own.total += this.#rest.total;
    if (own.count === count && own.total === total) {
      this.#suspicion = "";
      return false;
    }
    const suspicion = `${count} ${total} ${own.count} ${own.total}`;
    const isBehind = own.count === count && own.total < total;
    const isSure = isBehind || suspicion === this.#suspicion;
    this.#suspicion = suspicion;
    return isSure;
  }

  #accept(entry) {
    const known = this.#entries.get(entry.conversation);
    const isOlder =
      known !== undefined && (entry.revision < known.revision || entry.read_revision < known.read_revision);
    if (!isOlder) this.#entries.set(entry.conversation, entry);
  }

  #sum() {
    const sum = { count: this.#entries.size, total: 0 };
    for (const { revision, read_revision: read } of this.#entries.values()) sum.total += revision + read;
    return sum;
  }
}
