// What the database refuses, and with which HTTP status.
'use strict';

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

module.exports = { Refusal };
