"use strict";
// The head map: one measure at a time, walked by arrow keys; Enter or a click opens the head's page.
(() => {
  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity] };
  for (const holder of page.all(".chart.head-map-chart")) {
    const told = holder.querySelector("[role=status]");
    const legends = page.all(".map-legend", holder);
    let plot = null;
    let at = null;
    const cell = () => {
      const { text, customdata, z } = plot.data[0];
      return { title: text[at[0]][at[1]], anchor: customdata[at[0]][at[1]], rows: z.length, heads: z[0].length };
    };
    const choose = (layer, head) => {
      at = [layer, head];
      const [own] = [plot.layout.shapes?.filter((shape) => shape.name !== "chosen") ?? []];
      const ink = getComputedStyle(holder).color;
      const box = { type: "rect", name: "chosen", x0: head - 0.5, x1: head + 0.5, y0: layer - 0.5, y1: layer + 0.5, line: { color: ink, width: 3, dash: "dot" } };
      window.Plotly.relayout(plot, { shapes: [...own, box] });
      told.textContent = cell().title;
    };
    const turn = () => { for (const legend of legends) legend.hidden = legend.dataset.view !== holder.dataset.view; };
    holder.addEventListener("drawn", ({ detail }) => {
      plot = detail.plot;
      plot.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && at) {
          if (cell().anchor) location.hash = cell().anchor;
          event.preventDefault();
        }
        const step = STEPS[event.key];
        if (!step) return;
        event.preventDefault();
        const { rows, heads } = at ? cell() : { rows: plot.data[0].z.length, heads: plot.data[0].z[0].length };
        const within = (value, most) => Math.max(0, Math.min(most - 1, value));
        if (at) choose(within(at[0] + step[0], rows), within(at[1] + step[1], heads));
        else choose(0, 0);
      });
    });
    holder.addEventListener("redrawn", () => {
      turn();
      if (at) choose(...at);
    });
    const select = holder.querySelector("select");
    holder.querySelector(".choose").hidden = false;
    turn();
    select.addEventListener("change", () => {
      holder.dataset.view = select.value;
      page.draw(holder);
    });
  }
})();
