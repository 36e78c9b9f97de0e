// Security rules. Their language is targaryen's affair: it parses and evaluates every rule. Its own tree is copied at
// every write, siblings and all, so it is given views of ours instead, as nodes of its kind.
'use strict';

const targaryen = require('targaryen');

const { Refusal } = require('./refusal');

const base = Symbol('base');
const patch = Symbol('patch');
const DataNode = Object.getPrototypeOf(targaryen.store(null)).constructor;
// Targaryen looks rules up in plain objects, where these are found without being there.
const UNJUDGED = new Set(Object.getOwnPropertyNames(Object.prototype));

// Writes that are not applied yet: a path of keys leads to what will stand there.
class Patch {
  constructor() {
    this.children = new Map();
    this.fresh = undefined;
  }

  put(segments, node) {
    let place = this;
    for (const key of segments) {
      if (!place.children.has(key)) place.children.set(key, new Patch());
      place = place.children.get(key);
    }
    place.fresh = node;
  }
}

// A node of ours as targaryen wants one: the node that is there with the writes that are asked for on top.
class View {
  constructor(node, writes) {
    const final = writes !== null && writes.fresh !== undefined;
    this[base] = final ? writes.fresh : node;
    this[patch] = final ? null : writes;
    // Targaryen's hasChildren() counts the properties of a node.
    if (this.keys().next().done === false) this.children = true;
  }

  * keys() {
    for (const [key, writes] of this[patch]?.children ?? []) {
      if (!new View(this[base]?.child(key) ?? null, writes).$isNull()) yield key;
    }
    for (const key of this[base]?.children?.keys() ?? []) {
      if (!this[patch]?.children.has(key)) yield key;
    }
  }

  $child(path) {
    let [node, writes] = [this[base], this[patch]];
    for (const key of path.split('/')) {
      if (key === '') continue;
      node = node === null ? null : node.child(key);
      writes = writes?.children.get(key) ?? null;
      if (writes !== null && writes.fresh !== undefined) [node, writes] = [writes.fresh, null];
    }
    return new View(node, writes);
  }

  $value() {
    if (this.children) return Object.fromEntries(Array.from(this.keys(), (key) => [key, this.$child(key).$value()]));
    return this[base] === null || this[base].children !== null ? null : this[base].value;
  }

  $isNull() {
    return !this.children && (this[base] === null || this[base].children !== null);
  }

  $isPrimitive() {
    return !this.children;
  }

  $priority() {
    return undefined;
  }

  $walk(path, visit) {
    for (const key of this.keys()) {
      const below = path === '' ? key : `${path}/${key}`;
      if (!visit(below, path, key)) this.$child(key).$walk(below, visit);
    }
  }
}
// Targaryen takes its own nodes as they are and copies all else.
Object.setPrototypeOf(View.prototype, DataNode.prototype);

function rulesQuery(query) {
  if (query === null) return undefined;
  const asked = {};
  if (query.orderBy === '$key') asked.orderByKey = true;
  else if (query.orderBy === '$value') asked.orderByValue = true;
  else asked.orderByChild = query.orderBy;
  for (const name of ['startAt', 'endAt', 'equalTo', 'limitToFirst', 'limitToLast']) {
    if (query[name] !== undefined) asked[name] = query[name];
  }
  return asked;
}

function checkJudged(segments) {
  const key = segments.find((segment) => UNJUDGED.has(segment));
  if (key !== undefined) throw new Refusal(501, `stand-in: rules cannot be asked about the key ${key}`);
}

class Rules {
  constructor(source) {
    this.source = source;
    try {
      this.set = targaryen.ruleset(source);
    } catch (error) {
      throw new Refusal(400, `Error parsing rules: ${error.message}`);
    }
  }

  // Whether `.indexOn` of the rules at the path names the order.
  isIndexed(segments, orderBy) {
    let rules = this.source.rules;
    for (const key of segments) {
      const wild = Object.keys(rules).find((name) => name.startsWith('$'));
      rules = Object.hasOwn(rules, key) ? rules[key] : rules[wild];
      if (rules === undefined) return false;
    }
    const wanted = orderBy === '$value' ? '.value' : orderBy;
    return [rules['.indexOn'] ?? []].flat().includes(wanted);
  }

  allowRead(root, segments, query, auth, now) {
    checkJudged(segments);
    const database = this.database(new View(root, null), auth, now);
    return database.read(segments.join('/'), { now, query: rulesQuery(query) }).allowed;
  }

  // Whether all of the writes are allowed, each judged on the tree as all of them will leave it.
  allowWrites(root, writes, auth, now) {
    const asked = new Patch();
    for (const { segments, node } of writes) {
      checkJudged(segments);
      asked.put(segments, node);
    }
    const before = this.database(new View(root, null), auth, now);
    const after = this.database(new View(root, asked), auth, now);
    return writes.every(({ segments }) => this.set.tryWrite(segments.join('/'), before, after, null).allowed);
  }

  database(view, auth, now) {
    return targaryen.database(this.set, view, now).with({ auth, now });
  }
}

module.exports = { Rules };
