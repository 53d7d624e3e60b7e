"use strict";
// The table of all pairs: filters, search, sort, pages and the opened pair, all kept in the address.
(() => {
  const PAGE = 25;
  const KEPT = ["q", "suite", "axis", "kind", "template", "arm", "status", "sort", "page", "open"];
  const browser = page.byId("pair-browser");
  if (!browser || !page.canUnpack) return;
  const { make, number } = page;
  const body = browser.querySelector("tbody");
  const told = browser.querySelector("[role=status]");
  const form = browser.querySelector("form");
  let rows = null;
  let state = {};

  const link = (settings) => {
    const query = new URLSearchParams(KEPT.filter((name) => settings[name]).map((name) => [name, settings[name]]));
    return `#pairs${query.size ? `?${query}` : ""}`;
  };
  // Typing replaces the entry of the history; every other step makes one.
  const move = (changes, replace = false) => {
    state = { ...state, ...changes };
    history[replace ? "replaceState" : "pushState"](null, "", link(state));
    draw();
  };

  const field = (name, title, options) => {
    const select = make("select", { name, id: `pairs-${name}` }, ...options.map(([value, text]) => make("option", { value }, text)));
    select.addEventListener("change", () => move({ [name]: select.value, page: "", open: "" }));
    return make("label", { for: `pairs-${name}` }, title, select);
  };
  const prepare = () => {
    for (const [name, { title }] of Object.entries(rows.filters)) {
      const choices = rows.choices(name);
      if (choices.length > 1) form.append(field(name, title, [["", "all"], ...choices.map((value) => [value, value === "treatment" ? "under test" : value])]));
    }
    const sorts = Object.entries(rows.sorts).flatMap(([key, { title }]) =>
      [[`~${key}`, `${title}, either way`], [`-${key}`, `${title}, highest first`], [key, `${title}, lowest first`]]);
    form.append(field("sort", "Sorted by", [["", "order of the suite"], ...sorts]));
    const search = form.elements.namedItem("q");
    search.addEventListener("input", () => move({ q: search.value, page: "", open: "" }, true));
    form.addEventListener("submit", (event) => event.preventDefault());
    browser.querySelector(".by-effect").addEventListener("click", () =>
      move({ sort: state.sort === "-te" ? "te" : "-te", page: "", open: "" }));
    for (const [step, button] of [[-1, ".before"], [1, ".after"]]) {
      browser.querySelector(button).addEventListener("click", () => {
        move({ page: String(Number(state.page || 1) + step), open: "" });
        page.scrollTo(browser);
      });
    }
    browser.querySelector(".anew").addEventListener("click", () =>
      move(Object.fromEntries(KEPT.map((name) => [name, ""]))));
  };

  const row = (at) => {
    const open = rows.key(at) === state.open;
    const button = make("button", { type: "button", class: "open", "data-key": rows.key(at), "aria-expanded": String(open) }, page.swaps(rows.data.prompt[at] ?? rows.data.id[at]));
    button.addEventListener("click", () => move({ open: open ? "" : rows.key(at) }));
    const effect = rows.data.effect[at];
    const status = rows.name("status", at);
    const main = make("tr", { id: open ? "open-pair" : null },
      make("th", { scope: "row" }, button, make("span", { class: "note" }, make("bdi", {}, `${rows.name("suite", at)} · ${rows.name("cluster", at) ?? rows.data.id[at]}`))),
      make("td", { class: "third", "data-label": "Kind" }, make("bdi", {}, rows.kinds(at))),
      make("td", { class: "num third", "data-label": "Total effect" }, number(effect === null ? null : effect / 1000, 3, true)),
      make("td", { class: status === "measured" ? "third" : "third warn", "data-label": "Status" }, status));
    return open ? [main, make("tr", { class: "detail" }, make("td", { colspan: 4 }, page.pairDetail(rows, at)))] : [main];
  };

  const draw = () => {
    const chosen = rows.chosen(state);
    const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
    const asked = state.open ? chosen.indexOf(rows.byKey(state.open)) : -1;
    const wanted = asked >= 0 ? 1 + Math.floor(asked / PAGE) : Number(state.page) || 1;
    const now = Math.min(Math.max(1, wanted), pages);
    state.page = now > 1 ? String(now) : "";
    const from = (now - 1) * PAGE;
    const shown = chosen.slice(from, from + PAGE);
    const focused = body.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    body.replaceChildren(...shown.flatMap(row));
    if (focused) page.all("button.open", body).find((button) => button.dataset.key === focused)?.focus({ preventScroll: true });
    const count = (value) => value.toLocaleString("en");
    told.textContent = chosen.length
      ? `${count(from + 1)}\u2013${count(from + shown.length)} of ${count(chosen.length)} pairs${chosen.length < rows.size ? `, of ${count(rows.size)} in all` : ""}`
      : "No pair fits. ";
    browser.querySelector(".before").disabled = now === 1;
    browser.querySelector(".after").disabled = now === pages;
    browser.querySelector(".anew").hidden = KEPT.every((name) => !state[name]);
    const sorted = { "-te": "descending", te: "ascending" }[state.sort];
    const heading = browser.querySelector(".by-effect").closest("th");
    if (sorted) heading.setAttribute("aria-sort", sorted);
    else heading.removeAttribute("aria-sort");
    for (const name of KEPT) {
      const input = form.elements.namedItem(name);
      if (input && input.value !== (state[name] ?? "")) input.value = state[name] ?? "";
    }
  };

  const show = (settings) => {
    state = settings;
    draw();
    page.scrollTo(page.byId("open-pair") ?? browser);
  };
  document.documentElement.classList.add("live-pairs");
  page.pairsReady = page.unpack("pair-data").then((data) => {
    rows = page.pairRows(data);
    prepare();
    draw();
    browser.hidden = false;
  }).catch((error) => {
    document.documentElement.classList.remove("live-pairs");
    throw error;
  });
  page.routes.push(({ name, settings }) => {
    if (name !== "pairs") return false;
    page.pairsReady.then(() => show(Object.fromEntries(settings)));
    return true;
  });
  // An anchor of a pair that has no card of its own opens it in the table.
  page.routes.push(({ name }) => {
    if (!name.startsWith("pair-") || page.byId(name)?.matches("details.pair")) return false;
    page.pairsReady.then(() => {
      const at = rows.byAnchor(name);
      if (at >= 0) show({ open: rows.key(at) });
    });
    return true;
  });
})();
