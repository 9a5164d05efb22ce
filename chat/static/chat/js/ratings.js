import { post } from "chat/forms.js";
import { gettext } from "chat/words.js";

export const GOOD = "good";
export const BAD = "bad";
const NONE = "";

/** What the reader thinks of the answers on this page. It shows at once, and goes back if the server refuses. */
export class Ratings {
  #known;
  #send;

  /**
   * @param known `{message: "good" or "bad"}`
   * @param send `(message, rating) => Promise`, which throws an Error with a sentence
   */
  constructor(known, send = sendRating) {
    this.#known = new Map(Object.entries(known).map(([id, rating]) => [Number(id), rating]));
    this.#send = send;
  }

  /** Called when one changed. */
  onNews = () => {};

  of(id) {
    return this.#known.get(id) ?? NONE;
  }

  /** One of the two was pressed: it is meant, or taken back if it was so before. Returns what is said of it. */
  async press(id, rating) {
    const before = this.of(id);
    const wanted = before === rating ? NONE : rating;
    this.#show(id, wanted);
    try {
      await this.#send(id, wanted);
    } catch (error) {
      if (this.of(id) === wanted) this.#show(id, before);
      throw error;
    }
    return wanted === NONE ? gettext("Rating taken back") : gettext("Thank you for the rating");
  }

  #show(id, rating) {
    this.#known.set(id, rating);
    this.onNews();
  }
}

function sendRating(id, rating) {
  const fields = new FormData();
  fields.set("rating", rating);
  return post(`messages/${id}/rating/`, fields);
}
