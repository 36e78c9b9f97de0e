// Queries: their parameters and what they find.
'use strict';

const { compareKeys } = require('./order');
const { Refusal } = require('./refusal');
const { written } = require('./tree');

const BOUNDS = ['startAt', 'startAfter', 'endAt', 'endBefore', 'equalTo'];
const LIMITS = ['limitToFirst', 'limitToLast'];

function json(text, message) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, message);
  }
}

function bound(name, text, orderBy) {
  const value = json(text, `${name} must be valid JSON`);
  if (typeof value === 'object' && value !== null) {
    throw new Refusal(400, 'Constraint index field must be a JSON primitive');
  }
  if (orderBy === '$key' && typeof value !== 'string') throw new Refusal(400, 'Constraint key field must be a string');
  return value;
}

function limit(name, text) {
  if (!/^\d+$/.test(text) || Number(text) < 1) throw new Refusal(400, `${name} must be a positive integer`);
  return Number(text);
}

// The query of a request, or null for a plain read.
function queryOf(params) {
  const given = [...BOUNDS, ...LIMITS].filter((name) => params.has(name));
  if (!params.has('orderBy')) {
    if (given.length > 0) throw new Refusal(400, 'orderBy must be defined when other query parameters are defined');
    return null;
  }
  const orderBy = json(params.get('orderBy'), 'orderBy must be a valid JSON encoded path');
  const reserved = orderBy === '$key' || orderBy === '$value';
  if (typeof orderBy !== 'string' || (!reserved && (orderBy === '' || /[.$#[\]]/.test(orderBy)))) {
    throw new Refusal(400, 'orderBy must be a valid JSON encoded path');
  }
  if (given.includes('limitToFirst') && given.includes('limitToLast')) {
    throw new Refusal(400, 'Only one of limitToFirst and limitToLast can be specified');
  }
  if (given.includes('equalTo') && given.some((name) => name !== 'equalTo' && BOUNDS.includes(name))) {
    throw new Refusal(400, 'equalTo cannot be specified in addition to startAt, startAfter, endAt, or endBefore');
  }
  const query = { orderBy };
  for (const name of given) {
    query[name] = BOUNDS.includes(name) ? bound(name, params.get(name), orderBy) : limit(name, params.get(name));
  }
  return query;
}

// Without an order of its own the answer is an object, as documented: in the order of keys, whatever was asked.
function answer(node, query) {
  if (node === null || node.children === null) return 'null';
  const index = node.index(query.orderBy);
  const from = [0];
  const to = [index.places.length];
  const has = (name) => query[name] !== undefined;
  const firstAt = (value) => index.first((place) => index.against(place, value) >= 0);
  const firstAfter = (value) => index.first((place) => index.against(place, value) > 0);
  if (has('startAt')) from.push(firstAt(query.startAt));
  if (has('startAfter')) from.push(firstAfter(query.startAfter));
  if (has('endAt')) to.push(firstAfter(query.endAt));
  if (has('endBefore')) to.push(firstAt(query.endBefore));
  if (has('equalTo')) {
    from.push(firstAt(query.equalTo));
    to.push(firstAfter(query.equalTo));
  }
  let [low, high] = [Math.max(...from), Math.min(...to)];
  if (has('limitToFirst')) high = Math.min(high, low + query.limitToFirst);
  if (has('limitToLast')) low = Math.max(low, high - query.limitToLast);
  const keys = index.places.slice(low, Math.max(low, high)).map((place) => place.key).sort(compareKeys);
  return written(new Map(keys.map((key) => [key, node.children.get(key)])));
}

module.exports = { answer, queryOf };
