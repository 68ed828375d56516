// Index health, DICOM and reports: fetch the page again every few seconds and put its figures in place, and so after
// each form. A lost session goes to the login.
"use strict";

const health = document.getElementById("health");
let sending = false;

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("health");
  health.classList.toggle("stale", !fresh);
  if (!fresh) return;
  const focused = document.activeElement?.id;
  health.replaceChildren(...fresh.childNodes);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function take(answer) {
  if (!answer.ok) return location.reload();
  if (new URL(answer.url).pathname !== location.pathname) return location.assign(answer.url);
  show(await answer.text());
}

async function renew() {
  if (document.hidden || sending) return;
  try {
    const answer = await fetch(location.pathname, { credentials: "same-origin" });
    if (!sending) await take(answer);
  } catch {
    health.classList.add("stale");
  }
}

health.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (sending) return;
  sending = true;
  event.submitter?.setAttribute("aria-busy", "true");
  try {
    const body = new URLSearchParams(new FormData(event.target));
    await take(await fetch(event.target.action, { method: "POST", body, credentials: "same-origin" }));
  } catch {
    health.classList.add("stale");
  } finally {
    sending = false;
    event.submitter?.removeAttribute("aria-busy");
  }
});

setInterval(renew, 1000 * health.dataset.refreshSeconds);
