// Results page: a changed filter ranks again at once; digits open a case beside the query, 0 ranks overall.
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
  const link = event.key === "0"
    ? document.querySelector('.chip[data-anatomy="*"]')
    : /^[1-9]$/.test(event.key) && document.querySelector(`[data-rank="${event.key}"]`);
  if (link) link.click();
});
