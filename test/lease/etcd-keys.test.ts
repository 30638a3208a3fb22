import { describe, expect, it } from 'vitest';
import { changedOf, changeRequest, etcdKeys, lookOf } from '../../src/lease/etcd-keys.js';
import { encodeOwnerRecord } from '../../src/lease/owner-record.js';
import { claimOf, recordOf } from './records.js';

const keys = etcdKeys('pageferry', 'guest');
/** Beyond what a number tells apart. */
const revision = 9_007_199_254_740_993n;
const record = recordOf('a#1', 2n ** 64n - 1n);

function ranges(owner: unknown[], alive: unknown[]): { responses: unknown[] } {
  return { responses: [owner, alive].map((kvs) => ({ response_range: { kvs } })) };
}

function kv(key: string, value: string | Uint8Array, mod: unknown = `${revision}`): unknown {
  return { key, value: Buffer.from(value).toString('base64'), mod_revision: mod };
}

const owner = kv(keys.owner, encodeOwnerRecord(record));

describe('what etcd says of a guest', () => {
  it('keeps every digit of a revision and of a generation, there and back', () => {
    const alive = kv(keys.alive, `${record.generation} ${claimOf(1)}`);
    const look = lookOf(keys, ranges([owner], [alive]));
    expect(look).toMatchObject({
      view: { revision, record, alive: record.generation },
      aliveRevision: revision,
    });
    const { compare } = changeRequest(keys, look, []);
    expect(compare).toMatchObject([
      { key: keys.owner, mod_revision: '9007199254740993' },
      { key: keys.alive, mod_revision: '9007199254740993' },
    ]);
    const said = { succeeded: true, header: { revision: `${revision}` } };
    expect(changedOf(keys, said)).toEqual({ succeeded: true, revision });
  });

  it.each<[string, { responses?: unknown }]>([
    ['one response', { responses: [{ response_range: {} }] }],
    ['responses of another kind', { responses: [{ response_put: {} }, { response_range: {} }] }],
    ['two owners', ranges([owner, owner], [])],
    ['another key', ranges([kv(keys.alive, encodeOwnerRecord(record))], [])],
    ['a revision that is a number', ranges([kv(keys.owner, encodeOwnerRecord(record), 7)], [])],
    ['no revision', ranges([kv(keys.owner, encodeOwnerRecord(record), '0')], [])],
    ['a record that is none', ranges([kv(keys.owner, '{}')], [])],
    ['somebody alive without a claim', ranges([owner], [kv(keys.alive, '7')])],
  ])('is ERR_LEASE_UNKNOWN where it is %s', (_, said) => {
    expect(() => lookOf(keys, said)).toThrow(
      expect.objectContaining({ code: 'ERR_LEASE_UNKNOWN' }),
    );
    expect(() => changedOf(keys, said)).toThrow(
      expect.objectContaining({ code: 'ERR_LEASE_UNKNOWN' }),
    );
  });
});
