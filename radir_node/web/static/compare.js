// Compare page: both images share one view (zoom, position, brightness, contrast); keys step through the cases.
"use strict";

const viewports = [...document.querySelectorAll("[data-viewport]")];
const controls = Object.fromEntries([...document.querySelectorAll("[data-view]")].map((e) => [e.dataset.view, e]));
const view = { zoom: 1, x: 0, y: 0 }; // x, y: shift in fractions of the viewport's width

function draw() {
  for (const viewport of viewports) {
    const image = viewport.querySelector("img");
    const width = viewport.clientWidth;
    image.style.transform = `translate(${view.x * width}px, ${view.y * width}px) scale(${view.zoom})`;
    image.style.filter =
      `brightness(${controls.brightness.value}) contrast(${controls.contrast.value})` +
      (controls.invert.checked ? " invert(1)" : "");
  }
}

function reset() {
  Object.assign(view, { zoom: 1, x: 0, y: 0 });
  controls.brightness.value = controls.contrast.value = 1;
  controls.invert.checked = false;
  draw();
}

function zoomAt(viewport, event) {
  event.preventDefault();
  const box = viewport.getBoundingClientRect();
  const zoom = Math.min(8, Math.max(1, view.zoom * Math.exp(-event.deltaY / 400)));
  const pointer = {
    x: (event.clientX - box.left - box.width / 2) / box.width,
    y: (event.clientY - box.top - box.height / 2) / box.width,
  };
  for (const axis of ["x", "y"]) {
    view[axis] = zoom === 1 ? 0 : pointer[axis] - ((pointer[axis] - view[axis]) * zoom) / view.zoom;
  }
  view.zoom = zoom;
  draw();
}

for (const viewport of viewports) {
  viewport.addEventListener("wheel", (event) => zoomAt(viewport, event), { passive: false });
  viewport.addEventListener("pointerdown", (event) => viewport.setPointerCapture(event.pointerId));
  viewport.addEventListener("pointermove", (event) => {
    if (!viewport.hasPointerCapture(event.pointerId) || view.zoom === 1) return;
    view.x += event.movementX / viewport.clientWidth;
    view.y += event.movementY / viewport.clientWidth;
    draw();
  });
  viewport.addEventListener("dblclick", reset);
}

for (const name of ["brightness", "contrast", "invert"]) controls[name].addEventListener("input", draw);
controls.reset.addEventListener("click", reset);
window.addEventListener("resize", draw);

document.addEventListener("keydown", (event) => {
  if (event.target.matches('input[type="range"]') || event.ctrlKey || event.metaKey || event.altKey) return;
  const link =
    document.querySelector(`[data-key="${CSS.escape(event.key)}"]`) ||
    (/^[1-9]$/.test(event.key) && document.querySelector(`[data-rank="${event.key}"]`));
  if (link) link.click();
});
