'use strict';
// Verified TLS for Node: an https.Agent, and sockets (Duplex) over memory connections. The library
// never touches the network here; net.Socket does, so nothing blocks the event loop.

const https = require('node:https');
const net = require('node:net');
const { Duplex } = require('node:stream');

const binding = require(process.env.TRUST_NODE_BINDING || './trust.node');

const CHUNK = 64 * 1024;
const STATUS = Object.freeze({
  RESOLVE: -400, CONNECT: -401, TIMEOUT: -402, IO: -403, CANCELLED: -404, TRUNCATED: -501,
  PIN_MISMATCH: -605, DISTRUSTED: -607, STATE: -101,
});
const NAMES = {
  [STATUS.RESOLVE]: 'TRUST_ERR_RESOLVE', [STATUS.CONNECT]: 'TRUST_ERR_CONNECT',
  [STATUS.TIMEOUT]: 'TRUST_ERR_TIMEOUT', [STATUS.IO]: 'TRUST_ERR_IO',
  [STATUS.CANCELLED]: 'TRUST_ERR_CANCELLED', [STATUS.STATE]: 'TRUST_ERR_STATE',
};

// Why a call failed. `code` is the constant's name; `message` ends with the hint if there is one.
class TrustError extends Error {
  constructor(status, code, sentence, hint = '', tlsAlert = 0, peer = undefined, options = {}) {
    super(hint ? `${sentence}\nhint: ${hint}` : sentence, options);
    this.status = status;
    this.code = code;
    this.sentence = sentence;
    this.hint = hint;
    this.tlsAlert = tlsAlert;
    this.peer = peer;
  }

  get name() { return 'TrustError'; }

  // The peer was reached but is not trusted.
  get untrusted() { return this.status <= -600 && this.status > -700; }
}

function failure(status, sentence, cause) {
  return new TrustError(status, NAMES[status], sentence, '', 0, undefined, cause && { cause });
}

binding.setErrorClass(TrustError);
binding.checkVersion();

// What may be asked beyond the store; it only narrows. Never changes.
class Config {
  constructor(options = {}) {
    const { connectTimeout = 10_000, serverName, alpn, minTls, cert, key, passphrase, pins,
      requirePin, resumption, ...unknown } = options;
    for (const name of Object.keys(unknown)) {
      throw new TypeError(`a configuration has no ${JSON.stringify(name)}`);
    }
    if (!(Number.isFinite(connectTimeout) && connectTimeout > 0)) {
      throw new RangeError('connectTimeout is a number of milliseconds');
    }
    const bytes = (value) => (value === undefined ? undefined : Buffer.from(value));
    this.connectTimeout = connectTimeout;
    this.handle = binding.makeConfig({
      serverName,
      alpn: alpn === undefined || alpn.length === 0 ? undefined : alpn.join(','),
      minTls,
      cert: bytes(cert),
      key: bytes(key),
      passphrase,
      pins,
      requirePin: requirePin === undefined ? undefined : Number(requirePin),
      resumption: resumption === undefined ? undefined : Number(resumption),
    });
    Object.freeze(this);
  }
}

const config = (given) => (given instanceof Config ? given : new Config(given));

// The published store. It notices what is published, at most a second late.
class Store {
  constructor(directory) {
    this.handle = binding.openStore(directory);
  }

  // Looks for newly published trust now; the generation.
  refresh() { return binding.refresh(this.handle); }
  get generation() { return binding.describe(this.handle).generation; }
  get directory() { return binding.describe(this.handle).directory; }
  get bundlePath() { return binding.describe(this.handle).bundlePath; }
  // The variables that make other programs trust the same.
  get environment() { return binding.describe(this.handle).environment; }

  // The pins for a host and port as published now.
  pins(host, port) {
    return binding.pins(this.handle, host, port)
      .map((pin) => ({ ...pin, expires: pin.expires || undefined }));
  }

  // Judges a chain, leaf first: PEM or DER in a Buffer, or DER in several.
  verify(host, port, chain, options) {
    const bytes = Array.isArray(chain) ? Buffer.concat(chain) : Buffer.from(chain);
    return binding.verify(this.handle, host, port, bytes, config(options).handle);
  }

  // A promise of a TrustSocket. `options`: those of a configuration, and `signal`.
  connect(host, port = 443, { signal, ...options } = {}) {
    return new Promise((resolve, reject) => {
      const cancelled = () => failure(STATUS.CANCELLED,
        `connecting to ${host}:${port} was cancelled`, signal.reason);
      if (signal?.aborted) throw cancelled();
      const socket = new TrustSocket(this, { host, port }, config(options));
      const aborted = () => socket.destroy(cancelled());
      signal?.addEventListener('abort', aborted, { once: true });
      const failed = (error) => {
        signal?.removeEventListener('abort', aborted);
        reject(error);
      };
      socket.once('error', failed);
      socket.once('connect', () => {
        signal?.removeEventListener('abort', aborted);
        socket.removeListener('error', failed);
        resolve(socket);
      });
    });
  }
}

