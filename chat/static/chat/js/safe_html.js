/**
 * The only way from HTML to the page. The server's sanitiser has been over it already (streaming/markdown_html.py); here
 * nothing gets in that these tables do not name, whatever the server sent.
 */
const TAGS = new Set(
  "A BLOCKQUOTE BR CODE DIV EM H3 H4 H5 H6 HR LI OL P PRE S SPAN STRONG TABLE TBODY TD TH THEAD TR UL".split(" "),
);
const SIDES = ["align-left", "align-center", "align-right"];
const CLASSES = {
  SPAN: new Set(["link-host", ..."ckmsfbd"]),
  DIV: new Set(["table"]),
  TD: new Set(SIDES),
  TH: new Set(SIDES),
};
const ATTRIBUTES = {
  "A href": /^(?:https?:\/\/[^/?#]|mailto:[^?])/i,
  "A rel": /^noopener noreferrer nofollow$/,
  "A target": /^_blank$/,
  ...Object.fromEntries(["H3", "H4", "H5", "H6"].map((tag) => [`${tag} data-level`, /^[1-6]$/])),
  "OL start": /^\d{1,9}$/,
  "PRE tabindex": /^0$/,
  "PRE data-language": /^[a-z0-9+-]{1,20}$/,
  "TH scope": /^col$/,
};

/** What browsers with a sanitiser of their own are told. */
const SANITIZER = {
  elements: [...TAGS].map((tag) => tag.toLowerCase()),
  attributes: ["href", "rel", "target", "start", "tabindex", "data-language", "data-level", "scope", "class"],
};

/** Nodes made of `html`, for the page. In a document of its own nothing runs and nothing is fetched. */
export function safeFragment(html) {
  const aside = parse(html);
  for (const element of aside.body.querySelectorAll("*")) check(element);
  const fragment = document.createDocumentFragment();
  fragment.append(...[...aside.body.childNodes].filter(({ nodeType }) => nodeType <= Node.TEXT_NODE));
  return document.adoptNode(fragment);
}

function parse(html) {
  const empty = document.implementation.createHTMLDocument("");
  if (typeof empty.body.setHTML !== "function") return new DOMParser().parseFromString(html, "text/html");
  empty.body.setHTML(html, { sanitizer: SANITIZER });
  return empty;
}

/** An element that may not be there leaves its text; an attribute that may not be there leaves nothing. */
function check(element) {
  if (element.namespaceURI !== "http://www.w3.org/1999/xhtml" || !TAGS.has(element.tagName)) {
    element.replaceWith(element.textContent);
    return;
  }
  for (const { name, value } of [...element.attributes]) {
    const isAllowed =
      name === "class"
        ? (CLASSES[element.tagName]?.has(value) ?? false)
        : (ATTRIBUTES[`${element.tagName} ${name}`]?.test(value) ?? false);
    if (!isAllowed) element.removeAttribute(name);
  }
  if (element.tagName === "A") element.rel = "noopener noreferrer nofollow";
}
