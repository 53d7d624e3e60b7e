// Neuron view: from one token, the query, the keys, their products by dimension, the score and the softmax.
(() => {
  "use strict";
  const { svg, html } = Attention;
  const STEPS = 6;

  const strip = (values, top, label) => {
    const paths = new Map();
    values.forEach((value, at) => {
      const step = Math.min(STEPS, Math.round((STEPS * Math.abs(value)) / top));
      if (step) {
        const name = `${value < 0 ? "n" : "p"}${step}`;
        paths.set(name, `${paths.get(name) ?? ""}M${at} 0h1v1h-1z`);
      }
    });
    return svg("svg", { class: "strip", viewBox: `0 0 ${values.length} 1`, preserveAspectRatio: "none", role: "img", "aria-label": label },
      svg("rect", { class: "z0", width: values.length, height: 1 }), ...[...paths].map(([name, d]) => svg("path", { class: name, d })));
  };

  // The colour scale ends at the 98th percentile: a few dimensions are far larger than all others.
  const reach = (lists) => {
    const sizes = lists.flatMap((list) => [...list].map(Math.abs)).sort((a, b) => a - b);
    return sizes[Math.floor(0.98 * (sizes.length - 1))] || 1;
  };

  const arm = (stream, found, side, query, options, place) => {
    const { d } = found;
    const slice = (kind, at) => found[side][kind].subarray(at * d, (at + 1) * d);
    const panel = stream.panel(side, place, options);
    const row = panel.rows.findIndex((unit) => unit[side] === query);
    const own = slice("q", query);
    const lines = panel.columns.map((unit, column) => {
      const key = slice("k", unit[side]);
      const product = key.map((value, at) => value * own[at] * found.scale);
      return { unit, key, product, score: product.reduce((sum, value) => sum + value, 0), weight: panel.at(row, column) };
    });
    return { query: own, lines: stream.content.causal ? lines.filter(({ unit }) => unit[side] <= query) : lines };
  };

  const less = (one, two) => one.map((value, at) => value - two[at]);

  const difference = (a, b) => {
    const other = new Map(b.lines.map((line) => [line.unit.id, line]));
    const lines = a.lines.filter(({ unit }) => other.has(unit.id)).map((line) => {
      const two = other.get(line.unit.id);
      const text = line.unit.text === two.unit.text ? line.unit.text : `${line.unit.text} / ${two.unit.text}`;
      return {
        unit: { ...line.unit, text }, key: less(line.key, two.key), product: less(line.product, two.product),
        score: line.score - two.score, weight: line.weight - two.weight,
      };
    });
    return { query: less(a.query, b.query), lines };
  };

  const table = (shown, side, state, query) => {
    const [keys, products] = [reach([shown.query, ...shown.lines.map((line) => line.key)]), reach(shown.lines.map((line) => line.product))];
    const told = (value) => (side === "d" ? Attention.signed(value) : value < 0 ? Attention.signed(value) : Attention.number(value));
    const cell = (label, name, ...children) => html("td", { class: name, "data-label": label }, ...children);
    const widest = Math.max(0.02, ...shown.lines.map((line) => Math.abs(line.weight)));
    const bar = (value) => svg("svg", { class: "weight-bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: side === "b" || value < 0 ? "arm-b" : "arm-a", width: (100 * Math.abs(value)) / widest, height: 10 }));
    return html("table", { class: "neurons" },
      html("caption", {}, "From ", html("bdi", {}, query), ` \u2013 ${Attention.title(side, state.pair.arms)}`),
      html("thead", {}, html("tr", {}, ...["Looks at", "Key", "Query \u00d7 key", "Score", "Softmax"].map((name, n) => html("th", { scope: "col", class: n > 2 ? "num" : null }, name)))),
      html("tbody", {},
        html("tr", { class: "query" }, html("th", { scope: "row" }, "query"), cell("Query", "strips", strip(shown.query, keys, "query by dimension")), cell("", "none"), cell("", "none"), cell("", "none")),
        ...shown.lines.map((line) => html("tr", {}, html("th", { scope: "row" }, html("bdi", {}, line.unit.text)),
          cell("Key", "strips", strip(line.key, keys, `key of ${line.unit.text} by dimension`)),
          cell("Query \u00d7 key", "strips", strip(line.product, products, `products by dimension, sum ${told(line.score)}`)),
          cell("Score", "num", told(line.score)),
          cell("Softmax", "num weight", bar(line.weight), html("span", {}, told(line.weight)))))));
  };

  Attention.views.neurons = (target, state) => {
    const { stream } = state;
    if (!stream.content.vectors) {
      target.replaceChildren(html("p", { class: "empty" }, `No queries and keys were kept: ${stream.content.why}.`));
      return;
    }
    const options = { merged: false, part: null };
    const choices = stream.units("d", "q", options);
    const chosen = choices.find((unit) => unit.id === state.token) ?? choices.findLast((unit) => unit.text.includes(" / ")) ?? choices.at(-1);
    const select = html("select", {}, ...choices.map((unit) => html("option", { value: unit.id, selected: unit === chosen }, unit.text)));
    select.addEventListener("change", () => {
      state.token = select.value;
      state.draw();
      target.querySelector("select")?.focus();
    });
    const heads = stream.content.vectors.heads;
    const place = heads.find((head) => Attention.name(head) === Attention.name(state.place)) ?? heads[0];
    const asked = Attention.name(place) !== Attention.name(state.place);
    const found = stream.vectors(place);
    const [a, b] = ["a", "b"].map((side) => arm(stream, found, side, chosen[side], options, place));
    const shown = { a, b, d: difference(a, b) }[state.show];
    const tag = state.named(place);
    target.replaceChildren(
      html("div", { class: "choose" }, html("label", {}, "From the token ", select)),
      html("p", { class: "note" },
        asked ? `Queries and keys are kept of ${heads.length} heads: ${heads.map(Attention.name).join(", ")}; ${Attention.name(place)} is shown. ` : `Head ${Attention.name(place)}${tag ? ` (${tag})` : ""}, ${found.d} dimensions. `,
        "The products of a row add up to its score; the softmax over all scores is the attention.",
        state.show === "d" && stream.content.causal ? " Keys before the swapped word are the same in both texts." : "",
        found.only ? "" : " In this head more than the products enters the softmax (a position bias, a soft cap or sinks), so the two need not agree."),
      table(shown, state.show, state, state.show === "d" ? chosen.text : stream.units(state.show, "q", options).find((unit) => unit[state.show] === chosen[state.show]).text));
  };
})();
