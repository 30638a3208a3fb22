import { FerryError } from '../errors.js';
import type { Said } from './etcd-gateway.js';
import { decodeOwnerRecord, type OwnerRecord } from './owner-record.js';
import type { LeaseView } from './swap.js';

/** Two keys of a guest, as JSON has bytes: base64. */
export interface EtcdKeys {
  /** The owner record; durable. */
  readonly owner: string;
  /** Who is alive: there under its lease only. */
  readonly alive: string;
}

/** What the engine has of a guest at one moment. */
export interface EtcdLook {
  readonly view: LeaseView;
  /** Of `alive`: higher after each change of it, 0 where it is not there. */
  readonly aliveRevision: bigint;
  /** Whose claim is alive: see `aliveValue`. */
  readonly alive: string | undefined;
}

export type EtcdChanged =
  | { readonly succeeded: true; readonly revision: bigint }
  | { readonly succeeded: false; readonly look: EtcdLook };

export function etcdKeys(prefix: string, guest: string): EtcdKeys {
  const folder = `${prefix}/${guest}/`;
  return { owner: base64(`${folder}owner`), alive: base64(`${folder}alive`) };
}

/** Generation and claim: a process that lost the same generation does not take another's lease for its own. */
export function aliveValue({ generation, claim }: OwnerRecord): string {
  return `${generation} ${claim}`;
}

/** Reads both keys at one moment: a transaction that only reads is linearizable. */
export function lookRequest(keys: EtcdKeys): Said {
  return { success: looks(keys) };
}

/** Makes `changes` where both keys are as `look` has them, else looks again: what is late, or comes twice, changes nothing. */
export function changeRequest(keys: EtcdKeys, look: EtcdLook, changes: readonly Said[]): Said {
  const isStill = (key: string, revision: bigint): Said => ({
    ...{ key, target: 'MOD', result: 'EQUAL', mod_revision: `${revision}` },
  });
  return {
    compare: [isStill(keys.owner, look.view.revision), isStill(keys.alive, look.aliveRevision)],
    success: changes,
    failure: looks(keys),
  };
}

export function putOwner({ owner: key }: EtcdKeys, record: Uint8Array): Said {
  return { request_put: { key, value: base64(record) } };
}

export function putAlive({ alive: key }: EtcdKeys, value: string, lease: bigint): Said {
  return { request_put: { key, value: base64(value), lease: `${lease}` } };
}

export function deleteAlive({ alive: key }: EtcdKeys): Said {
  return { request_delete_range: { key } };
}

/** ERR_LEASE_UNKNOWN for an answer that is none, here and below. */
export function lookOf(keys: EtcdKeys, { responses }: Said): EtcdLook {
  if (!Array.isArray(responses) || responses.length !== 2) throw strange('no two responses');
  const owner = found(keys.owner, responses[0]);
  const alive = found(keys.alive, responses[1]);
  const text = alive && Buffer.from(alive.value).toString('latin1');
  const generation = text === undefined ? undefined : /^([1-9]\d{0,19}) [0-9a-f]{32}$/.exec(text);
  if (generation === null) throw strange('an owner alive that is none');
  return {
    view: {
      revision: owner?.revision ?? 0n,
      record: owner && decodeOwnerRecord(owner.value),
      alive: generation && BigInt(generation[1] as string),
    },
    aliveRevision: alive?.revision ?? 0n,
    alive: text,
  };
}

export function changedOf(keys: EtcdKeys, said: Said): EtcdChanged {
  const { succeeded, header } = said;
  if (succeeded !== true) return { succeeded: false, look: lookOf(keys, said) };
  return { succeeded, revision: int64(Object(header)['revision']) };
}

/** A positive int64, which JSON has as text. */
export function int64(value: unknown): bigint {
  if (typeof value !== 'string' || !/^[1-9]\d{0,18}$/.test(value)) throw strange('no number');
  return BigInt(value);
}

function looks({ owner, alive }: EtcdKeys): readonly Said[] {
  return [owner, alive].map((key) => ({ request_range: { key } }));
}

function found(
  key: string,
  response: unknown,
): { readonly revision: bigint; readonly value: Uint8Array } | undefined {
  const range = Object(response)['response_range'];
  if (typeof range !== 'object' || range === null) throw strange('no range');
  // What is empty is left out.
  const { kvs = [] } = range;
  if (!Array.isArray(kvs) || kvs.length > 1) throw strange('more than one key');
  if (kvs.length === 0) return undefined;
  const { key: which, value, mod_revision: revision } = Object(kvs[0]);
  if (which !== key || typeof value !== 'string') throw strange('another key, or no value');
  return { revision: int64(revision), value: Buffer.from(value, 'base64') };
}

function base64(value: string | Uint8Array): string {
  return Buffer.from(value).toString('base64');
}

function strange(what: string): FerryError {
  return new FerryError('ERR_LEASE_UNKNOWN', `etcd answered with ${what}`);
}
