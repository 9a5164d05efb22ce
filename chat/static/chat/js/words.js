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

/**
 * What a row or an end says, which keep one English text: where it says values, the sentences that it was made of are
 * found again by their patterns. What is not made of known ones stays as it is. `wording.py` does the same.
 */
export function said(message) {
  const whole = gettext(message);
  if (whole !== message || message === "") return whole;
  const sentences = found(message, patterns());
  return sentences === null ? message : errorWords({ message, sentences });
}

function found(message, known) {
  if (message === "") return [];
  for (const [text, pattern] of known) {
    const match = pattern.exec(message);
    const rest = match && found(message.slice(match[0].length), known);
    if (rest) return [{ text, values: read(match.groups ?? {}) }, ...rest];
  }
  return null;
}

/** Of the server's sentences, which are all in the catalogue; the longest first, since some begin others. */
function patterns() {
  const texts = Object.keys(catalogue().catalog ?? {}).filter((text) => text.endsWith("."));
  return texts.sort((one, other) => other.length - one.length).map((text) => [text, new RegExp(patternOf(text))]);
}

function patternOf(text) {
  const parts = text.split(/%\((\w+)\)s/);
  const seen = new Set();
  return `^${parts.map((part, at) => (at % 2 ? valueOf(part, seen) : escaped(part))).join("")}(?: |$)`;
}

function valueOf(name, seen) {
  if (seen.has(name)) return `\\k<${name}>`;
  seen.add(name);
  return `(?<${name}>.+?)`;
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function read(values) {
  const isNumber = (value) => /^\d{1,3}(,\d{3})*$/.test(value);
  const entries = Object.entries(values);
  return Object.fromEntries(entries.map(([name, value]) => [name, isNumber(value) ? Number(value.replaceAll(",", "")) : value]));
}

function shown(values) {
  const entries = Object.entries(values);
  return Object.fromEntries(entries.map(([name, value]) => [name, typeof value === "number" ? number.format(value) : value]));
}
