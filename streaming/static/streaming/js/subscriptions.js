import { matchesChecksum } from "streaming/checksum.js";
import { Observable } from "streaming/observable.js";
import { comparePositions, parsePosition } from "streaming/protocol.js";
import { Stream } from "streaming/stream.js";

/** Enough for every generation that may begin between two changes of a conversation. */
const EARLY_MAX = 20;

/**
 * A stream that somebody looks at. `state` holds `{generation, text, blocks, status, model, waiting, end, recovered}`; its
 * watchers also get what changed: `{kind: "append" | "replace" | "block" | "status" | "ended", text?, seam?, index?}`.
 */
class Subscription {
  constructor(stream, backoff) {
    this.stream = stream;
    this.state = new Observable(this.#view());
    this.asking = false;
    this.checked = false;
    this.headSeenBehind = null;
    this.backoff = backoff;
    this.followers = 0;
    this.isKept = false; // by somebody who will close it
  }

  /** Tells the watchers what `effect` changed. */
  tell(effect) {
    if (effect.kind === "nothing" || effect.kind === "hole") return;
    if (effect.kind !== "status") this.backoff.reset();
    this.state.set(this.#view(), effect);
  }

  #view() {
    const { generation, text, blocks, status, model, waiting, end, recovered } = this.stream;
    return Object.freeze({ generation, text, blocks, status, model, waiting, end, recovered });
  }
}

/** All open streams of one client: subscribes, subscribes again after a lost connection or a hole, checks the end. */
export class Subscriptions {
  #request;
  #clock;
  #makeBackoff;
  #open = new Map();
  /** Why a generation waits, heard before anybody knew of it: generation → frame. */
  #early = new Map();
  #connected = false;
  /** What the debug panel and the tests read. */
  counters = { holes: 0, subscribed: 0, mismatches: 0, snapshots: 0 };

  /** @param request `(type, fields, options) => Promise` sends a command. */
  constructor(request, clock, makeBackoff) {
    this.#request = request;
    this.#clock = clock;
    this.#makeBackoff = makeBackoff;
  }

  /** The subscription of a generation; `known` is what the page already knows: `{status, model}`. */
  open(generation, known) {
    const subscription = this.#find(generation, known);
    subscription.isKept = true;
    return subscription;
  }

  follow(generation, watcher) {
    const subscription = this.#find(generation);
    const end = subscription.state.watch(watcher);
    let isFollowing = true;
    subscription.followers += 1;
    return () => {
      if (!isFollowing) return;
      isFollowing = false;
      end();
      subscription.followers -= 1;
      const isLast = subscription.followers === 0 && !subscription.isKept;
      if (isLast && this.#open.get(generation) === subscription) this.close(generation);
    };
  }

  state(generation) {
    return this.#open.get(generation)?.state.value ?? null;
  }

  #find(generation, known) {
    let subscription = this.#open.get(generation);
    if (subscription === undefined) {
      const stream = new Stream(generation, known);
      if (this.#early.has(generation)) stream.apply(this.#early.get(generation));
      subscription = new Subscription(stream, this.#makeBackoff());
      this.#open.set(generation, subscription);
      if (this.#connected) this.#subscribe(subscription);
    }
    return subscription;
  }

  /** Whether any of them has not ended yet. */
  get areAnyLive() {
    return [...this.#open.values()].some(({ stream }) => stream.end === null);
  }

  close(generation) {
    const subscription = this.#open.get(generation);
    if (subscription === undefined) return;
    this.#open.delete(generation);
    if (subscription.stream.end === null) this.#release(subscription.stream);
  }

  /** The row's final state of a generation, from wherever it came. */
  settle(generation, end) {
    const subscription = this.#open.get(generation);
    if (subscription === undefined) return;
    const effect = subscription.stream.settle(end);
    subscription.tell(effect);
    if (effect.kind !== "nothing" && effect.kind !== "ended") subscription.tell({ kind: "ended" });
  }

  connectionOpened() {
    this.#connected = true;
    for (const subscription of this.#open.values()) this.#subscribe(subscription);
  }

  connectionLost() {
    this.#connected = false;
    for (const subscription of this.#open.values()) subscription.asking = false;
  }

  apply(frame) {
    const subscription = this.#open.get(frame.generation);
    if (subscription === undefined) {
      this.#keepEarly(frame);
      return;
    }
    if (frame.type === "stream.snapshot" && frame.last) this.counters.snapshots += 1;
    const effect = subscription.stream.apply(frame);
    subscription.tell(effect);
    if (effect.kind === "hole") this.#foundHole(subscription);
    if (effect.kind === "ended") this.#check(subscription);
  }

  #keepEarly(frame) {
    if (frame.type !== "stream.queued") return;
    if (this.#early.size >= EARLY_MAX) this.#early.clear();
    this.#early.set(frame.generation, frame);
  }

  /** The newest positions according to the server: who stays behind from one heartbeat to the next missed something. */
  compareHeads(heads) {
    for (const { generation, position, epoch } of heads) {
      const subscription = this.#open.get(generation);
      if (subscription === undefined || subscription.stream.end !== null || !position) continue;
      const { stream } = subscription;
      const isBehind = stream.epoch !== epoch || comparePositions(stream.position, parsePosition(position)) < 0;
      const place = isBehind ? JSON.stringify(stream.position) : null;
      if (place !== null && place === subscription.headSeenBehind) this.#foundHole(subscription);
      subscription.headSeenBehind = place;
    }
  }

  #release({ generation }) {
    if (this.#connected) this.#request("stream.unsubscribe", { generation }).catch(() => {});
  }

  #foundHole(subscription) {
    if (subscription.asking) return; // frames of the old subscription until the new one answers
    this.counters.holes += 1;
    // The first hole is healed at once; one that stays without any text in between must not become a flood.
    const isFirst = subscription.backoff.attempts === 0;
    const delayMs = subscription.backoff.next();
    if (isFirst) this.#subscribe(subscription);
    else this.#subscribeAfter(delayMs, subscription);
  }

  #subscribeAfter(delayMs, subscription) {
    subscription.asking = true;
    this.#clock.after(delayMs, () => this.#subscribe(subscription));
  }

  async #subscribe(subscription) {
    const { stream } = subscription;
    const isOpen = this.#open.get(stream.generation) === subscription;
    if (stream.end !== null || !isOpen || !this.#connected) return;
    subscription.asking = true;
    this.counters.subscribed += 1;
    const onOk = (answer) => {
      subscription.asking = false;
      subscription.tell(stream.subscribed(answer));
    };
    try {
      await this.#request("stream.subscribe", { generation: stream.generation, ...stream.known }, { onOk });
    } catch (error) {
      this.#refused(subscription, error);
    }
  }

  #refused(subscription, error) {
    if (!this.#connected || error.code === "connection_lost") return; // asked again when it is back
    const delayMs = subscription.backoff.next((error.retryAfterS ?? 0.25) * 1000);
    if (error.retryable) this.#subscribeAfter(delayMs, subscription);
    else subscription.tell(subscription.stream.settle({ ...GONE, text: subscription.stream.text }));
  }

  async #check(subscription) {
    const { stream } = subscription;
    if ((await matchesChecksum(stream.text, stream.end)) !== false) {
      this.#release(stream); // the server keeps a place for each stream that is open on this socket
      return;
    }
    this.counters.mismatches += 1;
    if (subscription.checked) return;
    subscription.checked = true; // once: a second difference is a defect that asking again does not heal
    stream.startOver();
    if (this.#connected) this.#subscribe(subscription);
  }
}

const GONE = { status: "interrupted", code: "not_found", message: "This answer is not available.", retryable: false };
