'use strict';
// These want servers, which tests/bindings starts: HOST:PORT of one that is trusted and pinned, of
// one that is not in the store, and of one that never says anything.

const assert = require('node:assert');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');
const test = require('node:test');
const trust = require('..');

function endpoint(name) {
  const value = process.env[name];
  if (value === undefined) return undefined;
  const [host, port] = value.split(':');
  return { host, port: Number(port) };
}
const server = endpoint('TRUST_TEST_SERVER');
const stranger = endpoint('TRUST_TEST_STRANGER');
const silent = endpoint('TRUST_TEST_SILENT');
const wanted = { skip: server === undefined && 'no servers: tests/bindings starts them' };

function pattern(length) {
  const made = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1) made[index] = index % 251;
  return made;
}

async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function request(options, body) {
  return new Promise((resolve, reject) => {
    https.request(options, (answer) => readAll(answer).then(resolve, reject))
      .on('error', reject).end(body);
  });
}

test('an agent keeps connections and uses them again', wanted, async () => {
  const agent = new trust.Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set();
  for (let index = 0; index < 3; index += 1) {
    await new Promise((resolve, reject) => {
      https.get({ ...server, agent }, (answer) => {
        sockets.add(answer.socket);
        readAll(answer).then((body) => {
          assert.equal(body.toString(), 'served\n');
          setImmediate(resolve);
        });
      }).on('error', reject);
    });
  }
  assert.equal(sockets.size, 1);
  const [socket] = sockets;
  assert.equal(socket.peer.trustedBy, 3);
  assert.equal(socket.peer.pinStatus, 1);
  assert.equal(socket.encrypted, true);
  agent.destroy();
});

test('large bodies go both ways through an agent', wanted, async () => {
  const agent = new trust.Agent({ keepAlive: true });
  const data = pattern(8_000_000);
  const found = await request({ ...server, agent, method: 'POST',
    headers: { 'Content-Length': data.length } }, data);
  assert.ok(found.equals(data));
  agent.destroy();
});

test('many at once, and none waits for the others', wanted, async () => {
  const agent = new trust.Agent();
  const all = Array.from({ length: 100 }, () => request({ ...server, agent }));
  for (const body of await Promise.all(all)) assert.equal(body.toString(), 'served\n');
});

test('a stranger is refused, and nothing turns that off', wanted, async () => {
  const agent = new trust.Agent();
  for (const rejectUnauthorized of [true, false]) {
    await assert.rejects(request({ ...stranger, agent, rejectUnauthorized }), (error) => {
      assert.ok(error instanceof trust.TrustError && error instanceof Error);
      assert.equal(error.code, 'TRUST_ERR_SELF_SIGNED');
      assert.ok(error.untrusted && error.message.includes(stranger.host));
      assert.equal(error.message, `${error.sentence}\nhint: ${error.hint}`);
      assert.equal(error.peer.path.length, 1);
      return true;
    });
  }
});

test('a client certificate is not dropped without a word', wanted, () => {
  assert.throws(() => new trust.Agent({ cert: 'x' }), /config/);
  assert.throws(() => new trust.Config({ certificate: 'x' }), /no "certificate"/);
});

test('a signal ends connecting, and the loop runs on meanwhile', wanted, async () => {
  const store = new trust.Store();
  let ticks = 0;
  const ticker = setInterval(() => { ticks += 1; }, 5);
  const started = performance.now();
  await assert.rejects(store.connect(silent.host, silent.port,
    { signal: AbortSignal.timeout(200) }), { code: 'TRUST_ERR_CANCELLED' });
  await assert.rejects(store.connect(silent.host, silent.port,
    { signal: AbortSignal.abort() }), { code: 'TRUST_ERR_CANCELLED' });
  await assert.rejects(store.connect(silent.host, silent.port, { connectTimeout: 100 }),
    { code: 'TRUST_ERR_TIMEOUT' });
  clearInterval(ticker);
  assert.ok(performance.now() - started < 5000);
  assert.ok(ticks > 5, `${ticks} ticks`);
});

test('a request that is destroyed while it connects leaves nothing', wanted, async () => {
  const agent = new trust.Agent({ config: { connectTimeout: 300 } });
  const made = https.get({ ...silent, agent });
  const failed = new Promise((resolve) => { made.on('error', resolve); });
  setTimeout(() => made.destroy(new Error('enough')), 50);
  assert.equal((await failed).message, 'enough');
});

test('an end is told from a truncation', wanted, async () => {
  const store = new trust.Store();
  for (const what of ['eof', 'truncate']) {
    const socket = await store.connect(server.host, server.port);
    socket.write(`${what} 100000\n`);
    if (what === 'eof') assert.equal((await readAll(socket)).length, 100000);
    else await assert.rejects(readAll(socket), { code: 'TRUST_ERR_TRUNCATED' });
  }
});

test('a reader that does not read is waited for', wanted, async () => {
  const socket = await new trust.Store().connect(server.host, server.port);
  socket.write('eof 5000000\n');
  await new Promise((resolve) => { setTimeout(resolve, 200); });
  assert.ok(socket.readableLength < 1_000_000, `${socket.readableLength} bytes are held`);
  assert.ok((await readAll(socket)).equals(pattern(5_000_000)));
});

test('chains are judged, pins listed, places told', wanted, async () => {
  const store = new trust.Store();
  const { peer } = await store.connect(server.host, server.port).then((socket) => {
    socket.destroy();
    return socket;
  });
  assert.equal(store.verify(server.host, server.port, peer.path).fingerprint, peer.fingerprint);
  assert.throws(() => store.verify('other.test', 443, peer.path), trust.TrustError);
  assert.deepEqual(store.pins(server.host, server.port).map((pin) => pin.pin), [peer.pin]);
  assert.ok(store.bundlePath.startsWith(store.directory));
  assert.equal(store.environment.SSL_CERT_FILE, store.bundlePath);
  assert.equal(store.refresh(), store.generation);
  assert.throws(() => new trust.Store('/nowhere'), { code: 'TRUST_ERR_STORE_MISSING' });
});

test('what is exported is declared, and what is declared exported', () => {
  const text = fs.readFileSync(path.join(__dirname, '..', 'index.d.ts'), 'utf8');
  const declared = [...text.matchAll(/^export (?:class|const|function) (\w+)/gm)]
    .map((found) => found[1]);
  assert.deepEqual(declared.sort(), Object.keys(trust).sort());
});
