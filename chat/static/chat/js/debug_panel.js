import { gettext } from "chat/words.js";

const EVERY_MS = 500;
const LONG_FRAME_MS = 50;

/** What drawing answers cost this page: pieces, and milliseconds in all. */
export const drawn = { pieces: 0, ms: 0 };

/** Draws, and counts it. */
export function counted(draw) {
  const before = performance.now();
  draw();
  drawn.pieces += 1;
  drawn.ms += performance.now() - before;
}

/**
 * Figures of this page for whoever looks for a fault: `?debug=1` in the address, or Ctrl + Alt + D. While it is hidden
 * it counts what comes anyway and measures nothing.
 */
export class DebugPanel {
  #counts = { chunks: 0, blocks: 0, reconnects: 0, longFrames: 0 };
  #element = null;
  #timer = null;
  #client;

  constructor(client, { document, location }) {
    this.#client = client;
    client.on("stream.delta", () => (this.#counts.chunks += 1));
    client.on("stream.block", () => (this.#counts.blocks += 1));
    client.connection.watch(({ name }) => (this.#counts.reconnects += Number(name === "reconnecting")));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey && event.altKey && event.code === "KeyD") this.toggle();
    });
    if (new URLSearchParams(location.search).get("debug") === "1") this.toggle();
  }

  toggle() {
    if (this.#element === null) {
      this.#element = document.createElement("dl");
      this.#element.className = "debug-panel";
      this.#element.setAttribute("aria-label", gettext("Figures of this page"));
      document.body.append(this.#element);
      this.#timer = setInterval(() => this.#show(), EVERY_MS);
      this.#watchFrames(this.#element);
      this.#show();
    } else {
      clearInterval(this.#timer);
      this.#element.remove();
      this.#element = null;
    }
  }

  /** Until the panel it was begun for is gone. */
  #watchFrames(element, last = performance.now()) {
    requestAnimationFrame((now) => {
      if (this.#element !== element) return;
      if (now - last > LONG_FRAME_MS && !document.hidden) this.#counts.longFrames += 1;
      this.#watchFrames(element, now);
    });
  }

  #show() {
    const { chunks, blocks, reconnects, longFrames } = this.#counts;
    const { holes, snapshots, mismatches } = this.#client.counters;
    const rows = [
      [gettext("Chunks received"), chunks],
      [gettext("Blocks received"), blocks],
      [gettext("Pieces drawn"), drawn.pieces],
      [gettext("Drawing, ms per piece"), (drawn.ms / Math.max(1, drawn.pieces)).toFixed(2)],
      [gettext("Frames over 50 ms"), longFrames],
      [gettext("Reconnects"), reconnects],
      [gettext("Gaps healed"), holes],
      [gettext("Snapshots"), snapshots],
      [gettext("Texts that differed"), mismatches],
    ];
    this.#element.replaceChildren(...rows.flatMap(([label, value]) => [cell("dt", label), cell("dd", value)]));
  }
}

function cell(tag, text) {
  const element = document.createElement(tag);
  element.textContent = String(text);
  return element;
}
