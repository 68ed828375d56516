// Index health: fetch the page again every few seconds and put its figures in place; a lost session goes to the login.
"use strict";

const health = document.getElementById("health");

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { credentials: "same-origin" });
    if (answer.redirected) return location.reload();
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("health");
    health.classList.toggle("stale", !fresh);
    if (fresh) health.replaceChildren(...fresh.childNodes);
  } catch {
    health.classList.add("stale");
  }
}

setInterval(renew, 1000 * health.dataset.refreshSeconds);
