import { FerryError } from '../errors.js';
import { EtcdGateway } from './etcd-gateway.js';
import {
  aliveValue,
  changedOf,
  changeRequest,
  deleteAlive,
  type EtcdChanged,
  type EtcdKeys,
  type EtcdLook,
  etcdKeys,
  int64,
  lookOf,
  lookRequest,
  putAlive,
  putOwner,
} from './etcd-keys.js';
import { type EtcdOptions, resolveEtcdOptions } from './etcd-options.js';
import { watchEtcd } from './etcd-watch.js';
import { encodeOwnerRecord } from './owner-record.js';
import type { LeaseProvider } from './provider.js';
import type { Renewal } from './renewal.js';
import type { LeaseView, Swap, SwapOutcome } from './swap.js';

const guestPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const lastRevision = 2n ** 63n - 1n;
/** Claims of one guest that are remembered. */
const mostClaims = 16;

/**
 * Leases in etcd v3, for owners on many machines. Each lease is granted once and never kept alive: a renewal is a new one, and a change that puts `alive` under it. Grants and changes
 * go through the cluster's log; a keepalive goes to whoever takes itself for the leader, which may say yes for a lease that the next leader ends earlier.
 */
export class EtcdLeases implements LeaseProvider {
  readonly ttlMs: number;
  readonly #options: EtcdOptions;
  readonly #timeoutMs: number;
  readonly #prefix: string;
  readonly #gateway: EtcdGateway;
  /** What `alive` has where it is of this process, by guest. */
  readonly #ours: Map<string, Set<string>> = new Map();
  readonly #closing: AbortController = new AbortController();

  /** RangeError for options that cannot be. Nothing is asked yet. */
  constructor(options: EtcdOptions) {
    const { ttlMs, timeoutMs, prefix, ...access } = resolveEtcdOptions(options);
    this.ttlMs = ttlMs;
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    this.#prefix = prefix;
    this.#gateway = new EtcdGateway(access);
  }

  async read(guest: string): Promise<LeaseView> {
    return (await this.#look(this.#keysOf(guest), this.#until())).view;
  }

  async swap(guest: string, { expected, record, unlessAlive }: Swap): Promise<SwapOutcome> {
    const keys = this.#keysOf(guest);
    const bytes = encodeOwnerRecord(record);
    if (expected < 0n || expected > lastRevision) throw new RangeError(`revision ${expected}`);
    const alive = aliveValue(record);
    const until = this.#until();
    const [lease, first] = await Promise.all([this.#grant(until), this.#look(keys, until)]);
    this.#remember(guest, alive);
    let look = first;
    // Another round only where a lease was renewed, or ran out, between the look and the change.
    while (look.view.revision === expected && !(unlessAlive && look.alive !== undefined)) {
      const changes = [putOwner(keys, bytes), putAlive(keys, alive, lease)];
      const changed = await this.#change(keys, look, changes, until);
      if (changed.succeeded) return { type: 'won', revision: changed.revision };
      look = changed.look;
    }
    return { type: 'lost', view: look.view };
  }

  async renew(guest: string, generation: bigint): Promise<boolean> {
    const keys = this.#keysOf(guest);
    const until = this.#until();
    const [lease, first] = await Promise.all([this.#grant(until), this.#look(keys, until)]);
    return this.#whileOurs(guest, generation, keys, first, until, (alive) =>
      putAlive(keys, alive, lease),
    );
  }

  renewal(guest: string, generation: bigint): Renewal | undefined {
    const ours = [...(this.#ours.get(guest) ?? [])];
    const alive = ours.findLast((each) => each.startsWith(`${generation} `));
    if (alive === undefined) return undefined;
    return { engine: 'etcd', generation, options: this.#options, guest, alive };
  }

  /** Takes what `alive` has for its own, as another thread of this process made it. */
  adopt(guest: string, alive: string): void {
    this.#remember(guest, alive);
  }

  async resign(guest: string, generation: bigint): Promise<void> {
    const keys = this.#keysOf(guest);
    const until = this.#until();
    const first = await this.#look(keys, until);
    await this.#whileOurs(guest, generation, keys, first, until, () => deleteAlive(keys));
  }

  watch(guest: string, onChange: () => void): () => void {
    const keys = this.#keysOf(guest);
    const ending = new AbortController();
    const end = (): void => ending.abort();
    this.#closing.signal.addEventListener('abort', end);
    if (this.#closing.signal.aborted) end();
    void watchEtcd(this.#gateway, keys, this.ttlMs, ending.signal, onChange);
    return () => {
      this.#closing.signal.removeEventListener('abort', end);
      end();
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#gateway.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Changes `alive` if it is of this process and of that generation. Whatever is still on its way for the same one changes nothing any more. */
  async #whileOurs(
    guest: string,
    generation: bigint,
    keys: EtcdKeys,
    first: EtcdLook,
    until: number,
    change: (alive: string) => ReturnType<typeof putAlive>,
  ): Promise<boolean> {
    let look = first;
    for (;;) {
      const { alive, view } = look;
      const isOurs = alive !== undefined && this.#ours.get(guest)?.has(alive);
      if (!isOurs || view.alive !== generation) return false;
      const changed = await this.#change(keys, look, [change(alive)], until);
      if (changed.succeeded) return true;
      look = changed.look;
    }
  }

  async #look(keys: EtcdKeys, until: number): Promise<EtcdLook> {
    return lookOf(keys, await this.#gateway.ask('kv/txn', lookRequest(keys), until));
  }

  async #change(
    keys: EtcdKeys,
    look: EtcdLook,
    changes: Parameters<typeof changeRequest>[2],
    until: number,
  ): Promise<EtcdChanged> {
    const request = changeRequest(keys, look, changes);
    return changedOf(keys, await this.#gateway.askOnce('kv/txn', request, until));
  }

  /** A lease that begins when this was called at the earliest, and lasts for `ttlMs` from then on at least. Nobody asks for its end: it has one. */
  async #grant(until: number): Promise<bigint> {
    const seconds = this.ttlMs / 1000;
    const said = await this.#gateway.ask('lease/grant', { TTL: `${seconds}` }, until);
    if (int64(said['TTL']) < BigInt(seconds)) {
      throw new FerryError('ERR_LEASE_UNKNOWN', `etcd grants ${String(said['TTL'])} seconds`);
    }
    return int64(said['ID']);
  }

  #remember(guest: string, alive: string): void {
    const ours = this.#ours.get(guest) ?? new Set();
    // The latest one is the last one.
    ours.delete(alive);
    ours.add(alive);
    for (const oldest of ours) {
      if (ours.size <= mostClaims) break;
      ours.delete(oldest);
    }
    this.#ours.set(guest, ours);
  }

  #keysOf(guest: string): EtcdKeys {
    if (typeof guest !== 'string' || !guestPattern.test(guest)) throw new RangeError('no guest');
    return etcdKeys(this.#prefix, guest);
  }

  #until(): number {
    return performance.now() + this.#timeoutMs;
  }
}
