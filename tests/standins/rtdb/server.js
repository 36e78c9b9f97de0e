// A stand-in for the Firebase Realtime Database, for tests: its REST API over a tree in memory.
//
//   node server.js [PORT]
//
// It binds 127.0.0.1, prints "listening on PORT" and ends when its standard input does. Each namespace (`?ns=`) has
// data and rules of its own; `DELETE /` forgets all of them.
//
// It follows the documentation (https://firebase.google.com/docs/reference/rest/database and /docs/database) and, in
// who may do what, the emulator: `Bearer owner` passes every rule, with `auth_variable_override` the rules decide about
// that `auth`, without either about none; a namespace without rules is open to all. Rules are parsed and evaluated by
// targaryen, an independent implementation of their language.
//
// What is known to differ from the database itself:
// - Everything is one process's memory, each request happens at one moment, and nothing is limited in rate.
// - Targaryen asks `.validate` of what stands above a deleted place too, if that still exists; the documentation says
//   no more than that deletions are not asked. It cannot be asked about keys like `constructor`: 501.
// - Rules are JSON without comments. `query.startAfter` and `query.endBefore` are not there for rules.
// - Numbers are doubles: integers above 2^53 lose digits. Strings are ordered by UTF-16 units, as in the JavaScript
//   SDK.
// - No priorities and no `.value`, no `format=export`, no `print=pretty`, no `callback`, `timeout` or `writeSizeLimit`;
//   no event streams, no web sockets; no ID tokens, and bearers other than `owner` are refused, whom the emulator
//   takes for owners.
// - The texts of errors are the known ones for permissions, indexes and queries, and its own for invalid data. What the
//   documentation leaves open is refused: a limit of 0, a conditional PATCH or POST, an update of a place and of one
//   below it.
// - In a path `%2F` parts keys as `/` does. In a query string `+` is a space.
// - Members of an object come in the order of their writing, those a query finds in the order of their keys: the
//   documentation promises no order, and whoever relies on one shall notice.
// - `POST /.faults` and `GET /.log` are its own: see faults.js.
'use strict';

const http = require('node:http');

const { Database } = require('./database');
const { Faults } = require('./faults');
const { PushIds } = require('./pushid');
const { queryOf } = require('./query');
const { Refusal } = require('./refusal');
const { Rules } = require('./rules');
const { isKey } = require('./tree');

const MAX_BODY = 256 * 1024 * 1024;
const MAX_LOG = 10_000;
const WRITES = new Set(['PUT', 'PATCH', 'POST', 'DELETE']);

class Namespace {
  constructor() {
    this.database = new Database();
    this.faults = new Faults();
    this.log = [];
  }

  noted(entry) {
    if (this.log.length === MAX_LOG) this.log.shift();
    this.log.push(entry);
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new Refusal(400, 'Invalid path: Invalid token in path');
  }
}

// Of a query string, where `+` may stand for a space and `=` in a value for itself.
function paramsOf(search) {
  const pairs = search.split('&').filter((pair) => pair !== '');
  return new Map(pairs.map((pair) => {
    const [name] = pair.split('=', 1);
    return [name, decoded(pair.slice(name.length + 1))];
  }));
}

function segmentsOf(path) {
  if (!path.endsWith('.json')) throw new Refusal(404, 'append .json to your request URI to use the REST API');
  let text;
  try {
    text = decodeURIComponent(path.slice(0, -'.json'.length));
  } catch {
    throw new Refusal(400, 'Invalid path: Invalid token in path');
  }
  const segments = text.split('/').filter((key) => key !== '');
  if (!segments.every(isKey)) throw new Refusal(400, 'Invalid path: Invalid token in path');
  return segments;
}

// Who asks. The owner is asked about by no rule, unless it takes another's place.
function callerOf(request, params) {
  const given = request.headers.authorization ?? (params.has('auth') ? `Bearer ${params.get('auth')}` : undefined);
  if (given === undefined) return { admin: false, auth: null };
  if (given !== 'Bearer owner') throw new Refusal(401, 'Unauthorized request.');
  if (!params.has('auth_variable_override')) return { admin: true, auth: null };
  const auth = parsedJson(params.get('auth_variable_override'), 'auth_variable_override must be a JSON object');
  return { admin: false, auth };
}

function parsedJson(text, message = "Invalid data; couldn't parse JSON object, array, or value.") {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, message);
  }
}

async function bodyOf(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > MAX_BODY) throw new Refusal(400, 'Data to write exceeds the maximum size');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

class Server {
  constructor() {
    this.namespaces = new Map();
    this.pushIds = new PushIds();
  }

  namespace(name) {
    if (!this.namespaces.has(name)) this.namespaces.set(name, new Namespace());
    return this.namespaces.get(name);
  }

