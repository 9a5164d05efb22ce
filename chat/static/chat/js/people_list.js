import { gettext, interpolate } from "chat/words.js";

const ROLES = { owner: gettext("owner"), member: gettext("member"), viewer: gettext("viewer") };

/** Who takes part, as the menu of the page lists them. */
export function showPeople(list, count, participants, userId) {
  count.textContent = String(participants.length);
  list.replaceChildren(...participants.map((person) => personItem(person, userId)));
}

function personItem({ id, name, role }, userId) {
  const item = document.createElement("li");
  const nameElement = document.createElement("span");
  const roleElement = document.createElement("span");
  nameElement.className = "people-name";
  nameElement.dir = "auto";
  nameElement.textContent = id === userId ? interpolate(gettext("%(name)s (you)"), { name }) : name;
  roleElement.className = "people-role";
  roleElement.textContent = ROLES[role] ?? role;
  item.append(nameElement, " ", roleElement);
  return item;
}