let opened;

// The store that is taken where none is given; opened once.
function defaultStore() {
  opened ??= new Store();
  return opened;
}

// A verified connection: 'connect' says that the peer was, and nothing that is written moves before
// that. It ends ('end') when the peer closed properly, and is destroyed with TRUST_ERR_TRUNCATED
// when the peer just went away.
class TrustSocket extends Duplex {
  #raw;
  #conn;
  #store;
  #config;
  #incoming = []; // encrypted, not yet taken by the library
  #buffer = Buffer.allocUnsafe(CHUNK);
  #facts;
  #judged;
  #wanted = false; // somebody reads
  #ended = false; // the peer closed
  #outgoing; // { data, offset, done }
  #timer;
  #active = false; // in #run, which listeners may enter again
  #again = false;
  #released = false;

  // `options` are net.connect's, host and port among them.
  constructor(store, options, settings) {
    super({ allowHalfOpen: false });
    const { host, port } = options;
    this.host = host;
    this.port = port;
    this.encrypted = true;
    this.#store = store;
    this.#config = settings;
    this.#conn = binding.start(store.handle, host, port, settings.handle);
    const raw = net.connect({ ...options, allowHalfOpen: true });
    this.#raw = raw;
    this.#timer = setTimeout(() => this.destroy(failure(STATUS.TIMEOUT,
      `connecting to ${host}:${port} took longer than ${settings.connectTimeout} ms`)),
    settings.connectTimeout);
    raw.on('connect', () => this.#run());
    raw.on('data', (data) => {
      this.#incoming.push(data);
      this.#run();
    });
    raw.on('end', () => {
      this.#incoming.push(Buffer.alloc(0));
      this.#run();
    });
    raw.on('drain', () => this.#run());
    raw.on('timeout', () => this.emit('timeout'));
    raw.on('error', (error) => this.#lost(error));
    raw.on('close', () => {
      if (this.destroyed) return;
      this.#incoming.push(Buffer.alloc(0));
      this.#run();
      if (!this.#ended && !this.destroyed) {
        this.destroy(failure(STATUS.IO, `${host}:${port} closed the connection`));
      }
    });
  }

  #lost(error) {
    const where = `${this.host}:${this.port}`;
    if (error.syscall === 'getaddrinfo') {
      this.destroy(failure(STATUS.RESOLVE, `cannot resolve ${this.host}: ${error.code}`, error));
    } else if (error.syscall === 'connect' || error instanceof AggregateError) {
      this.destroy(failure(STATUS.CONNECT, `cannot connect to ${where}: ${error.code}`, error));
    } else if (error.code === 'ECONNRESET' && this.#facts) {
      this.#incoming.push(Buffer.alloc(0)); // the library says that it is truncated
      this.#run();
    } else {
      this.destroy(failure(STATUS.IO, `the connection to ${where} failed: ${error.code}`, error));
    }
  }

  // Moves all that can be moved now.
  #run() {
    this.#again = true;
    if (this.#active || this.destroyed) return;
    this.#active = true;
    try {
      while (this.#again && !this.destroyed) {
        this.#again = this.#feed();
        if (this.#step()) this.#again = true;
        this.#send();
      }
    } catch (error) {
      if (!(error instanceof TrustError)) throw error; // of a listener
      this.#fail(error);
    } finally {
      this.#active = false;
    }
  }

  #fail(error) {
    try {
      this.#send(); // it may be an alert
    } catch {
      // Then there is none.
    }
    this.destroy(error);
  }

  #feed() {
    const data = this.#incoming[0];
    if (data === undefined) return false;
    const used = binding.feed(this.#conn, data, 0);
    if (used === data.length) this.#incoming.shift();
    else this.#incoming[0] = data.subarray(used);
    if (this.#incoming.length > 16) this.#raw.pause();
    else this.#raw.resume();
    return used > 0 || data.length === 0;
  }

  #step() {
    if (this.#facts === undefined) {
      if (this.#raw.connecting || !binding.handshake(this.#conn)) return false;
      this.#facts = binding.facts(this.#conn);
      this.#judged = this.#facts.peer.generation;
      clearTimeout(this.#timer);
      this.emit('connect');
      this.emit('secureConnect');
    }
    return this.#writeSome() || this.#readSome();
  }

  #writeSome() {
    const out = this.#outgoing;
    if (out === undefined || this.destroyed) return false;
    const count = binding.write(this.#conn, out.data, out.offset);
    out.offset += count;
    this.#send();
    if (out.offset < out.data.length) return count > 0;
    if (this.#raw.writableNeedDrain) return false; // 'drain' comes back here
    this.#outgoing = undefined;
    out.done();
    return true;
  }

  #readSome() {
    if (!this.#wanted || this.#ended || this.destroyed) return false;
    const count = binding.read(this.#conn, this.#buffer);
    if (count === 0) return false;
    if (count < 0) {
      this.#ended = true;
      this.push(null);
      return false;
    }
    this.#wanted = this.push(Buffer.from(this.#buffer.subarray(0, count)));
    return true;
  }

  #send() {
    while (!this.#released) {
      const count = binding.drain(this.#conn, this.#buffer);
      if (count === 0) return;
      this.#raw.write(Buffer.from(this.#buffer.subarray(0, count)));
    }
  }

  _read() {
    this.#wanted = true;
    this.#run();
  }

  _write(data, _encoding, done) {
    if (data.length === 0) {
      done();
      return;
    }
    this.#outgoing = { data, offset: 0, done };
    this.#run();
  }

  _final(done) {
    try {
      binding.finish(this.#conn);
      this.#send();
      done();
    } catch (error) {
      done(error);
    }
  }

  _destroy(error, done) {
    clearTimeout(this.#timer);
    try {
      if (this.#facts && !error) binding.finish(this.#conn);
      this.#send();
    } catch {
      // It could not say goodbye.
    }
    this.#released = true;
    binding.release(this.#conn);
    if (this.#raw.connecting) this.#raw.destroy();
    else this.#raw.destroySoon();
    done(error);
  }

  // Every call from now on fails with TRUST_ERR_CANCELLED.
  cancel() {
    if (this.destroyed) return;
    binding.cancel(this.#conn);
    this.destroy(failure(STATUS.CANCELLED,
      `the connection to ${this.host}:${this.port} was cancelled`));
  }

  // Throws if the peer would not be trusted now. For a connection that was idle; costs next to
  // nothing while nothing new was published.
  judgeAgain() {
    const generation = this.#store.refresh();
    if (generation === this.#judged) return;
    this.#store.verify(this.host, this.port, this.#facts.peer.path, this.#config);
    this.#judged = generation;
  }

  get peer() { return this.#facts?.peer; }
  get tlsVersion() { return this.#facts?.tlsVersion; }
  get cipher() { return this.#facts?.cipher; }
  get alpnProtocol() { return this.#facts?.alpn || false; }
  get resumed() { return this.#facts?.resumed ?? false; }
  get authorized() { return this.#facts !== undefined; }

  // What http wants of a socket.
  get connecting() { return this.#facts === undefined; }
  get remoteAddress() { return this.#raw.remoteAddress; }
  get remoteFamily() { return this.#raw.remoteFamily; }
  get remotePort() { return this.#raw.remotePort; }
  get localAddress() { return this.#raw.localAddress; }
  get localPort() { return this.#raw.localPort; }
  get timeout() { return this.#raw.timeout; }
  address() { return this.#raw.address(); }
  setTimeout(ms, listener) {
    if (listener) this.once('timeout', listener);
    this.#raw.setTimeout(ms);
    return this;
  }
  setNoDelay(on) { this.#raw.setNoDelay(on); return this; }
  setKeepAlive(on, delay) { this.#raw.setKeepAlive(on, delay); return this; }
  ref() { this.#raw.ref(); return this; }
  unref() { this.#raw.unref(); return this; }
  destroySoon() {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }
}

const OURS = ['cert', 'key', 'pfx'];

// For https.request and all that is built on it. `store` and `config` are ours, the rest is
// https.Agent's. rejectUnauthorized is not looked at: verification cannot be turned off.
class Agent extends https.Agent {
  #store;
  #config;
  #swept;

  constructor({ store, config: settings, ...options } = {}) {
    for (const name of OURS) {
      if (options[name] !== undefined) {
        throw new TypeError(`give ${name} to the agent's config: { config: { cert, key } }`);
      }
    }
    super(options);
    this.#store = store ?? defaultStore();
    this.#config = config(settings);
    this.#swept = this.#store.generation;
  }

  createConnection(options, callback) {
    for (const name of OURS) {
      if (options[name] !== undefined) {
        throw new TypeError(`give ${name} to the agent's config: { config: { cert, key } }`);
      }
    }
    const host = options.host.replace(/^\[(.*)\]$/, '$1');
    const port = Number(options.port);
    const { localAddress, lookup, family } = options;
    try {
      const socket = new TrustSocket(this.#store, { host, port, localAddress, lookup, family },
        this.#config);
      socket.agentOptions = options;
      return socket;
    } catch (error) {
      process.nextTick(callback, error);
      return undefined;
    }
  }

  addRequest(request, ...rest) {
    this.#sweep();
    return super.addRequest(request, ...rest);
  }

  // Idle connections are used again only while the store still says so.
  #sweep() {
    let generation;
    try {
      generation = this.#store.refresh();
    } catch {
      generation = undefined; // cannot be read: none is used, and a new one says why
    }
    if (generation !== undefined && generation === this.#swept) return;
    for (const socket of Object.values(this.freeSockets).flat()) {
      try {
        socket.judgeAgain();
      } catch {
        socket.destroy();
        this.removeSocket(socket, socket.agentOptions);
      }
    }
    this.#swept = generation;
  }
}

module.exports = {
  Agent, Config, STATUS, Store, TrustError, TrustSocket, defaultStore, version: binding.version,
};
