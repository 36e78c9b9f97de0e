// One database, that of a namespace: a tree and its rules.
'use strict';

const { createHash } = require('node:crypto');

const { answer } = require('./query');
const { Refusal } = require('./refusal');
const { Rules } = require('./rules');
const tree = require('./tree');

// As the emulator: without rules everything is allowed.
const OPEN = { rules: { '.read': true, '.write': true } };
const NO_ETAG = 'null_etag';

// "Multi-path updates" may not meet: neither twice at one path nor one below the other.
function checkApart(writes) {
  const paths = writes.map(({ segments }) => segments.join('/')).sort();
  const taken = new Set(paths);
  if (taken.size < paths.length) throw new Refusal(400, 'Invalid data; a path is written twice');
  for (const path of paths) {
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
      const above = path.slice(0, end);
      if (taken.has(above)) throw new Refusal(400, `Invalid data; ${above} is ancestor of another path of the update`);
    }
  }
}

class Database {
  constructor() {
    this.root = null;
    this.rules = new Rules(OPEN);
  }

  // The JSON text of what is at the path, or of what the query finds there. `caller`: `{admin, auth}`.
  read(segments, query, caller, now) {
    this.#mayRead(segments, query, caller, now);
    const node = tree.at(this.root, segments);
    if (query === null) return tree.text(node);
    if (query.orderBy !== '$key' && !this.rules.isIndexed(segments, query.orderBy)) {
      const wanted = query.orderBy === '$value' ? '.value' : query.orderBy;
      const path = `/${segments.join('/')}`;
      throw new Refusal(400, `Index not defined, add ".indexOn": "${wanted}", for path "${path}", to the rules`);
    }
    return answer(node, query);
  }

  keys(segments, caller, now) {
    this.#mayRead(segments, null, caller, now);
    return tree.shallow(tree.at(this.root, segments));
  }

  etag(segments) {
    const node = tree.at(this.root, segments);
    return node === null ? NO_ETAG : createHash('sha1').update(tree.text(node)).digest('base64');
  }

  // Puts a value where the path leads, null deletes; returns the JSON text of what is there then.
  put(segments, value, caller, now) {
    const node = this.#node(segments, value, now);
    this.#apply([{ segments, node }], caller, now);
    return tree.text(node);
  }

  // Puts several values, each at a path below `segments`: all or none.
  update(segments, patch, caller, now) {
    if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) {
      throw new Refusal(400, "Invalid data; couldn't parse JSON object.");
    }
    const writes = Object.entries(patch).map(([path, value]) => {
      const below = path.split('/').filter((key) => key !== '');
      if (below.length === 0) throw new Refusal(400, "Invalid data; couldn't parse key. Key value can't be empty");
      below.forEach(tree.checkKey);
      const full = [...segments, ...below];
      return { segments: full, node: this.#node(full, value, now) };
    });
    checkApart(writes);
    this.#apply(writes, caller, now);
    return JSON.stringify(patch);
  }

  #mayRead(segments, query, caller, now) {
    if (caller.admin || this.rules.allowRead(this.root, segments, query, caller.auth, now)) return;
    throw new Refusal(401, 'Permission denied');
  }

  #node(segments, value, now) {
    tree.checkDepth(segments.length);
    return tree.parsed(value, tree.at(this.root, segments), now, segments.length);
  }

  #apply(writes, caller, now) {
    if (!caller.admin && !this.rules.allowWrites(this.root, writes, caller.auth, now)) {
      throw new Refusal(401, 'Permission denied');
    }
    for (const { segments, node } of writes) this.root = tree.replaced(this.root, segments, node);
  }
}

module.exports = { Database };
