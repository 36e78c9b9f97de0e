// Faults of one database, on request: POST /.faults?ns=… says how many of the next requests are hit by what.
'use strict';

const { Refusal } = require('./refusal');

const KINDS = ['after', 'lose_answers', 'lose_every', 'lose_requests', 'unavailable', 'delay_ms'];

class Faults {
  // after: so many writes are spared before any is lost.
  // lose_answers: the next n writes are done, or refused, and their connections are cut before the answer.
  // lose_every: so is every n-th write, for good.
  // lose_requests: the next n writes are not done, and their connections are cut.
  // unavailable: the next n requests are answered 503.
  // delay_ms: every request waits so long.
  constructor(asked = {}) {
    for (const [kind, n] of Object.entries(asked)) {
      if (KINDS.includes(kind) && Number.isInteger(n) && n >= 0) continue;
      throw new Refusal(400, `stand-in: no fault ${kind}: ${n}; there are ${KINDS.join(', ')}`);
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

  // How a write is hit: its request is lost, its answer, or neither.
  loses() {
    if (this.#next('after')) return null;
    if (this.#next('lose_requests')) return 'request';
    this.writes += 1;
    const nth = this.lose_every > 0 && this.writes % this.lose_every === 0;
    return nth || this.#next('lose_answers') ? 'answer' : null;
  }
}

module.exports = { Faults };
