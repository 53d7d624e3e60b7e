"use strict";
// The pairs of the page as rows: read from columns (reports/pair_columns.py), filtered, sorted.
(() => {
  const [OPEN, BETWEEN, CLOSE] = ["\u0001", "\u0002", "\u0003"];
  const PARTS = /([^\u0001]+)|\u0001([^\u0002]*)\u0002([^\u0003]*)\u0003/g;
  const slug = (text) => text.replace(/[^\p{L}\p{N}_.-]+/gu, "-");

  // Two texts laid over each other → what is common, or what stands there in each.
  page.parts = (merged) => [...merged.matchAll(PARTS)].map(([, same, a, b]) => (same === undefined ? { a, b } : { same }));
  page.slug = slug;

  page.pairRows = (data) => {
    const name = (column, at) => {
      const [names, codes] = data.names[column];
      return codes[at] < 0 ? null : names[codes[at]];
    };
    const often = new Map();
    for (const id of data.id) often.set(id, (often.get(id) ?? 0) + 1);
    const key = (at) => (often.get(data.id[at]) > 1 ? `${name("suite", at)}/${data.id[at]}` : data.id[at]);
    const anchor = (at) => `pair-${slug(`${name("suite", at)}-${data.id[at]}`)}`;
    const indexed = (of) => {
      let index = null;
      return (wanted) => {
        index ??= new Map(data.id.map((_, at) => [of(at), at]));
        return index.get(wanted) ?? -1;
      };
    };
    let words = null;
    const searched = (at) => {
      words ??= data.id.map((id, i) => [id, data.prompt[i], ...data.texts.map((text) => text.merged[i])]
        .filter(Boolean).join("\n").replace(/[\u0001-\u0003]/g, " ").toLowerCase());
      return words[at];
    };
    const kinds = (at) => (name("kind", at) === "control" ? `control: ${name("control", at) ?? "unnamed"}` : "under test");
    // What can be filtered: the setting in the address → the values of a pair.
    const filters = {
      suite: { title: "Suite", of: (at) => [name("suite", at)] },
      axis: { title: "Attribute", of: (at) => [name("axis", at)] },
      kind: { title: "Kind", of: (at) => (name("kind", at) === "control" ? ["control", kinds(at)] : [name("kind", at)]) },
      template: { title: "Template", of: (at) => [name("cluster", at)] },
      arm: { title: "Arm", of: (at) => [name("arm_a", at), name("arm_b", at)] },
      status: { title: "Status", of: (at) => [name("status", at)] },
    };
    const every = data.id.map((_, at) => at);
    const choices = (filter) => [...new Set(every.flatMap(filters[filter].of))].filter((value) => value !== null);
    const difference = (sides, at) => (sides[0][at] === null || sides[1][at] === null ? null : sides[0][at] - sides[1][at]);
    // What can be sorted by: the setting in the address → a number; undefined ones come last either way.
    const sorts = { te: { title: "Total effect", of: (at) => data.effect[at] } };
    data.values.forEach((value, number) => {
      sorts[`m${number}`] = { title: `${value.name}, difference`, of: (at) => difference(value.sides, at) };
    });
    const ordered = (rows, by) => {
      const down = by.startsWith("-");
      const size = by.startsWith("~");
      const sort = sorts[by.replace(/^[-~]/, "")];
      if (!sort) return rows;
      const value = (at) => (size && sort.of(at) !== null ? -Math.abs(sort.of(at)) : sort.of(at));
      const sign = down ? -1 : 1;
      return rows.map((at) => [value(at), at]).sort(([a, i], [b, j]) =>
        (a === null || b === null ? (a === null) - (b === null) : sign * (a - b)) || i - j).map(([, at]) => at);
    };
    const chosen = (settings) => {
      const asked = (settings.q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
      const set = Object.keys(filters).filter((filter) => settings[filter]);
      const rows = every.filter((at) => set.every((filter) => filters[filter].of(at).includes(settings[filter])) &&
        asked.every((word) => searched(at).includes(word)));
      return ordered(rows, settings.sort ?? "");
    };
    return {
      data, name, key, anchor, filters, choices, sorts, chosen, kinds, difference,
      byKey: indexed(key), byAnchor: indexed(anchor), size: data.size, marks: { OPEN, BETWEEN, CLOSE },
    };
  };
})();