  async answer(request) {
    const body = await bodyOf(request);
    const [path, search = ''] = request.url.split('?', 2);
    const params = paramsOf(search);
    if (path === '/' && request.method === 'DELETE') {
      this.namespaces.clear();
      return { text: 'null' };
    }
    const namespace = this.namespace(params.get('ns') ?? 'default');
    if (path === '/.faults' && request.method === 'POST') {
      namespace.faults = new Faults(parsedJson(body));
      return { text: '{}' };
    }
    if (path === '/.log' && request.method === 'GET') return { text: JSON.stringify(namespace.log) };
    const { faults } = namespace;
    if (faults.delay_ms > 0) await new Promise((resolve) => { setTimeout(resolve, faults.delay_ms); });
    if (faults.isUnavailable()) throw new Refusal(503, 'stand-in: unavailable on request');
    const method = request.method === 'POST' ? request.headers['x-http-method-override'] ?? 'POST' : request.method;
    if (!WRITES.has(method)) return this.asked(method, path, params, request, namespace, body);
    const lost = faults.loses();
    namespace.noted({ method, path, lost });
    if (lost === 'request') return { cut: true };
    try {
      return { ...this.asked(method, path, params, request, namespace, body), cut: lost !== null };
    } catch (error) {
      if (lost === null || !(error instanceof Refusal)) throw error;
      return { cut: true };
    }
  }

  // One request, at one moment.
  asked(method, path, params, request, { database }, body) {
    const now = Date.now();
    const caller = callerOf(request, params);
    if (path === '/.settings/rules.json') return Server.rules(method, database, caller, body);
    const segments = segmentsOf(path);
    const expected = request.headers['if-match'];
    const isTagged = expected !== undefined || request.headers['x-firebase-etag'] === 'true';
    const tagged = (text) => ({ text, etag: isTagged ? database.etag(segments) : undefined });
    if (expected !== undefined) {
      if (method !== 'PUT' && method !== 'DELETE') throw new Refusal(400, `stand-in: no conditional ${method}`);
      const text = database.read(segments, null, caller, now);
      if (database.etag(segments) !== expected) return { status: 412, text, etag: database.etag(segments) };
    }
    switch (method) {
      case 'GET':
        return Server.read(database, segments, params, request, caller, now);
      case 'PUT':
        return tagged(database.put(segments, parsedJson(body), caller, now));
      case 'PATCH':
        return { text: database.update(segments, parsedJson(body), caller, now) };
      case 'POST': {
        const name = this.pushIds.make(now);
        database.put([...segments, name], parsedJson(body), caller, now);
        return { text: JSON.stringify({ name }) };
      }
      case 'DELETE':
        return tagged(database.put(segments, null, caller, now));
      default:
        throw new Refusal(405, 'Method not allowed');
    }
  }

  static read(database, segments, params, request, caller, now) {
    const query = queryOf(params);
    if (params.get('shallow') === 'true') {
      if (query !== null) throw new Refusal(400, 'Mixing shallow and querying parameters is not supported.');
      return { text: database.keys(segments, caller, now) };
    }
    const text = database.read(segments, query, caller, now);
    const known = request.headers['if-none-match'];
    if (query !== null || (known === undefined && request.headers['x-firebase-etag'] !== 'true')) return { text };
    const etag = database.etag(segments);
    return known === etag ? { status: 304, text: '', etag } : { text, etag };
  }

  static rules(method, database, caller, body) {
    if (!caller.admin) throw new Refusal(401, 'Permission denied');
    if (method === 'GET') return { text: JSON.stringify(database.rules.source) };
    if (method !== 'PUT') throw new Refusal(405, 'Method not allowed');
    database.rules = new Rules(parsedJson(body));
    return { text: '{"status":"ok"}' };
  }

  async serve(request, response) {
    let answered;
    try {
      answered = await this.answer(request);
    } catch (error) {
      if (request.errored) return;
      const refused = error instanceof Refusal;
      if (!refused) console.error(error);
      const text = refused ? error.message : `stand-in: ${error.message}`;
      answered = { status: refused ? error.status : 500, text: JSON.stringify({ error: text }) };
    }
    if (answered.cut) {
      request.socket.destroy();
      return;
    }
    const silent = answered.status === undefined && /[?&]print=silent(&|$)/.test(request.url);
    const headers = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-cache' };
    if (answered.etag !== undefined) headers.etag = answered.etag;
    response.writeHead(silent ? 204 : answered.status ?? 200, headers);
    response.end(silent ? undefined : answered.text);
  }
}

function main(port) {
  const server = new Server();
  const listener = http.createServer((request, response) => server.serve(request, response));
  // A connection that is kept is not cut between two requests: that would be a fault nobody asked for.
  listener.keepAliveTimeout = 0;
  listener.listen(port, '127.0.0.1', () => console.log(`listening on ${listener.address().port}`));
  process.stdin.on('end', () => process.exit());
  process.stdin.resume();
}

main(Number(process.argv[2] ?? 0));
