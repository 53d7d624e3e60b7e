// Whole attention of a pair, unpacked: tokens, matrices of both texts and their difference, queries and keys.
const Attention = { views: {} };
(() => {
  "use strict";
  const MINUS = "\u2212";
  const fill = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children);
    return node;
  };
  Attention.html = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
  Attention.svg = (name, attributes = {}, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
  Attention.number = (value, digits = 2) => (value === null ? "\u2013" : Math.abs(value).toFixed(digits));
  Attention.signed = (value, digits = 2) => {
    if (value === null) return "\u2013";
    const text = Math.abs(value).toFixed(digits);
    return (/[1-9]/.test(text) ? (value < 0 ? MINUS : "+") : "") + text;
  };
  Attention.told = (side, value) => (side === "d" ? Attention.signed(value) : Attention.number(value));
  Attention.name = (place) => place.join("-");

  const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

  // Weights were packed as 255 times their root, so that small ones stay exact; see reports/packed_attention.py.
  const WEIGHTS = Float32Array.from({ length: 256 }, (_, code) => (code / 255) ** 2);

  class Stream {
    constructor(content) {
      this.content = content;
      this.places = new Map();
      const { kept, layers, heads, absent } = content;
      const all = kept ?? [...Array(layers).keys()].filter((layer) => !absent.includes(layer))
        .flatMap((layer) => [...Array(heads).keys()].map((head) => [layer, head]));
      all.forEach((place, at) => this.places.set(Attention.name(place), at));
      this.codes = {};
    }

    has(place) { return this.places.has(Attention.name(place)); }

    line(side, end) { return this.content[side][end] ?? this.content[side].q; }

    get hasPieces() {
      return ["a", "b"].some((side) => ["q", "k"].some((end) => this.line(side, end).t.length !== this.line(side, end).w.length));
    }

    get hasParts() { return Boolean(this.line("a", "q").p && this.line("a", "k").p); }

    // [query tokens × key tokens] of one head in one text.
    tokens(side, place) {
      const [rows, columns] = ["q", "k"].map((end) => this.line(side, end).t.length);
      const codes = (this.codes[side] ??= bytes(this.content[side].w));
      const size = this.content.causal ? (rows * (rows + 1)) / 2 : rows * columns;
      let at = this.places.get(Attention.name(place)) * size;
      const values = new Float32Array(rows * columns);
      for (let row = 0; row < rows; row += 1) {
        const end = this.content.causal ? row + 1 : columns;
        for (let column = 0; column < end; column += 1) values[row * columns + column] = WEIGHTS[codes[at++]];
      }
      return { values, columns };
    }

    // The same over words: keys are summed, queries averaged.
    words(side, place) {
      const { values, columns } = this.tokens(side, place);
      const [from, to] = ["q", "k"].map((end) => this.line(side, end));
      const width = to.w.length;
      const counts = from.w.map(() => 0);
      for (const word of from.of) counts[word] += 1;
      const pooled = new Float32Array(from.w.length * width);
      from.of.forEach((word, row) => to.of.forEach((other, column) => {
        pooled[word * width + other] += values[row * columns + column] / counts[word];
      }));
      return { values: pooled, columns: width };
    }

    // What stands along one side of a matrix: of text a or b its words or tokens, of the difference those that match.
    units(side, end, { merged, part }) {
      const key = merged ? "w" : "t";
      const matches = (this.content.match[end] ?? this.content.match.q)[key];
      const shown = (one, at) => {
        const line = this.line(one, end);
        const inside = !merged && at > 0 && line.of[at] === line.of[at - 1];
        return (inside ? "\u00b7" : "") + (line[key][at].trim() || line[key][at]);
      };
      const partOf = (one, at) => this.line(one, end).p?.[merged ? this.line(one, end).of.indexOf(at) : at];
      const wanted = part && { q: Number(part[0]), k: Number(part[1]) }[end];
      const kept = (unit) => !part || unit.part === wanted;
      if (side === "d") {
        return matches.map(([a, b], n) => {
          const [one, two] = [shown("a", a), shown("b", b)];
          return { id: `m${n}`, text: one === two ? one : `${one} / ${two}`, a, b, part: partOf("a", a) };
        }).filter(kept);
      }
      const partner = new Map(matches.map((match, n) => [match[side === "a" ? 0 : 1], n]));
      return this.line(side, end)[key].map((_, at) => (
        { id: partner.has(at) ? `m${partner.get(at)}` : side + at, text: shown(side, at), [side]: at, part: partOf(side, at) }
      )).filter(kept);
    }

    // Rows, columns and values of text a, text b or ("d") their difference.
    panel(side, place, options) {
      const [rows, columns] = ["q", "k"].map((end) => this.units(side, end, options));
      const read = (one) => (options.merged ? this.words(one, place) : this.tokens(one, place));
      const [a, b] = [side !== "b" && read("a"), side !== "a" && read("b")];
      const values = new Float32Array(rows.length * columns.length);
      rows.forEach((row, r) => columns.forEach((column, c) => {
        const one = a ? a.values[row.a * a.columns + column.a] : 0;
        const two = b ? b.values[row.b * b.columns + column.b] : 0;
        values[r * columns.length + c] = side === "d" ? one - two : one + two;
      }));
      return { rows, columns, values, at: (r, c) => values[r * columns.length + c] };
    }

    // Queries and keys of one head: [tokens × d] of both texts.
    vectors(place) {
      const found = this.content.vectors;
      const number = found.heads.findIndex((head) => Attention.name(head) === Attention.name(place));
      if (number < 0) return null;
      const { d } = found;
      const read = (kind, side) => {
        const tokens = this.line(side, kind).t.length;
        const limits = new Float32Array(bytes(found[kind].limits).buffer).subarray(number * d, (number + 1) * d);
        const codes = new Int8Array(bytes(found[kind][side]).buffer).subarray(number * tokens * d, (number + 1) * tokens * d);
        return Float32Array.from(codes, (code, at) => (code / 127) * limits[at % d]);
      };
      const sides = Object.fromEntries(["a", "b"].map((side) => [side, { q: read("q", side), k: read("k", side) }]));
      return { d, scale: found.scales[number], only: found.only[number], ...sides };
    }
  }
  Attention.read = (text) => {
    const content = JSON.parse(text);
    return { arms: content.arms, streams: content.streams.map((stream) => new Stream(stream)) };
  };
  Attention.title = (side, arms) => ({ a: arms[0], b: arms[1], d: `difference: ${arms[0]} ${MINUS} ${arms[1]}` })[side];
})();
