// The section of whole attention: which pair, stream, heads and view; the views themselves draw.
(() => {
  "use strict";
  const { html } = Attention;
  const section = document.getElementById("attention");
  const explorer = section?.querySelector(".explorer");
  if (!explorer) return;
  const one = (selector) => explorer.querySelector(selector);
  const all = (selector) => [...explorer.querySelectorAll(selector)];
  const sources = [...section.querySelectorAll("script[type='application/json']")];
  const COLOURS = 8;
  const SHOWS_ONE = ["grid", "neurons"];
  const STREAMS = { self: "Self-attention", encoder: "Encoder", decoder: "Decoder", cross: "Cross-attention" };
  const pairs = [];
  const panel = one("[role=tabpanel]");

  const state = {
    pair: null, stream: null, heads: [], place: null, view: "lines", show: "d", merged: true, first: false,
    part: null, pinned: null, token: null,
    get options() { return { merged: this.merged, part: this.part }; },
    // Heads of a decoder look at the first word when they look at nothing.
    skips: (column) => column === 0 && state.stream.content.causal && !state.first,
    named: (place) => state.stream.content.named.find(([layer, head]) => layer === place[0] && head === place[1])?.[2],
    colour: (place) => Math.max(0, state.offered.findIndex((head) => Attention.name(head) === Attention.name(place))) % COLOURS,
    open: (place) => { include(place); state.heads = [place]; state.place = place; choose("lines"); one(".tabs [aria-selected=true]").focus(); },
    draw: () => draw(),
    tell: (unit) => tell(unit),
    offered: [],
  };

  // Numbers of one word: of every chosen head the words that matter most to it.
  const tell = (unit) => {
    const holder = one(".numbers");
    if (state.view !== "lines" && state.view !== "matrix") { holder.replaceChildren(); return; }
    const heads = state.view === "lines" ? state.heads : [state.place];
    const panels = heads.map((place) => ["a", "b", "d"].map((side) => state.stream.panel(side, place, state.options)));
    const { rows, columns } = panels[0][2];
    const shown = unit ?? { end: "q", id: (rows.findLast((row) => row.text.includes(" / ")) ?? rows.at(-1))?.id };
    const from = shown.end === "q";
    const name = [...panels[0]].reverse().flatMap((each) => (from ? each.rows : each.columns)).find((each) => each.id === shown.id);
    if (!name) { holder.replaceChildren(); return; }
    const value = (each, id) => {
      const [r, c] = [each.rows.findIndex((row) => row.id === (from ? shown.id : id)), each.columns.findIndex((column) => column.id === (from ? id : shown.id))];
      return r < 0 || c < 0 ? null : each.at(r, c);
    };
    const several = heads.length > 1;
    const lines = panels.flatMap(([a, b, d], n) => {
      const others = new Map([a, b, d].flatMap((each) => (from ? each.columns : each.rows)).map((each) => [each.id, each.text]));
      const found = [...others].map(([id, text]) => ({ place: heads[n], text, values: [value(a, id), value(b, id), value(d, id)] }));
      return state.view === "matrix" ? found
        : found.filter(({ values }) => values.some((v) => Math.abs(v ?? 0) >= 0.02)).sort((x, y) => Math.max(...y.values.slice(0, 2)) - Math.max(...x.values.slice(0, 2))).slice(0, several ? 5 : 8);
    });
    const titles = [...(several ? ["Head"] : []), from ? "Looks at" : "Seen from", ...state.pair.arms, "Difference"];
    holder.replaceChildren(html("table", {},
      html("caption", {}, from ? "From " : "To ", html("bdi", {}, name.text)),
      html("thead", {}, html("tr", {}, ...titles.map((title, n) => html("th", { scope: "col", class: n >= titles.length - 3 ? "num" : null }, html("bdi", {}, title))))),
      html("tbody", {}, ...lines.map(({ place, text, values }) => html("tr", {},
        ...(several ? [html("td", { "data-label": "Head" }, html("span", { class: `key h${state.colour(place)}` }), Attention.name(place))] : []),
        html("th", { scope: "row" }, html("bdi", {}, text)),
        ...values.map((each, n) => html("td", { class: "num", "data-label": titles.at(n - 3) }, Attention.told("abd"[n], each))))))));
  };

  const draw = () => {
    for (const chip of all(".chips button")) {
      const place = chip.dataset.place.split("-").map(Number);
      const on = (state.view === "lines" ? state.heads : [state.place]).some((head) => Attention.name(head) === chip.dataset.place);
      chip.setAttribute("aria-pressed", on);
      chip.querySelector(".key").className = `key h${state.colour(place)}`;
      chip.querySelector(".key").hidden = !(state.view === "lines" && on && state.heads.length > 1);
    }
    one(".heads-bar").hidden = state.view === "grid";
    one(".show").hidden = !SHOWS_ONE.includes(state.view);
    one(".first").parentElement.hidden = state.view === "neurons" || !state.stream.content.causal;
    one(".merge").parentElement.hidden = state.view === "neurons" || !state.stream.hasPieces;
    one(".parts").parentElement.hidden = state.view === "neurons" || !state.stream.hasParts;
    Attention.views[state.view](panel, state);
    one(".from").hidden = state.view !== "matrix";
    if (state.view !== "lines") tell(state.view === "matrix" ? state.pinned : null);
    if (state.view === "matrix") fillFrom();
  };

  const fillFrom = () => {
    const rows = state.stream.units("d", "q", state.options);
    const chosen = rows.find((row) => row.id === state.pinned?.id && state.pinned.end === "q") ?? rows.findLast((row) => row.text.includes(" / ")) ?? rows.at(-1);
    one(".from select").replaceChildren(...rows.map((row) => html("option", { value: row.id, selected: row === chosen }, row.text)));
  };

  const toggle = (place) => {
    const name = Attention.name(place);
    const others = state.heads.filter((head) => Attention.name(head) !== name);
    if (state.view !== "lines") state.heads = [place];
    else if (others.length === state.heads.length) state.heads = [...others, place].slice(-COLOURS);
    else if (others.length) state.heads = others;
    state.place = state.heads.at(-1);
    draw();
  };

  const include = (place) => {
    if (state.offered.some((head) => Attention.name(head) === Attention.name(place))) return;
    state.offered.push(place);
    one(".chips").append(html("button", { type: "button", "data-place": Attention.name(place), tabindex: -1 }, html("span", { class: "key" }), Attention.name(place)));
  };

  const offer = () => {
    const { named, vectors, layers, heads } = state.stream.content;
    const wanted = [...named.map(([layer, head]) => [layer, head]), ...(vectors?.heads ?? [])];
    state.offered = wanted.filter((place, n) => state.stream.has(place) && wanted.findIndex((other) => Attention.name(other) === Attention.name(place)) === n);
    one(".chips").replaceChildren(...state.offered.map((place, n) => html("button", {
      type: "button", "data-place": Attention.name(place), tabindex: n ? -1 : 0, "aria-pressed": "false",
    }, html("span", { class: "key" }), `${Attention.name(place)} ${state.named(place) ?? ""}`)));
    const complete = state.stream.places.size > state.offered.length;
    one(".other").hidden = !complete;
    const numbers = (count, keep) => [...Array(count).keys()].filter(keep).map((n) => html("option", { value: n }, String(n)));
    one(".layer").replaceChildren(...numbers(layers, (layer) => state.stream.has([layer, 0])));
    one(".head-number").replaceChildren(...numbers(heads, () => true));
    state.heads = [state.offered[0]];
    [state.place, state.pinned, state.token, state.part] = [state.offered[0], null, null, null];
    one(".parts").value = "";
  };

  const chooseStream = (number) => { state.stream = state.pair.streams[number]; offer(); draw(); };
  const choosePair = (number) => {
    state.pair = (pairs[number] ??= Attention.read(sources[number].textContent));
    one(".partial").hidden = !("partial" in sources[number].dataset);
    const { streams, arms } = state.pair;
    one(".stream").replaceChildren(...streams.map((stream, n) => html("option", { value: n }, STREAMS[stream.content.name])));
    one(".stream").parentElement.hidden = streams.length < 2;
    for (const [side, text] of [["a", arms[0]], ["b", arms[1]]]) one(`.show [value=${side}] + span`).textContent = text;
    chooseStream(0);
  };
  const choose = (view) => {
    state.view = view;
    for (const tab of all("[role=tab]")) {
      const on = tab.dataset.view === view;
      tab.setAttribute("aria-selected", on);
      tab.tabIndex = on ? 0 : -1;
      if (on) panel.setAttribute("aria-labelledby", tab.id);
    }
    draw();
  };

  // Arrow keys walk through a row of buttons.
  const walk = (selector, then = () => {}) => (event) => {
    const buttons = all(selector);
    const at = buttons.indexOf(event.target.closest("button"));
    const next = { ArrowRight: buttons[at + 1], ArrowLeft: buttons[at - 1], Home: buttons[0], End: buttons.at(-1) }[event.key];
    if (at < 0 || !next) return;
    event.preventDefault();
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
    then(next);
  };
  one(".tabs").addEventListener("keydown", walk("[role=tab]", (tab) => choose(tab.dataset.view)));
  one(".tabs").addEventListener("click", (event) => { const tab = event.target.closest("[role=tab]"); if (tab) choose(tab.dataset.view); });
  one(".chips").addEventListener("keydown", walk(".chips button"));
  one(".chips").addEventListener("click", (event) => {
    const chip = event.target.closest("button");
    if (chip) toggle(chip.dataset.place.split("-").map(Number));
  });
  one(".add").addEventListener("click", () => {
    const place = [Number(one(".layer").value), Number(one(".head-number").value)];
    include(place);
    if (!state.heads.some((head) => Attention.name(head) === Attention.name(place))) toggle(place);
  });
  one(".pair-choice").addEventListener("change", (event) => choosePair(Number(event.target.value)));
  one(".stream").addEventListener("change", (event) => chooseStream(Number(event.target.value)));
  one(".parts").addEventListener("change", (event) => { state.part = event.target.value || null; state.pinned = null; draw(); });
  one(".merge").addEventListener("change", (event) => { state.merged = event.target.checked; state.pinned = null; draw(); });
  one(".first").addEventListener("change", (event) => { state.first = event.target.checked; draw(); });
  one(".show").addEventListener("change", (event) => { state.show = event.target.value; draw(); });
  one(".from select").addEventListener("change", (event) => { state.pinned = { end: "q", id: event.target.value }; tell(state.pinned); });
  for (const link of document.querySelectorAll("[data-explore]")) {
    link.addEventListener("click", () => {
      const number = sources.findIndex((source) => source.dataset.pair === link.dataset.explore);
      one(".pair-choice").value = number;
      choosePair(number);
    });
  }
  let width = 0;
  new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - width) < 2) return;
    width = entry.contentRect.width;
    if (state.pair && state.view !== "grid") draw();
  }).observe(panel);
  explorer.hidden = false;
  section.querySelector(".drawn").hidden = true;
  choosePair(0);
})();
