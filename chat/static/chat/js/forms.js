import { gettext } from "chat/words.js";

const FAILED = gettext("This could not be done. Try again.");

/** Sends a form without leaving the page; gives what the server answers, or throws an Error with a sentence. */
export function sendForm(form) {
  return post(form.action, new FormData(form));
}

/** The same for a change that has no form in the page. */
export function post(address, fields = new FormData()) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]");
  if (!fields.has("csrfmiddlewaretoken")) fields.set("csrfmiddlewaretoken", token?.value ?? "");
  return ask(address, { method: "POST", body: fields });
}

export async function ask(address, options = {}) {
  let response;
  let answer;
  try {
    response = await fetch(address, { ...options, headers: { Accept: "application/json" } });
    answer = await response.json();
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error(FAILED); // away, or a page instead of an answer
  }
  if (!response.ok) throw new Error(answer.message ?? FAILED);
  return answer;
}

/** Shows a sentence in an alert; empty: none. */
export function showAlert(element, sentence) {
  element.hidden = sentence === ""; // first: what changes while hidden is not announced
  element.textContent = sentence;
}
