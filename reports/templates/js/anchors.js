"use strict";
// The address: what no other script takes is an anchor, and a closed part that holds it opens. Print shows everything.
(() => {
  page.routes.push(({ name }) => {
    const target = name ? page.byId(name) : null;
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    page.scrollTo(target);
    return target !== null;
  });
  // Still pictures that a chart draws again begin closed.
  if (page.canUnpack && page.byId("plotly-source")) for (const part of page.all("details[data-closes]")) part.open = false;
  addEventListener("hashchange", page.go);
  const start = () => { if (location.hash) page.go(); };
  start();
  // The table of pairs takes another height than the still one had.
  page.pairsReady?.then(start);
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = page.all("details:not([open])");
    for (const part of closed) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of closed) part.open = false; });
})();
