// Head view: lines from the words that look (left) to the words looked at (right), for several heads at once.
(() => {
  "use strict";
  const { svg, html } = Attention;
  const ROW = 22, TOP = 6, FAINT = 0.02;

  const clip = (text, most) => (text.length <= most ? text : `${text.slice(0, most - 1)}\u2026`);

  const geometry = (panels, width) => {
    const longest = Math.max(1, ...panels.flatMap((panel) => [...panel.rows, ...panel.columns].map((unit) => unit.text.length)));
    const words = Math.min(longest * 7.4 + 10, width * 0.34);
    return { width, words, most: Math.max(4, Math.floor((words - 8) / 7.2)), left: words, right: width - words };
  };

  const middle = (row) => TOP + ROW * row + ROW / 2;

  const lineClass = (side, value, state, place) => {
    if (side === "d") return value < 0 ? "line-b" : "line-a";
    return state.heads.length > 1 ? `line-h${state.colour(place)}` : `line-${side}`;
  };

  const draw = (side, panels, state, top, place) => {
    const { rows, columns } = panels[0];
    const height = 2 * TOP + ROW * Math.max(rows.length, columns.length);
    const lines = svg("g", { class: "lines" });
    panels.forEach((panel, n) => rows.forEach((row, r) => columns.forEach((column, c) => {
      const value = panel.at(r, c);
      if (Math.abs(value) < FAINT || state.skips(c)) return;
      lines.append(svg("line", {
        x1: place.left, x2: place.right, y1: middle(r), y2: middle(c), "stroke-width": 2,
        "stroke-opacity": Math.min(1, Math.abs(value) / top).toFixed(3),
        class: lineClass(side, value, state, state.heads[n]), "data-q": row.id, "data-k": column.id,
      }));
    })));
    const word = (unit, n, end) => svg("g", {
      class: "word", role: "button", tabindex: -1, "data-end": end, "data-id": unit.id,
      "aria-label": `${end === "q" ? "from" : "to"} ${unit.text}, ${Attention.title(side, state.pair.arms)}`,
    },
    svg("rect", { x: end === "q" ? 0 : place.right, y: TOP + ROW * n, width: place.words, height: ROW, rx: 4 }),
    svg("text", {
      class: "ink", "font-size": 13, y: middle(n) + 4.5, x: end === "q" ? place.left - 6 : place.right + 6,
      "text-anchor": end === "q" ? "end" : "start",
    }, clip(unit.text, place.most), svg("title", {}, unit.text)));
    return svg("svg", {
      class: "head-lines", viewBox: `0 0 ${place.width} ${height}`, width: place.width, height, role: "group",
      "aria-label": `Lines, ${Attention.title(side, state.pair.arms)}`, "data-side": side,
    }, lines, svg("g", { class: "figures", "aria-hidden": "true" }),
    ...rows.map((row, n) => word(row, n, "q")), ...columns.map((column, n) => word(column, n, "k")));
  };

  // Only the lines of one word, with their numbers where one head is shown.
  const focus = (figure, panel, state, unit, place) => {
    const numbers = figure.querySelector(".figures");
    numbers.replaceChildren();
    for (const line of figure.querySelectorAll(".lines line")) {
      line.classList.toggle("off", Boolean(unit) && line.dataset[unit.end] !== unit.id);
    }
    for (const word of figure.querySelectorAll(".word")) {
      const on = Boolean(unit) && word.dataset.end === unit.end && word.dataset.id === unit.id;
      word.classList.toggle("on", on);
      word.setAttribute("aria-pressed", on);
    }
    if (!unit || state.heads.length > 1) return;
    const { rows, columns } = panel;
    const own = (unit.end === "q" ? rows : columns).findIndex((one) => one.id === unit.id);
    if (own < 0) return;
    (unit.end === "q" ? columns : rows).forEach((_, other) => {
      const value = unit.end === "q" ? panel.at(own, other) : panel.at(other, own);
      if (Math.abs(value) < FAINT) return;
      numbers.append(svg("text", {
        x: unit.end === "q" ? place.right - 5 : place.left + 5, y: middle(other) + 4, "font-size": 11, class: "figure",
        "text-anchor": unit.end === "q" ? "end" : "start",
      }, Attention.told(figure.dataset.side, value)));
    });
  };

  Attention.views.lines = (target, state) => {
    const options = state.options;
    const sides = ["a", "b", "d"].map((side) => [side, state.heads.map((place) => state.stream.panel(side, place, options))]);
    const top = Math.max(FAINT, ...sides.flatMap(([, panels]) => panels.map((panel) => (
      panel.values.reduce((most, value, at) => (state.skips(at % panel.columns.length) ? most : Math.max(most, Math.abs(value))), 0)))));
    const holder = html("div", { class: "trio" });
    target.replaceChildren(holder);
    const figures = sides.map(([side, panels]) => {
      const box = html("figure", {}, html("figcaption", {}, html("span", { class: `key ${side}` }), html("bdi", {}, Attention.title(side, state.pair.arms))));
      holder.append(box);
      return { side, panels, box };
    });
    const width = Math.max(220, Math.floor(figures[0].box.clientWidth) || 320);
    const place = geometry(sides.flatMap(([, panels]) => panels), width);
    for (const each of figures) {
      each.svg = draw(each.side, each.panels, state, top, place);
      each.box.append(each.svg);
    }
    const show = (unit) => {
      for (const each of figures) focus(each.svg, each.panels[0], state, unit, place);
      state.tell(unit);
    };
    const unitOf = (event) => {
      const word = event.target.closest?.(".word");
      return word && { end: word.dataset.end, id: word.dataset.id };
    };
    const same = (one, two) => Boolean(one && two) && one.end === two.end && one.id === two.id;
    holder.addEventListener("pointerover", (event) => { if (event.pointerType === "mouse") show(unitOf(event) ?? state.pinned); });
    holder.addEventListener("pointerleave", () => show(state.pinned));
    holder.addEventListener("focusin", (event) => { if (event.target.matches(":focus-visible")) show(unitOf(event)); });
    holder.addEventListener("focusout", () => show(state.pinned));
    const pin = (unit) => {
      state.pinned = same(unit, state.pinned) ? null : unit;
      show(state.pinned);
    };
    holder.addEventListener("click", (event) => { if (unitOf(event)) pin(unitOf(event)); });
    holder.addEventListener("keydown", (event) => {
      const unit = unitOf(event);
      if (!unit) return;
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pin(unit); return; }
      move(event, figures.map((each) => each.svg));
    });
    for (const each of figures) each.svg.querySelector(".word")?.setAttribute("tabindex", 0);
    state.pinned = state.pinned && sides[2][1][0][state.pinned.end === "q" ? "rows" : "columns"].some((unit) => unit.id === state.pinned.id) ? state.pinned : null;
    show(state.pinned);
    const note = html("p", { class: "note" },
      `The strongest line is ${top.toFixed(2)}. Point at a word, or move to it with Tab and the arrow keys, to see its lines alone; click or Enter keeps it so.`
      + (!state.skips(0) ? "" : " Lines to the first word, where heads look when they look at nothing, are left out."));
    target.append(note);
  };

  // Up and down within a side, left and right to the other side.
  const move = (event, figures) => {
    const word = event.target.closest(".word");
    const figure = figures.find((each) => each.contains(word));
    const of = (end) => [...figure.querySelectorAll(`.word[data-end=${end}]`)];
    const [own, at] = [of(word.dataset.end), of(word.dataset.end).indexOf(word)];
    const steps = { ArrowDown: () => own[at + 1], ArrowUp: () => own[at - 1], Home: () => own[0], End: () => own.at(-1) };
    const cross = () => { const others = of(word.dataset.end === "q" ? "k" : "q"); return others[Math.min(at, others.length - 1)]; };
    steps[word.dataset.end === "q" ? "ArrowRight" : "ArrowLeft"] = cross;
    const next = steps[event.key]?.();
    if (!(event.key in steps)) return;
    event.preventDefault();
    if (!next) return;
    for (const one of figure.querySelectorAll(".word[tabindex='0']")) one.setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus();
  };
})();
