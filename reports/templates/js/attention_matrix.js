// Attention matrix: a heat map of text a, text b and their difference, and small ones for the view of all heads.
(() => {
  "use strict";
  const { svg, html } = Attention;
  const STEPS = 6, LABELS = 15;

  // Cells of one step make one path: a matrix is a few elements, and follows the theme through its classes.
  Attention.cells = (panel, side, top, { size = 1, x = 0, y = 0, skip = () => false } = {}) => {
    const paths = new Map();
    const columns = panel.columns.length;
    panel.values.forEach((value, at) => {
      const column = at % columns, row = (at - column) / columns;
      const step = Math.min(STEPS, Math.round((STEPS * Math.abs(value)) / top));
      if (!step || skip(row, column)) return;
      const name = side === "b" || value < 0 ? `n${step}` : `p${step}`;
      paths.set(name, `${paths.get(name) ?? ""}M${x + column * size} ${y + row * size}h${size}v${size}h${-size}z`);
    });
    return [...paths].map(([name, d]) => svg("path", { class: name, d }));
  };

  const strongest = (panels, skips) => Math.max(0.02, ...panels.map((panel) => panel.values.reduce(
    (most, value, at) => (skips(at % panel.columns.length) ? most : Math.max(most, Math.abs(value))), 0)));

  const clip = (text) => (text.length <= LABELS ? text : `${text.slice(0, LABELS - 1)}\u2026`);

  const draw = (side, panel, top, width, state) => {
    const { rows, columns } = panel;
    const longest = Math.min(LABELS, Math.max(1, ...[...rows, ...columns].map((unit) => unit.text.length)));
    const label = Math.min(longest * 6.4 + 8, width * 0.3);
    const size = Math.max(3, Math.min(24, (width - label - 24) / Math.max(1, columns.length)));
    const head = label * 0.8 + 6;
    const every = Math.ceil(11 / size);
    const text = (unit, attributes) => svg("text", { class: "ink", "font-size": Math.min(12, size + 2), ...attributes }, clip(unit.text), svg("title", {}, unit.text));
    const [w, h] = [label + columns.length * size + 4, head + rows.length * size + 4];
    return svg("svg", {
      class: "matrix", viewBox: `0 0 ${Math.max(w, width)} ${h}`, width: Math.max(w, width), height: h, tabindex: 0, role: "application",
      "aria-roledescription": "heat map", "aria-label": `Heat map, ${Attention.title(side, state.pair.arms)}; arrow keys read single cells`,
      "data-side": side, "data-left": label, "data-top": head, "data-size": size,
    },
    svg("rect", { class: "z0", x: label, y: head, width: columns.length * size, height: rows.length * size }),
    ...Attention.cells(panel, side, top, { size, x: label, y: head, skip: (_, column) => state.skips(column) }),
    ...rows.flatMap((unit, n) => (n % every ? [] : [text(unit, { x: label - 5, y: head + (n + 0.5) * size + 4, "text-anchor": "end" })])),
    ...columns.flatMap((unit, n) => {
      const [x, y] = [label + (n + 0.5) * size + 3, head - 5];
      return n % every ? [] : [text(unit, { x, y, transform: `rotate(-55 ${x} ${y})` })];
    }),
    svg("rect", { class: "cursor", width: size, height: size, x: -99, y: -99 }));
  };

  Attention.views.matrix = (target, state) => {
    const panels = ["a", "b", "d"].map((side) => [side, state.stream.panel(side, state.place, state.options)]);
    const top = { a: strongest(panels.slice(0, 2).map((each) => each[1]), state.skips), d: strongest([panels[2][1]], state.skips) };
    const holder = html("div", { class: "trio" });
    const status = html("p", { class: "reading-line", role: "status" }, "Point at a cell, or use the arrow keys on a map, to read it.");
    target.replaceChildren(status, holder, html("p", { class: "note" }, "Rows look at columns."
      + (state.skips(0) ? " The column of the first word, where heads look when they look at nothing, is left empty; its numbers are in the table." : "")));
    const boxes = panels.map(([side]) => html("figure", {}, html("figcaption", {}, html("span", { class: `key ${side}` }),
      html("bdi", {}, Attention.title(side, state.pair.arms)),
      html("span", { class: "note" }, `up to ${top[side === "d" ? "d" : "a"].toFixed(2)}`))));
    holder.append(...boxes);
    const width = Math.max(220, Math.floor(boxes[0].clientWidth) || 320);
    const maps = panels.map(([side, panel], n) => {
      const map = draw(side, panel, top[side === "d" ? "d" : "a"], width, state);
      boxes[n].append(map);
      return { side, panel, map };
    });
    const read = (row, column) => {
      const values = maps.map(({ side, panel, map }) => {
        const [r, c] = [panel.rows.findIndex((unit) => unit.id === row.id), panel.columns.findIndex((unit) => unit.id === column.id)];
        const cursor = map.querySelector(".cursor");
        const { left, top: head, size } = map.dataset;
        cursor.setAttribute("x", r < 0 || c < 0 ? -99 : Number(left) + c * size);
        cursor.setAttribute("y", r < 0 || c < 0 ? -99 : Number(head) + r * size);
        const value = r < 0 || c < 0 ? null : panel.at(r, c);
        return `${side === "d" ? "difference" : state.pair.arms["ab".indexOf(side)]} ${Attention.told(side, value)}`;
      });
      status.replaceChildren(html("bdi", {}, row.text), " \u2192 ", html("bdi", {}, column.text), ": ", values.join(", "));
    };
    for (const { panel, map } of maps) {
      const cursor = { row: 0, column: 0 };
      map.addEventListener("pointermove", (event) => {
        const box = map.getBoundingClientRect();
        const scale = map.viewBox.baseVal.width / box.width;
        const { left, top: head, size } = map.dataset;
        const c = Math.floor(((event.clientX - box.left) * scale - left) / size);
        const r = Math.floor(((event.clientY - box.top) * scale - head) / size);
        if (panel.rows[r] && panel.columns[c]) { Object.assign(cursor, { row: r, column: c }); read(panel.rows[r], panel.columns[c]); }
      });
      map.addEventListener("keydown", (event) => {
        const step = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
        if (!step) return;
        event.preventDefault();
        cursor.row = Math.max(0, Math.min(panel.rows.length - 1, cursor.row + step[0]));
        cursor.column = Math.max(0, Math.min(panel.columns.length - 1, cursor.column + step[1]));
        read(panel.rows[cursor.row], panel.columns[cursor.column]);
      });
      map.addEventListener("focus", () => { if (map.matches(":focus-visible") && panel.rows.length) read(panel.rows[cursor.row], panel.columns[cursor.column]); });
    }
  };
})();
