/** A clock that moves when told, and a WebSocket whose other end is the test. */
export class FakeClock {
  #now = 0;
  #timers = new Set();

  now = () => this.#now;

  after = (ms, action) => {
    const timer = { at: this.#now + ms, action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** Lets `ms` pass, calling what falls due in order. */
  advance(ms) {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#now = due.at;
      due.action();
    }
    this.#now = end;
  }
}

export class FakeWebSocket {
  sent = [];
  closedWith = null;
  #n = 0;

  send(data) {
    this.sent.push(JSON.parse(data));
  }

  close(code) {
    this.closedWith = code;
  }

  /** The server sends one envelope with these frames. */
  receive(...frames) {
    this.#n += 1;
    this.onmessage({ data: JSON.stringify({ n: this.#n, frames }) });
  }

  /** The server sends an envelope whose number leaves one out. */
  receiveAfterLoss(...frames) {
    this.#n += 1;
    this.receive(...frames);
  }

  /** The connection ends from the other side. */
  end(code) {
    this.onclose({ code });
  }

  sentOf(type) {
    return this.sent.filter((frame) => frame.type === type);
  }
}

export const HELLO = Object.freeze({
  type: "hello",
  protocol: 1,
  user: { id: 1, name: "ann" },
  server_time: "2026-01-01T00:00:00Z",
  heartbeat_s: 20,
  limits: { frame_bytes: 65536, message_chars: 32000, subscriptions: 20, window_bytes: 262144 },
});

/** Lets settled promises call their handlers. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The storage of a browser's tab. */
export class MemoryStorage {
  items = new Map();
  getItem = (key) => this.items.get(key) ?? null;
  setItem = (key, value) => this.items.set(key, value);
  removeItem = (key) => this.items.delete(key);
}

/** A text with ordinary spaces. */
export function plain(text) {
  return text.replaceAll("\u00a0", " ");
}
