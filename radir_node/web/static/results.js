// Results page: a changed filter ranks again at once; digits open a case beside the query, C the focused one (else the
// first), 0 ranks overall.
"use strict";

const form = document.getElementById("ranking");
form.classList.add("automatic");

for (const field of form.elements) {
  field.addEventListener("change", () => {
    if (form.reportValidity()) form.requestSubmit();
  });
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const focused = event.target.closest(".case") || document;
  let link = null;
  if (event.key === "0") link = document.querySelector('.chip[data-anatomy="*"]');
  else if (/^[1-9]$/.test(event.key)) link = document.querySelector(`[data-rank="${event.key}"]`);
  else if (event.key.toLowerCase() === "c") link = focused.querySelector("[data-rank]");
  if (link) link.click();
});
