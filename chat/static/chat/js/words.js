/**
 * The words of the page in the reader's language. The catalogue is a classic script that the page loads before its
 * modules (Django's JavaScriptCatalog); without it, in tests, everything stays English.
 */
const catalogue = () => globalThis.django ?? {};

/** The language of the page, for numbers and times. */
export const language = globalThis.document?.documentElement?.lang || "en";

export function gettext(text) {
  return text === "" ? "" : (catalogue().gettext?.(text) ?? text);
}

export function ngettext(singular, plural, count) {
  return catalogue().ngettext?.(singular, plural, count) ?? (count === 1 ? singular : plural);
}

/** "Reconnecting in %(seconds)s s" with `{seconds: 4}`; a name without a value stays as it is. */
export function interpolate(text, values) {
  return text.replace(/%\((\w+)\)s/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

const number = new Intl.NumberFormat(language);

const UNTITLED = "New conversation";

/** A conversation's title; while nobody has given it a name, it is called something in the reader's language. */
export function titleWords(title) {
  return title === UNTITLED ? gettext("New conversation") : title;
}

/** What an error says, in the reader's language; `sentences` are those of a message that says values. */
export function errorWords({ message, sentences }) {
  if (!sentences) return gettext(message);
  return sentences.map(({ text, values }) => interpolate(gettext(text), shown(values))).join(" ");
}

function shown(values) {
  const entries = Object.entries(values);
  return Object.fromEntries(entries.map(([name, value]) => [name, typeof value === "number" ? number.format(value) : value]));
}
