"use strict";
// One pair, opened: both texts, what the model made of each, its strongest heads, and where the suite has it.
(() => {
  const { make, number } = page;
  const thousandth = (value) => (value === null ? null : value / 1000);

  // Both texts over each other, as the plain table shows them: one / other.
  page.swaps = (merged) => make("span", { class: "swap", dir: "auto" }, ...page.parts(merged).flatMap(({ same, a, b }) =>
    (same === undefined
      ? [make("span", { class: "a" }, a), make("span", { class: "muted" }, " / "), make("span", { class: "b" }, b)]
      : [same])));

  // One of the two texts, with what the other lacks marked.
  const side = (merged, arm) => page.parts(merged).map((part) =>
    (part.same === undefined ? (part[arm] ? make("mark", {}, part[arm]) : null) : part.same)).filter(Boolean);

  const said = (title, merged, arms) => [
    make("h4", {}, title),
    ...["a", "b"].flatMap((arm) => {
      const text = side(merged, arm);
      return [
        make("p", { class: "note" }, make("span", { class: `key ${arm}` }), make("bdi", {}, arms[arm])),
        make("p", { class: `said ${arm}`, dir: "auto" }, ...(text.length ? text : [make("span", { class: "muted" }, "(nothing)")])),
      ];
    }),
  ];

  const table = (label, heads, rows) => make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    make("table", { class: "stack" }, make("caption", {}, label),
      make("thead", {}, make("tr", {}, ...heads.map((head, n) => make("th", { scope: "col", class: n ? "num" : null }, head)))),
      make("tbody", {}, ...rows)));

  const figures = (rows, at, arms) => {
    const known = rows.data.values.filter(({ sides }) => sides[0][at] !== null && sides[1][at] !== null);
    if (!known.length) return null;
    const cell = (label, value, signed) => make("td", { class: "num third", "data-label": label }, number(thousandth(value), 3, signed));
    return table("What it finds likely", ["Measure", arms.a, arms.b, "Difference"], known.map(({ name, unit, sides }) =>
      make("tr", {}, make("th", { scope: "row" }, name, unit === "nats" ? make("span", { class: "note" }, "in nats") : null),
        cell(arms.a, sides[0][at], true), cell(arms.b, sides[1][at], true), cell("Difference", rows.difference(sides, at), true))));
  };

  const heads = (rows, at, arms) => {
    const found = rows.data.heads[at] ?? [];
    if (!found.length) return null;
    const place = (name) => `head-${page.slug([rows.name("suite", at), arms.a, arms.b].join("-"))}-${name}`;
    const named = (name) => (page.byId(place(name)) ? make("a", { href: `#${place(name)}` }, name) : name);
    return table("Heads whose look shifts most", ["Head", "Signed bias", "Causal effect, nats"], found.map(([name, bias, nie]) =>
      make("tr", {}, make("th", { scope: "row", class: "third" }, named(name)),
        make("td", { class: "num third", "data-label": "Signed bias" }, number(thousandth(bias), 3, true)),
        make("td", { class: "num third", "data-label": "Causal effect, nats" }, nie === null ? "not computed" : number(thousandth(nie), 3, true)))));
  };

  const facts = (rows, at) => {
    const line = rows.data.line[at];
    const file = rows.name("file", at);
    const completions = [rows.name("completion_1", at), rows.name("completion_2", at)];
    const entries = [
      ["Pair", `${rows.name("suite", at)} · ${rows.data.id[at]}`],
      ["Written in", file ? `${file}${line === null ? "" : `:${line}`}` : null],
      ["Template, item", [rows.name("cluster", at), rows.name("item", at)].filter(Boolean).join(", ")],
      ["Kind", rows.kinds(at)],
      ["Compared answers", completions[0] && completions[1] ? `“${completions[0].trim()}” against “${completions[1].trim()}”` : null],
      ["Total effect", rows.data.effect[at] === null ? "not measured" : `${number(thousandth(rows.data.effect[at]), 3, true)} nats`],
      ["Status", [rows.name("status", at), rows.name("reason", at)].filter(Boolean).join(": ")],
    ];
    return make("dl", { class: "pairs" }, ...entries.filter(([, value]) => value).flatMap(([term, value]) =>
      [make("dt", {}, term), make("dd", {}, make("bdi", {}, value))]));
  };

  page.pairDetail = (rows, at) => {
    const arms = { a: rows.name("arm_a", at), b: rows.name("arm_b", at) };
    const card = page.byId(rows.anchor(at));
    const texts = [["The two texts", rows.data.prompt[at]],
      ...rows.data.texts.map(({ name, merged }) => [name, merged[at]])].filter(([, merged]) => merged !== null);
    return make("div", { class: "opened" },
      card?.matches("details.pair") ? make("p", {}, make("a", { href: `#${card.id}` }, "Its attention, word by word")) : null,
      make("div", { class: "split" },
        make("div", {}, ...texts.flatMap(([title, merged]) => said(title, merged, arms))),
        make("div", {}, facts(rows, at), figures(rows, at, arms), heads(rows, at, arms))));
  };
})();
