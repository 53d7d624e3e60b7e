// Model view: every layer and head as a thumbnail; Enter or a click opens the head.
(() => {
  "use strict";
  const { svg, html } = Attention;
  //: What the darkest cell of every thumbnail stands for, so that heads can be compared.
  const TOP = { a: 0.6, b: 0.6, d: 0.3 };
  //: Longer texts are drawn by the strongest of each block of cells.
  const MOST = 40;

  const shrink = (panel) => {
    const most = Math.max(panel.rows.length, panel.columns.length);
    if (most <= MOST) return panel;
    const block = Math.ceil(most / MOST);
    const [rows, columns] = [panel.rows, panel.columns].map((units) => units.filter((_, n) => n % block === 0));
    const values = new Float32Array(rows.length * columns.length);
    panel.values.forEach((value, at) => {
      const c = at % panel.columns.length, r = (at - c) / panel.columns.length;
      const to = Math.floor(r / block) * columns.length + Math.floor(c / block);
      if (Math.abs(value) > Math.abs(values[to])) values[to] = value;
    });
    return { rows, columns, values };
  };

  // A decoder's rows before the swapped word are the same in both texts: only those behind it are drawn.
  const behind = (panel) => {
    const first = Math.max(0, panel.rows.findIndex((unit) => unit.text.includes(" / ")));
    return { rows: panel.rows.slice(first), columns: panel.columns, values: panel.values.slice(first * panel.columns.length) };
  };

  const thumbnail = (side, place, state) => {
    const whole = state.stream.panel(side, place, state.options);
    const panel = shrink(side === "d" && state.stream.content.causal ? behind(whole) : whole);
    const skip = (_, column) => state.skips(column);
    return svg("svg", {
      class: "thumb", viewBox: `0 0 ${panel.columns.length} ${panel.rows.length}`, preserveAspectRatio: "none", "aria-hidden": "true",
    }, ...Attention.cells(panel, side, TOP[side], { skip }));
  };

  const label = (place, state) => {
    const found = state.named(place);
    return `Head ${Attention.name(place)}${found ? `, ${found}` : ""}`;
  };

  const preview = (place, state) => html("div", {},
    html("h4", {}, label(place, state)),
    ...["a", "b", "d"].map((side) => html("figure", {},
      html("figcaption", {}, html("span", { class: `key ${side}` }), html("bdi", {}, Attention.title(side, state.pair.arms))),
      thumbnail(side, place, state))),
    html("p", { class: "note" }, "Rows look at columns. Click or press Enter to open it."));

  Attention.views.grid = (target, state) => {
    const { layers, heads } = state.stream.content;
    const grid = html("div", { class: "head-grid", role: "grid", "aria-label": "All heads; rows are layers" });
    grid.style.setProperty("--heads", heads);
    const side = state.show;
    const beside = html("aside", { class: "preview", "aria-hidden": "true" });
    const waiting = new Map();
    const watcher = "IntersectionObserver" in window ? new IntersectionObserver((entries) => {
      for (const { target: button, isIntersecting } of entries) {
        if (!isIntersecting || !waiting.has(button)) continue;
        button.append(thumbnail(side, waiting.get(button), state));
        waiting.delete(button);
        watcher.unobserve(button);
      }
    }, { rootMargin: "300px" }) : null;
    const header = html("div", { class: "line", role: "row" }, html("span", { class: "axis-name", role: "columnheader" }, "layer"),
      ...[...Array(heads).keys()].map((head) => html("span", { role: "columnheader" }, String(head))));
    grid.append(header);
    const cells = [];
    for (let layer = 0; layer < layers; layer += 1) {
      const line = html("div", { class: "line", role: "row" }, html("span", { role: "rowheader" }, String(layer)));
      cells.push([]);
      for (let head = 0; head < heads; head += 1) {
        const place = [layer, head];
        const there = state.stream.has(place);
        const tag = state.named(place);
        const button = html("button", {
          type: "button", tabindex: -1, disabled: !there, "aria-label": there ? label(place, state) : `Head ${Attention.name(place)}, not kept`,
          class: [tag && "named", Attention.name(place) === Attention.name(state.place) && "current"].filter(Boolean).join(" ") || null,
          "data-place": Attention.name(place), title: label(place, state),
        });
        if (there) { waiting.set(button, place); watcher?.observe(button); }
        cells[layer].push(button);
        line.append(html("span", { role: "gridcell" }, button));
      }
      grid.append(line);
    }
    if (!watcher) for (const [button, place] of waiting) button.append(thumbnail(side, place, state));
    const placeOf = (event) => event.target.closest?.("button")?.dataset.place?.split("-").map(Number);
    const see = (event) => { const place = placeOf(event); if (place && state.stream.has(place)) beside.replaceChildren(preview(place, state)); };
    grid.addEventListener("pointerover", see);
    grid.addEventListener("focusin", see);
    grid.addEventListener("click", (event) => { const place = placeOf(event); if (place) state.open(place); });
    grid.addEventListener("keydown", (event) => {
      const place = placeOf(event);
      const step = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
      if (!place || !step) return;
      event.preventDefault();
      let [layer, head] = [place[0] + step[0], place[1] + step[1]];
      while (cells[layer]?.[head]?.disabled) { layer += step[0]; head += step[1]; }
      const next = cells[layer]?.[head];
      if (!next) return;
      event.target.closest("button").setAttribute("tabindex", -1);
      next.setAttribute("tabindex", 0);
      next.focus();
    });
    const first = cells[state.place[0]][state.place[1]];
    first.setAttribute("tabindex", 0);
    beside.append(preview(state.place, state));
    target.replaceChildren(html("p", { class: "note" },
      `Each square is one head: rows of the texts look at columns. The strongest cells are ${TOP[side].toFixed(1)} and above${side === "d" ? " in either direction" : ""}. Heads with a label have a frame.`
      + (state.skips(0) ? " The first word is left out." : "")
      + (side === "d" && state.stream.content.causal ? " So are the rows before the swapped word, which are the same in both texts." : "")),
    html("div", { class: "beside" }, html("div", { class: "grid-holder" }, grid), beside));
  };
})();
