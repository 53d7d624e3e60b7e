"use strict";
// The page of one head: its estimates, what they come to, and the pairs in which its look shifts most.
(() => {
  const panel = page.byId("head-page");
  if (!panel || !page.canUnpack) return;
  const { make } = page;
  let origin = null;

  const estimates = (rows) => make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Estimates of this head" },
    make("table", { class: "stack" }, make("caption", { class: "sr" }, "Estimates of this head"),
      make("thead", {}, make("tr", {}, ...["Measure", "Estimate", "Interval", "p", "Adjusted p", "Pairs"].map((name, n) =>
        make("th", { scope: "col", class: n && n !== 2 ? "num" : null }, name)))),
      make("tbody", {}, ...rows.map(([name, value, interval, level, p, adjusted, n, reason]) => make("tr", {},
        make("th", { scope: "row" }, name, reason ? make("span", { class: "note" }, reason) : null),
        make("td", { class: "num third", "data-label": "Estimate" }, make("strong", {}, value)),
        make("td", { class: "rest short", "data-label": "Interval" }, interval, level ? make("span", { class: "level" }, `at ${level}`) : null),
        make("td", { class: "num third", "data-label": "p" }, p),
        make("td", { class: "num third", "data-label": "Adjusted p" }, adjusted),
        make("td", { class: "num third", "data-label": "Pairs" }, n))))));

  const pairs = (found) => (found.length
    ? [make("h4", {}, "Pairs in which its look shifts most"), make("ul", {}, ...found.map(([anchor, merged, bias]) =>
      make("li", {}, make("a", { href: `#${anchor}` }, page.swaps(merged)), ` signed bias ${bias}`)))]
    : [make("p", { class: "note" }, "The folder holds no signed bias of this head pair by pair.")]);

  const show = (group, head) => {
    const title = make("h3", { id: "head-page-title", tabindex: -1 }, `Head ${head.name}`, make("span", { class: "muted" }, ` · ${group.title}`));
    const close = make("button", { type: "button" }, "Close");
    close.addEventListener("click", () => {
      panel.hidden = true;
      history.pushState(null, "", "#heads");
      (origin?.isConnected ? origin : page.byId("heads")).focus?.();
    });
    panel.replaceChildren(make("div", { class: "head-line" }, title, close),
      make("p", {}, make("span", { class: `tag ${head.label}` }, head.label), ` ${head.sense}.`),
      ...(head.habit ? [make("p", { class: "note" }, "Habit on neutral text: ", head.habit)] : []),
      ...(head.reasons.length ? [make("ul", {}, ...head.reasons.map((reason) => make("li", {}, reason)))] : []),
      estimates(head.estimates), ...pairs(head.pairs));
    panel.hidden = false;
    page.scrollTo(panel);
    title.focus({ preventScroll: true });
  };

  page.routes.push(({ name }) => {
    if (!name.startsWith("head-") || name === "head-page") {
      panel.hidden = true;
      return false;
    }
    origin = document.activeElement;
    page.unpack("head-data").then((groups) => {
      const group = groups.find(({ prefix, heads }) => name.startsWith(prefix) && heads[name.slice(prefix.length)]);
      if (group) show(group, group.heads[name.slice(group.prefix.length)]);
    });
    return true;
  });
})();
