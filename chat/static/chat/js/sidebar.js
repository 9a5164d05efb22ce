const narrow = globalThis.matchMedia?.("(max-width: 50rem)");

/** The list of conversations; on a narrow page it lies off the canvas and out of reach until it is opened. */
export function setUpSidebar(document) {
  const [sidebar, scrim, opener, closer] = ["sidebar", "scrim", "sidebar-open", "sidebar-close"].map((id) =>
    document.getElementById(id),
  );

  function show(isOpen) {
    sidebar.toggleAttribute("data-open", isOpen);
    sidebar.inert = narrow.matches && !isOpen;
    scrim.hidden = !isOpen;
    opener.ariaExpanded = String(isOpen);
  }

  function close() {
    const hadFocus = sidebar.contains(document.activeElement);
    show(false);
    if (hadFocus) opener.focus();
  }

  opener.addEventListener("click", () => {
    show(true);
    closer.focus();
  });
  closer.addEventListener("click", close);
  scrim.addEventListener("click", close);
  sidebar.addEventListener("keydown", (event) => event.key === "Escape" && close());
  narrow.addEventListener("change", () => show(false));
  show(false);
}
