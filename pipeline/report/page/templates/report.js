"use strict";
// Drawings are there before any script runs; those that come into view become interactive.
const waiting = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    waiting.unobserve(entry.target);
    const name = entry.target.dataset.spec;
    const script = [...document.querySelectorAll("script[data-for]")].find((each) => each.dataset.for === name);
    const stage = document.createElement("div");
    window.vegaEmbed(stage, JSON.parse(script.textContent), { actions: false, renderer: "svg" })
      .then(() => entry.target.replaceChildren(stage));
  }
}, { rootMargin: "200px" });
document.querySelectorAll(".drawing").forEach((each) => waiting.observe(each));

const filter = document.getElementById("filter");
if (filter) {
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
    let shown = 0;
    document.querySelectorAll("table.results tbody tr").forEach((row) => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    });
    document.getElementById("shown").textContent = words.length ? shown + " rows" : "";
  });
}
