// Small comforts; every page works without them.
"use strict";

// The access code can be shown while it is typed.
for (const box of document.querySelectorAll("[data-shows]")) {
  const field = document.getElementById(box.dataset.shows);
  box.closest("label").hidden = false;
  box.addEventListener("change", () => {
    field.type = box.checked ? "text" : "password";
  });
}

// A row of a table and its area on the map light up together.
for (const item of document.querySelectorAll("[data-area]")) {
  const together = document.querySelectorAll(`[data-area="${CSS.escape(item.dataset.area)}"]`);
  const light = (on) => together.forEach((one) => one.classList.toggle("lit", on));
  item.addEventListener("mouseenter", () => light(true));
  item.addEventListener("mouseleave", () => light(false));
}
