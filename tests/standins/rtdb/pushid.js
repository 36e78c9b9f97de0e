// Ids that POST makes: 8 characters of time and 12 of chance, in the order of their making within a process.
'use strict';

const { randomInt } = require('node:crypto');

const LETTERS = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';

class PushIds {
  constructor() {
    this.last = 0;
    this.chance = [];
  }

  make(now) {
    if (now === this.last) {
      let i = 11;
      while (i >= 0 && this.chance[i] === 63) this.chance[i--] = 0;
      this.chance[i] += 1;
    } else {
      this.chance = Array.from({ length: 12 }, () => randomInt(64));
    }
    this.last = now;
    let time = '';
    for (let i = 0, left = now; i < 8; i += 1, left = Math.floor(left / 64)) time = LETTERS[left % 64] + time;
    return time + this.chance.map((digit) => LETTERS[digit]).join('');
  }
}

module.exports = { PushIds };
