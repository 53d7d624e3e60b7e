"use strict";
// Charts: drawn by Plotly when they come into view, in the colours of the theme; until then the still picture stands.
(() => {
  const source = page.byId("plotly-source");
  const holders = page.all(".chart");
  if (!source || !page.canUnpack) return;
  const palette = JSON.parse(page.byId("palette").textContent);
  const settings = { displayModeBar: false, responsive: true, doubleClick: "reset" };
  let started = false;
  // A megabyte of script that only a reader who comes this far has to wait for.
  const start = () => {
    if (started) return;
    started = true;
    document.head.append(page.make("script", {}, source.textContent));
  };
  // Every colour of the light theme that has a name gets the value that the name has now.
  const themed = (value, colours) => {
    if (typeof value === "string") return colours.get(value) ?? value;
    if (Array.isArray(value)) return value.map((part) => themed(part, colours));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, themed(part, colours)]));
  };
  page.themed = (figure) => {
    const style = getComputedStyle(document.documentElement);
    return themed(figure, new Map(Object.entries(palette).map(([colour, name]) => [colour, style.getPropertyValue(name).trim()])));
  };
  const drawn = new Set();
  // A chart hands over its figure, again after each change of theme; `after` adds what it answers to.
  const draw = async (holder) => {
    const figures = await page.unpack(holder.dataset.figure);
    const key = holder.dataset.view ?? Object.keys(figures)[0];
    const { data, layout } = page.themed(figures[key]);
    start();
    const plot = holder.querySelector(".plot");
    plot.hidden = false;
    await window.Plotly.react(plot, data, layout, settings);
    holder.classList.add("live");
    if (!drawn.has(holder)) {
      drawn.add(holder);
      holder.dispatchEvent(new CustomEvent("drawn", { detail: { plot, figures } }));
    }
    holder.dispatchEvent(new CustomEvent("redrawn", { detail: { plot, key } }));
  };
  page.draw = draw;
  const watch = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "300px" });
  for (const holder of holders) watch.observe(holder);
  const again = () => { for (const holder of drawn) draw(holder); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });

  // A point of a chart that stands for a head leads to its page.
  for (const holder of holders) {
    holder.addEventListener("drawn", ({ detail: { plot } }) => {
      plot.on("plotly_click", ({ points: [point] }) => {
        const anchor = Array.isArray(point.customdata) ? point.customdata[0] : point.customdata;
        if (typeof anchor === "string" && anchor.startsWith("head-")) location.hash = anchor;
      });
    });
  }
})();
