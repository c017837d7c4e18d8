/* The list of plugins: what was chosen stays chosen while the list follows the server, and its address follows what is
   searched for. Everything here adds to a page that works without it. */
(() => {
  "use strict";

  const { $ } = window.cadence;
  const list = () => $("#plugin-list");
  const choices = () => [...document.querySelectorAll(".listed-choice input")];
  let chosen = new Set();

  const show = () => {
    const boxes = choices();
    const checked = boxes.filter((box) => box.checked).length;
    const all = $("#bulk-all");
    if (!all) return;
    all.checked = checked > 0 && checked === boxes.length;
    all.indeterminate = checked > 0 && checked < boxes.length;
    const words = $("#bulk-words");
    words.textContent = checked ? `${checked} of ${boxes.length} chosen` : words.dataset.none;
    for (const button of document.querySelectorAll("[data-needs-choice]")) button.disabled = checked === 0;
  };

  document.addEventListener("change", (event) => {
    if (event.target.id === "bulk-all") for (const box of choices()) box.checked = event.target.checked;
    if (event.target.closest(".listing")) show();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // Where the list stays as it is, what is chosen in it is not to be brought back by a change of another part later.
    const { target, shouldSwap } = event.detail;
    const kept = shouldSwap && target === list() ? choices().filter((box) => box.checked) : [];
    chosen = new Set(kept.map((box) => box.value));
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const box of choices()) if (chosen.has(box.value)) box.checked = true;
    chosen = new Set();
    show();
    const address = list()?.dataset.address;
    if (address && address !== location.pathname + location.search) history.replaceState(null, "", address);
  });
  document.addEventListener("htmx:afterRequest", show);
  show();
})();
