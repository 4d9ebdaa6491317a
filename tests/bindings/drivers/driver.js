'use strict';
// Does with the Node binding what each line of standard input says; see driven.py.

const fs = require('node:fs');
const https = require('node:https');
const readline = require('node:readline');
const trust = require(process.env.TRUST_NODE_MODULE);

const store = new trust.Store();
let agent = new trust.Agent({ keepAlive: true, store });

function pattern(length) {
  const made = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1) made[index] = index % 251;
  return made;
}

function failed(error) {
  if (!(error instanceof trust.TrustError)) {
    return { outcome: 'failed', name: error.code ?? error.name, message: String(error) };
  }
  const { peer } = error;
  return {
    outcome: error.untrusted ? 'refused' : 'failed',
    name: error.code,
    message: error.sentence,
    hint: error.hint,
    fingerprint: peer?.fingerprint ?? null,
    certificates: peer?.path.length,
    trusted: peer && JSON.parse(peer.json).trusted,
  };
}

async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function get(host, port) {
  const socket = await store.connect(host, port);
  socket.write(`GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
  const { peer, resumed, tlsVersion } = socket;
  const answer = (await readAll(socket)).toString();
  return {
    outcome: 'served',
    body: answer.slice(answer.indexOf('\r\n\r\n') + 4),
    resumed,
    fingerprint: peer.fingerprint,
    tls: tlsVersion,
    trusted: JSON.parse(peer.json).trusted,
    pinned: peer.pinStatus === 1,
  };
}

function request(options, body) {
  return new Promise((resolve, reject) => {
    const made = https.request(options, (answer) => resolve(readAll(answer)));
    made.on('error', reject);
    made.end(body);
  });
}

async function pooled(host, port) {
  return { outcome: 'served', body: (await request({ host, port, agent })).toString() };
}

function forget() {
  agent.destroy();
  agent = new trust.Agent({ keepAlive: true, store });
  return { outcome: 'done' };
}

async function echo(host, port, length) {
  const data = pattern(Number(length));
  const socket = await store.connect(host, port);
  const found = readAll(socket);
  socket.write('echo\n');
  socket.end(data);
  const bytes = await found;
  return { outcome: 'served', bytes: bytes.length, equal: bytes.equals(data) };
}

async function read(host, port, ...what) {
  const socket = await store.connect(host, port);
  socket.write(`${what.join(' ')}\n`);
  let count = 0;
  try {
    for await (const chunk of socket) count += chunk.length;
  } catch (error) {
    return { ...failed(error), bytes: count };
  }
  return { outcome: 'served', bytes: count };
}

async function cancel(host, port) {
  const socket = await store.connect(host, port);
  socket.write('stall\n');
  const read = readAll(socket);
  setImmediate(() => socket.cancel()); // the read waits then: turns of the loop are in order
  return { outcome: 'served', bytes: (await read).length };
}

async function timeout(host, port, ms) {
  const socket = await store.connect(host, port);
  socket.write('stall\n');
  const started = performance.now();
  await new Promise((resolve) => { socket.setTimeout(Number(ms), resolve); });
  socket.destroy();
  return {
    outcome: 'failed', name: 'TRUST_ERR_TIMEOUT', message: `${host} timed out`,
    ms: performance.now() - started,
  };
}

async function connectTimeout(host, port, ms) {
  const started = performance.now();
  try {
    await store.connect(host, port, { connectTimeout: Number(ms) });
  } catch (error) {
    return { ...failed(error), ms: performance.now() - started };
  }
  return { outcome: 'served' };
}

async function parallel(host, port, count) {
  const all = await Promise.all(Array.from({ length: Number(count) }, () => get(host, port)));
  return { outcome: 'served', count: all.filter(({ body }) => body === 'served\n').length };
}

async function pinned(host, port, pin) {
  (await store.connect(host, port, { pins: [pin], requirePin: true })).destroy();
  return { outcome: 'served' };
}

function fds() {
  return { outcome: 'done', count: fs.readdirSync('/proc/self/fd').length };
}

const commands = {
  get, pooled, forget, echo, read, cancel, timeout, 'connect-timeout': connectTimeout, parallel,
  pinned, fds,
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, host, port, ...more] = line.split(' ');
    let said;
    try {
      said = await commands[name](host, Number(port), ...more);
    } catch (error) {
      said = failed(error);
    }
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }
}

main().finally(() => agent.destroy());
