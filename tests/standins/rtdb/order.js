// The order of values and keys, as documented for queries, and children kept in such an order.
'use strict';

const INTEGER_KEY = /^-?0*\d{1,10}$/;

function integer(key) {
  if (!INTEGER_KEY.test(key)) return null;
  const number = Number(key);
  return number >= -(2 ** 31) && number < 2 ** 31 ? number : null;
}

// Keys that are 32-bit integers first, by size; then the others as strings.
function compareKeys(a, b) {
  if (a === b) return 0;
  const [m, n] = [integer(a), integer(b)];
  if (m !== null && n !== null) return m === n ? a.length - b.length : m - n;
  if (m !== null) return -1;
  if (n !== null) return 1;
  return a < b ? -1 : 1;
}

// Nothing, false, true, numbers, strings, objects.
function rank(value) {
  switch (typeof value) {
    case 'boolean': return value ? 2 : 1;
    case 'number': return 3;
    case 'string': return 4;
    default: return value === null ? 0 : 5;
  }
}

function compareValues(a, b) {
  const kind = rank(a);
  const difference = kind - rank(b);
  if (difference !== 0 || (kind !== 3 && kind !== 4) || a === b) return difference;
  return a < b ? -1 : 1;
}

const OBJECT = {};

// The value by which a child is ordered: null for none, OBJECT for one that has children.
function valueAt(node, segments) {
  const found = node.at(segments);
  if (found === null) return null;
  return found.children === null ? found.value : OBJECT;
}

// The children of a node in an order: by key, by value, or by what is at a path in each.
class Index {
  constructor(orderBy, children) {
    this.byKey = orderBy === '$key';
    this.segments = this.byKey || orderBy === '$value' ? [] : orderBy.split('/').filter((segment) => segment !== '');
    this.places = Array.from(children, ([key, child]) => this.placeOf(key, child));
    this.places.sort((a, b) => this.compare(a, b));
  }

  placeOf(key, child) {
    if (child === null) return null;
    return { key, value: this.byKey ? key : valueAt(child, this.segments) };
  }

  compare(a, b) {
    if (this.byKey) return compareKeys(a.key, b.key);
    return compareValues(a.value, b.value) || compareKeys(a.key, b.key);
  }

  // How a place stands to a bound of a query.
  against(place, bound) {
    return this.byKey ? compareKeys(place.key, bound) : compareValues(place.value, bound);
  }

  // The position of the first place for which `reached` holds; it holds for all that follow.
  first(reached) {
    let [low, high] = [0, this.places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (reached(this.places[middle])) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  move(from, to) {
    if (from !== null && to !== null && from.value === to.value) return;
    if (from !== null) this.places.splice(this.first((place) => this.compare(place, from) >= 0), 1);
    if (to !== null) this.places.splice(this.first((place) => this.compare(place, to) >= 0), 0, to);
  }
}

module.exports = { Index, compareKeys };
