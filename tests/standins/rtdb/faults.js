// Faults of one database, on request: POST /.faults?ns=… says how many of the next requests are hit by what.
'use strict';

const { Refusal } = require('./refusal');

const KINDS = ['lose_answers', 'lose_every', 'lose_requests', 'unavailable', 'delay_ms'];

class Faults {
  // lose_answers: the next n writes are applied, then their connections are cut.
  // lose_every: so is every n-th write, for good.
  // lose_requests: the next n writes are not applied, and their connections are cut.
  // unavailable: the next n requests are answered 503.
  // delay_ms: every request waits so long.
  constructor(asked = {}) {
    for (const [kind, n] of Object.entries(asked)) {
      if (!KINDS.includes(kind) || !Number.isInteger(n) || n < 0) throw new Refusal(400, `stand-in: no fault ${kind}: ${n}; there are ${KINDS.join(', ')}`);
    }
    for (const kind of KINDS) this[kind] = asked[kind] ?? 0;
    this.writes = 0;
  }

  #next(kind) {
    if (this[kind] === 0) return false;
    this[kind] -= 1;
    return true;
  }

  isUnavailable() {
    return this.#next('unavailable');
  }

  losesRequest() {
    return this.#next('lose_requests');
  }

  losesAnswer() {
    this.writes += 1;
    return this.#next('lose_answers') || (this.lose_every > 0 && this.writes % this.lose_every === 0);
  }
}

module.exports = { Faults };
