// A stand-in for the Firebase Realtime Database, for tests: its REST API over a tree in memory.
//
//   node server.js [PORT]
//
// It binds 127.0.0.1, prints "listening on PORT" and ends when its standard input does. Each namespace (`?ns=`) has
// data and rules of its own.
'use strict';

const http = require('node:http');

const { Database } = require('./database');
const { Faults } = require('./faults');
const { PushIds } = require('./pushid');
const { queryOf } = require('./query');
const { Refusal } = require('./refusal');
const { Rules } = require('./rules');
const { BAD_KEY } = require('./tree');

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
  if (segments.some((key) => BAD_KEY.test(key) || Buffer.byteLength(key) > 768)) throw new Refusal(400, 'Invalid path: Invalid token in path');
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
    if (size > MAX_BODY) throw new Refusal(413, 'Data to write exceeds the maximum size that can be modified with a single request.');
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
    if (faults.losesRequest()) return { cut: true };
    const answered = this.asked(method, path, params, request, namespace, body);
    const cut = faults.losesAnswer();
    namespace.noted({ method, path: decoded(path), answered: !cut });
    return { ...answered, cut };
  }

  // One request, at one moment.
  asked(method, path, params, request, { database }, body) {
    const now = Date.now();
    const caller = callerOf(request, params);
    if (path === '/.settings/rules.json') return Server.rules(method, database, caller, body);
    const segments = segmentsOf(path);
    const tagged = (text) => ({ text, etag: request.headers['x-firebase-etag'] === 'true' || request.headers['if-match'] !== undefined ? database.etag(segments) : undefined });
    const expected = request.headers['if-match'];
    if (expected !== undefined && (method === 'PUT' || method === 'DELETE')) {
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
      const refused = error instanceof Refusal;
      if (!refused) console.error(error);
      answered = { status: refused ? error.status : 500, text: JSON.stringify({ error: refused ? error.message : `stand-in: ${error.stack}` }) };
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
