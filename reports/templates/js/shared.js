"use strict";
// What the other scripts share.
const page = {
  MINUS: "\u2212",
  all: (selector, within = document) => [...within.querySelectorAll(selector)],
  byId: (id) => document.getElementById(id),
  // An element with attributes and children; text is never read as markup.
  make: (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) element.setAttribute(name, "");
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  },
  number: (value, digits = 3, signed = false) => {
    if (value === null || value === undefined) return "\u2013";
    const text = Math.abs(value).toFixed(digits);
    return (/[1-9]/.test(text) ? (value < 0 ? page.MINUS : signed ? "+" : "") : "") + text;
  },
  // At once: what comes into view on a smooth way there would draw itself, and move the goal.
  scrollTo: (element) => element?.scrollIntoView({ behavior: "instant" }),
  // What the address asks for: an anchor, and settings behind a question mark.
  address: () => {
    const [anchor, query] = location.hash.slice(1).split(/\?(.*)/s);
    let name = anchor;
    try { name = decodeURIComponent(anchor); } catch { /* not ours */ }
    return { name, settings: new URLSearchParams(query ?? "") };
  },
  // Called with the address when it changes; the first that takes it ends the round.
  routes: [],
  go: () => {
    const address = page.address();
    for (const route of page.routes) if (route(address)) return;
  },
};
