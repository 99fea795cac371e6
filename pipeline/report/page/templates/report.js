"use strict";
const held = document.getElementById("thumbnails");
const thumbnails = held ? JSON.parse(held.textContent) : {};

// Drawings are there before any script runs; those that come into view become interactive.
const waiting = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    waiting.unobserve(entry.target);
    const name = entry.target.dataset.spec;
    const grid = [...document.querySelectorAll("script[data-grid]")].find((each) => each.dataset.grid === name);
    if (grid) {
      entry.target.replaceChildren(...confusionGrid(JSON.parse(grid.textContent)));
      continue;
    }
    const script = [...document.querySelectorAll("script[data-for]")].find((each) => each.dataset.for === name);
    const stage = document.createElement("div");
    window.vegaEmbed(stage, withImages(JSON.parse(script.textContent)), { actions: false, renderer: "svg" })
      .then(() => entry.target.replaceChildren(stage));
  }
}, { rootMargin: "200px" });
document.querySelectorAll(".drawing").forEach((each) => waiting.observe(each));

// On paper nothing can be opened; long tables of every metric and every setting stay closed.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details:not(.long)").forEach((each) => { each.open = true; });
});

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

// A click on a column's name sorts by it; numbers by their size, a second click the other way round.
document.querySelectorAll("table.sorts").forEach((table) => {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if ("fixed" in head.dataset) return;
    const button = element("button", { type: "button" }, ...head.childNodes);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const isUp = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", isUp ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].map((row) => [sortedBy(row.cells[column]), row]);
      rows.sort(([a], [b]) => (isUp ? -1 : 1) * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))));
      table.tBodies[0].append(...rows.filter(([value]) => value !== "").map(([, row]) => row), ...rows.filter(([value]) => value === "").map(([, row]) => row));
    });
  });
});

function sortedBy(cell) {
  const text = (cell.dataset.value || cell.textContent).trim();
  const number = Number.parseFloat(text);
  return Number.isNaN(number) ? text : number;
}

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A point names its thumbnail, which many figures share.
function withImages(spec) {
  for (const value of (spec.data && spec.data.values) || []) {
    if (value.image) value.image = thumbnails[value.image].image;
  }
  return spec;
}

const images = (count) => count + (count === 1 ? " image" : " images");

// A confusion matrix as a grid that arrow keys move in; one cell at a time is in the order of the Tab key.
function confusionGrid(matrix) {
  const { names, counts, totals, cells } = matrix;
  const behind = element("div", { class: "behind", "aria-live": "polite" });
  const places = names.map(() => []);
  let current = null;

  function enter(i, j) {
    if (current) current.tabIndex = -1;
    current = places[i][j];
    current.tabIndex = 0;
    current.focus();
  }

  function show(i, j) {
    document.querySelectorAll('.grid td[aria-selected="true"]').forEach((each) => each.setAttribute("aria-selected", "false"));
    places[i][j].setAttribute("aria-selected", "true");
    const rows = cells[i + "," + j] || [];
    const some = rows.length && rows.length < counts[i][j] ? ", " + rows.length + " of them:" : rows.length ? ":" : "";
    behind.replaceChildren(
      element("p", {}, names[i] + " as " + names[j] + ": " + images(counts[i][j]) + some),
      ...rows.map((row) => element("img", { src: thumbnails[row].image, alt: thumbnails[row].path, title: thumbnails[row].path })),
    );
  }

  const head = element("tr", {}, element("td", { style: "cursor: auto; background: none" }), ...names.map((name) => element("th", { scope: "col", title: name }, name)));
  const body = names.map((name, i) => {
    const total = totals[i];
    const line = counts[i].map((count, j) => {
      const share = total ? (100 * count) / total : 0;
      const label = name + " as " + names[j] + ": " + images(count) + ", " + share.toFixed(1) + " % of the class";
      const cell = element("td", { role: "gridcell", tabindex: "-1", "aria-selected": "false", "aria-label": label, title: label }, count ? String(count) : "");
      // Between these shades neither black nor white letters can be read.
      if (count) cell.style.background = "rgb(var(--shade) / " + (share < 50 ? 4 + share : 70 + 0.6 * (share - 50)) + "%)";
      if (share >= 50) cell.className = "deep";
      cell.addEventListener("click", () => { enter(i, j); show(i, j); });
      cell.addEventListener("keydown", (event) => {
        const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (step && places[i + step[0]] && places[i + step[0]][j + step[1]]) enter(i + step[0], j + step[1]);
        else if (event.key === "Enter" || event.key === " ") show(i, j);
        if (step || event.key === "Enter" || event.key === " ") event.preventDefault();
      });
      places[i].push(cell);
      return cell;
    });
    return element("tr", { role: "row" }, element("th", { scope: "row", title: name }, name), ...line);
  });
  current = places[0][0];
  current.tabIndex = 0;
  const table = element("table", { class: "grid", role: "grid", "aria-label": matrix.caption }, element("thead", {}, head), element("tbody", {}, ...body));
  return [element("p", { class: "note" }, "Rows: true class; columns: predicted class."), table, behind];
}
