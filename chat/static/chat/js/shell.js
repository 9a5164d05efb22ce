import { BudgetNotice } from "chat/budget_notice.js";
import { DesktopNotices } from "chat/desktop_notices.js";
import { EntryMenu } from "chat/entry_menu.js";
import { ListFeed } from "chat/list_feed.js";
import { ListView } from "chat/list_view.js";
import { PageTitle } from "chat/page_title.js";
import { Search } from "chat/search.js";
import { setUpShortcuts } from "chat/shortcuts.js";
import { setUpSidebar } from "chat/sidebar.js";
import { hideLater } from "chat/toast.js";
import { WhileAway } from "chat/while_away.js";

const UNDO_MS = 10000;

/**
 * What stands around every page: the list of conversations, its menus, search, keys and notices. `seen`: see ListFeed.
 * Returns the page's title.
 */
export function setUpShell(client, seen = () => null) {
  const list = document.getElementById("list");
  const view = new ListView(list, document.getElementById("entry-template"));
  const title = new PageTitle();
  const budgets = document.getElementById("budget-notices");
  if (budgets !== null) new BudgetNotice(client, budgets);
  const notices = setUpNotices();
  const away = new WhileAway(title, (entry) => notices.finished(entry, view.address(entry.conversation)));
  const feed = new ListFeed(client, view, seen, away);
  new EntryMenu(list, view, feed);
  const search = new Search();
  setUpSidebar(document);
  setUpShortcuts(document, { search: () => search.open() });
  const undo = document.getElementById("undo");
  if (undo !== null) hideLater(undo, UNDO_MS);
  return title;
}

function setUpNotices() {
  const part = (name) => document.getElementById(name);
  const parts = { choice: part("notices-choice"), box: part("notices"), refusal: part("notices-refused") };
  return new DesktopNotices(parts, part("sidebar").dataset.user, localStorage);
}
