"use strict";
(() => {
  const MINUS = "\u2212";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Theme: follow the system until the reader chooses.
  const root = document.documentElement;
  const toggle = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const remember = (value) => { try { localStorage.setItem("evenhand-theme", value); } catch { /* private window */ } };
  const recall = () => { try { return localStorage.getItem("evenhand-theme"); } catch { return null; } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const name = () => { toggle.textContent = isDark() ? "Light theme" : "Dark theme"; };
  const chosen = recall();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    name();
  });
  dark.addEventListener("change", name);
  name();

  // Tables: a button in every heading that can sort.
  const order = (cell) => {
    const value = cell.dataset.value ?? cell.textContent.trim();
    return value !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
  };
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  };
  const sort = (table, heading) => {
    const column = heading.cellIndex;
    const down = heading.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [order(row.cells[column]), row]);
    rows.sort(([a], [b]) => (a === "" || b === "" ? compare(a, b) : down ? compare(b, a) : compare(a, b)));
    for (const [, row] of rows) body.append(row);
    for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  for (const table of all("table.sortable")) {
    for (const heading of all("thead th:not(.fixed)", table)) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, heading));
      heading.append(button);
    }
  }

  // Attention: draw another head, or another row, into the picture that is there.
  const fixed = (value, digits = 2) => Math.abs(value).toFixed(digits);
  const signed = (value, digits = 2) => {
    const text = fixed(value, digits);
    return (/[1-9]/.test(text) ? (value < 0 ? MINUS : "+") : "") + text;
  };
  const place = (svg, key, x, width, text, textX) => {
    const bar = svg.querySelector(`[data-bar=${key}]`);
    const label = svg.querySelector(`[data-text=${key}]`);
    bar.setAttribute("x", x);
    bar.setAttribute("width", width);
    label.textContent = text;
    if (textX !== undefined) label.setAttribute("x", textX);
    return bar;
  };
  const redraw = (view, data, query, head) => {
    const svg = view.querySelector("svg.attention");
    const sides = data.weights[query][head].map((row) => row.map((w) => (w === null ? null : w / 10000)));
    const known = sides.flat().filter((w) => w !== null);
    const geometry = Object.fromEntries(["words", "bar", "half", "middle"].map((key) => [key, Number(svg.dataset[key])]));
    const top = Math.max(...known) || 1;
    const gaps = sides[0].map((w, i) => (w === null || sides[1][i] === null ? null : w - sides[1][i]));
    const widest = Math.max(...gaps.filter((g) => g !== null).map(Math.abs)) || 1;
    ["a", "b"].forEach((arm, side) => sides[side].forEach((w, i) => {
      const width = w === null ? 0 : (geometry.bar * w) / top;
      place(svg, arm + i, geometry.words, width, w === null ? "" : fixed(w), geometry.words + width + 5);
    }));
    gaps.forEach((gap, i) => {
      const width = gap === null ? 0 : (geometry.half * Math.abs(gap)) / widest;
      const x = gap !== null && gap < 0 ? geometry.middle - width : geometry.middle;
      const bar = place(svg, `d${i}`, x, width, gap === null ? "\u2013" : signed(gap));
      [sides[0][i], sides[1][i], gap].forEach((value, n) => {
        const text = value === null ? "\u2013" : n === 2 ? signed(value, 4) : fixed(value, 4);
        view.querySelector(`[data-cell=${"abd"[n]}${i}]`).textContent = text;
      });
      bar.setAttribute("class", gap !== null && gap < 0 ? "arm-b" : "arm-a");
    });
    tint(view, data, sides);
    look(view, data, query, sides);
  };
  const tint = (view, data, sides) => {
    const visible = sides.flatMap((side) => side.slice(1)).filter((w) => w !== null);
    const top = Math.max(...visible) || 1;
    for (const word of all(".w:not(.idle)", view)) {
      const side = word.closest(".sentence").classList.contains("a") ? 0 : 1;
      word.className = `w t${Math.min(8, Math.round((8 * sides[side][Number(word.dataset.row)]) / top))}`;
    }
  };
  const look = (view, data, query, sides) => {
    const queries = data.queries[query];
    all(".who", view).forEach((who, side) => { who.textContent = queries[side]; });
    if (!data.candidates) return;
    const mass = (side, candidate) => side.reduce((sum, w, i) => sum + (data.marks[i] === candidate ? w ?? 0 : 0), 0);
    sides.forEach((side, n) => {
      const [first, second] = [mass(side, 1), mass(side, 2)];
      const both = first + second;
      const alike = Math.max(first, second) < 0.6 * both;
      const target = both < 0.01 ? "neither" : alike ? "both alike" : data.candidates[first > second ? 0 : 1];
      view.querySelector(`[data-look=query${n}]`).textContent = queries[n];
      view.querySelector(`[data-look=at${n}]`).textContent = target;
      view.querySelector(`[data-look=first${n}]`).textContent = fixed(first, 3);
      view.querySelector(`[data-look=second${n}]`).textContent = fixed(second, 3);
    });
  };
  for (const view of all(".attention-view")) {
    const data = JSON.parse(view.querySelector("script[type='application/json']").textContent);
    const [head, query] = [view.querySelector("select.head"), view.querySelector("select.query")];
    const own = view.querySelector(".own-head");
    const draw = () => {
      redraw(view, data, Number(query.value), Number(head.value));
      if (own) own.hidden = head.value !== "0" || query.value !== "0";
    };
    view.querySelector(".choose").hidden = false;
    head.addEventListener("change", draw);
    query.addEventListener("change", draw);
  }
})();
