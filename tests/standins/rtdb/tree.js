// The tree of one database: nodes, what may stand in them, and how they are written out.
'use strict';

const { Index } = require('./order');
const { Refusal } = require('./refusal');

const MAX_DEPTH = 32;
const MAX_KEY_BYTES = 768;
const MAX_STRING_BYTES = 10 * 1024 * 1024;
const BAD_KEY = /[.$#[\]/\x00-\x1f\x7f]/;
const INTEGER = /^(0|[1-9]\d{0,9})$/;

// Either a leaf with a value or a map of children, never empty: what is empty is not there.
class Node {
  constructor(value, children) {
    this.value = value;
    this.children = children;
    // By what it is ordered (`$key`, `$value`, a child path) → Index; kept up by `replaced`.
    this.indexes = null;
  }

  child(key) {
    return this.children === null ? null : this.children.get(key) ?? null;
  }

  at(segments) {
    let node = this;
    for (const key of segments) {
      node = node.child(key);
      if (node === null) return null;
    }
    return node;
  }

  index(orderBy) {
    this.indexes ??= new Map();
    if (!this.indexes.has(orderBy)) this.indexes.set(orderBy, new Index(orderBy, this.children));
    return this.indexes.get(orderBy);
  }
}

function at(root, segments) {
  return root === null ? null : root.at(segments);
}

// What stands in place of `node` when `fresh` is put at the path below it. The tree is changed in place.
function replaced(node, segments, fresh, depth = 0) {
  if (depth === segments.length) return fresh;
  const key = segments[depth];
  if (node === null || node.children === null) {
    const below = replaced(null, segments, fresh, depth + 1);
    // What is deleted below a leaf was not there, and the leaf stays.
    return below === null ? node : new Node(undefined, new Map([[key, below]]));
  }
  const before = node.child(key);
  const indexes = node.indexes === null ? [] : [...node.indexes.values()];
  const places = indexes.map((index) => index.placeOf(key, before));
  const after = replaced(before, segments, fresh, depth + 1);
  if (after === null) node.children.delete(key);
  else node.children.set(key, after);
  indexes.forEach((index, i) => index.move(places[i], index.placeOf(key, after)));
  return node.children.size === 0 ? null : node;
}

function isKey(key) {
  return key !== '' && !BAD_KEY.test(key) && Buffer.byteLength(key) <= MAX_KEY_BYTES;
}

function checkKey(key) {
  if (isKey(key)) return;
  const start = JSON.stringify(key.slice(0, 40));
  const allowed = `Key value can't be empty, longer than ${MAX_KEY_BYTES} bytes, or contain $ # [ ] / or .`;
  throw new Refusal(400, `Invalid data; couldn't parse key beginning with ${start}. ${allowed}`);
}

function checkDepth(depth) {
  if (depth > MAX_DEPTH) throw new Refusal(400, `Invalid data; a path is deeper than ${MAX_DEPTH} levels`);
}

// The server's values: `existing` is what stood there before.
function serverValue(asked, existing, now) {
  if (asked === 'timestamp') return now;
  const delta = asked?.increment;
  if (typeof delta !== 'number') throw new Refusal(400, 'Invalid data; unknown server value');
  return typeof existing?.value === 'number' ? existing.value + delta : delta;
}

// The node of a parsed JSON value, or null where nothing is left of it.
function parsed(value, existing, now, depth) {
  if (value === null) return null;
  checkDepth(depth);
  switch (typeof value) {
    case 'string':
      if (Buffer.byteLength(value) > MAX_STRING_BYTES) {
        throw new Refusal(400, `Invalid data; a string is longer than ${MAX_STRING_BYTES} bytes`);
      }
      return new Node(value, null);
    case 'number':
      if (!Number.isFinite(value)) throw new Refusal(400, 'Invalid data; a number is not finite');
      return new Node(value, null);
    case 'boolean':
      return new Node(value, null);
  }
  if (Object.hasOwn(value, '.sv')) return new Node(serverValue(value['.sv'], existing, now), null);
  const children = new Map();
  for (const key of Object.keys(value)) {
    checkKey(key);
    const child = parsed(value[key], existing === null ? null : existing.child(key), now, depth + 1);
    if (child !== null) children.set(key, child);
  }
  return children.size === 0 ? null : new Node(undefined, children);
}

// "If all of the keys are integers, and more than half of the keys between 0 and the maximum key have values, it is
// rendered as an array."
function isArray(children) {
  let highest = -1;
  for (const key of children.keys()) {
    if (!INTEGER.test(key)) return false;
    highest = Math.max(highest, Number(key));
  }
  return highest + 1 < 2 * children.size;
}

function written(children) {
  if (isArray(children)) {
    const items = [];
    for (const [key, child] of children) items[Number(key)] = text(child);
    return `[${Array.from(items, (item) => item ?? 'null').join(',')}]`;
  }
  const members = [];
  for (const [key, child] of children) members.push(`${JSON.stringify(key)}:${text(child)}`);
  return `{${members.join(',')}}`;
}

// The JSON text of a node.
function text(node) {
  if (node === null) return 'null';
  return node.children === null ? JSON.stringify(node.value) : written(node.children);
}

// The JSON text of a node's children alone: `true` for each of them.
function shallow(node) {
  if (node === null || node.children === null) return text(node);
  return `{${Array.from(node.children.keys(), (key) => `${JSON.stringify(key)}:true`).join(',')}}`;
}

module.exports = { at, checkDepth, checkKey, isKey, parsed, replaced, shallow, text, written };
