/// <reference types="node" />
import * as https from 'node:https';
import { Duplex } from 'node:stream';

/** What a peer presented and how it was judged. Times are Unix seconds. */
export interface Peer {
  readonly host: string;
  readonly port: number;
  /** 0 nothing, 1 a system root, 2 an added root, 3 this very certificate. */
  readonly trustedBy: 0 | 1 | 2 | 3;
  /** 0 none, 1 match, 2 mismatch, 3 lapsed, 4 reported. */
  readonly pinStatus: 0 | 1 | 2 | 3 | 4;
  readonly generation: number;
  readonly fingerprint: string;
  readonly pin: string;
  readonly subject: string;
  readonly issuer: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly pathNotAfter: number;
  /** DER, leaf first; as presented if it could not be verified. */
  readonly path: readonly Buffer[];
  /** As the REST API writes it. */
  readonly json: string;
}

export interface ConfigOptions {
  /** Name, TCP and handshake together, in milliseconds. 10,000 unless given. */
  connectTimeout?: number;
  /** Verified, announced and looked up in place of the host that is dialled. */
  serverName?: string;
  alpn?: readonly string[];
  minTls?: 12 | 13;
  /** A PEM chain, leaf first, and its PEM key. */
  cert?: string | Buffer;
  key?: string | Buffer;
  passphrase?: string;
  /** Keys of which one must match, besides what the store demands. */
  pins?: readonly string[];
  requirePin?: boolean;
  resumption?: boolean;
}

export class Config {
  constructor(options?: ConfigOptions);
  readonly connectTimeout: number;
}

export interface Pin {
  readonly pin: string;
  readonly note: string;
  readonly expires?: number;
  readonly enforced: boolean;
  readonly backup: boolean;
}

export class TrustError extends Error {
  /** The number of trust.h. */
  readonly status: number;
  /** The constant's name: "TRUST_ERR_EXPIRED". */
  readonly code: string;
  /** One sentence that names the host, certificate or file; `message` is this and the hint. */
  readonly sentence: string;
  readonly hint: string;
  readonly tlsAlert: number;
  readonly peer?: Peer;
  /** The peer was reached but is not trusted. */
  readonly untrusted: boolean;
}

export class TrustSocket extends Duplex {
  private constructor();
  readonly host: string;
  readonly port: number;
  readonly peer?: Peer;
  readonly tlsVersion?: string;
  readonly cipher?: string;
  readonly alpnProtocol: string | false;
  readonly resumed: boolean;
  readonly authorized: boolean;
  readonly encrypted: true;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  cancel(): void;
  /** Throws if the peer would not be trusted now. */
  judgeAgain(): void;
  setTimeout(ms: number, listener?: () => void): this;
  setNoDelay(on?: boolean): this;
  setKeepAlive(on?: boolean, delay?: number): this;
  ref(): this;
  unref(): this;
}

export class Store {
  /** Without a directory: $TRUSTD_STORE, else the user's store, else the machine's. */
  constructor(directory?: string);
  readonly generation: number;
  readonly directory: string;
  readonly bundlePath: string;
  readonly environment: Record<string, string>;
  refresh(): number;
  pins(host: string, port: number): Pin[];
  verify(host: string, port: number, chain: string | Buffer | readonly Buffer[],
    options?: Config | ConfigOptions): Peer;
  connect(host: string, port?: number,
    options?: ConfigOptions & { signal?: AbortSignal }): Promise<TrustSocket>;
}

export interface AgentOptions extends Omit<https.AgentOptions, 'cert' | 'key' | 'pfx'> {
  store?: Store;
  config?: Config | ConfigOptions;
}

export class Agent extends https.Agent {
  constructor(options?: AgentOptions);
}

export const STATUS: Readonly<Record<'RESOLVE' | 'CONNECT' | 'TIMEOUT' | 'IO' | 'CANCELLED'
  | 'TRUNCATED' | 'PIN_MISMATCH' | 'DISTRUSTED' | 'STATE', number>>;
export function defaultStore(): Store;
export function version(): string;
