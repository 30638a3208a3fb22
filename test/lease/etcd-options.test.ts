import { describe, expect, it } from 'vitest';
import { EtcdLeases } from '../../src/lease/etcd.js';
import type { EtcdOptions } from '../../src/lease/etcd-options.js';
import { recordOf } from './records.js';

const endpoints = ['http://127.0.0.1:9'];
const secure = ['https://127.0.0.1:9'];

describe('options of leases in etcd', () => {
  it.each<[string, Partial<EtcdOptions>]>([
    ['no endpoint', { endpoints: [] }],
    ['too many', { endpoints: Array(17).fill(endpoints[0]) }],
    ['no URL', { endpoints: ['etcd'] }],
    ['another scheme', { endpoints: ['ftp://127.0.0.1:9'] }],
    ['a path', { endpoints: ['http://127.0.0.1:9/v3'] }],
    ['a password in the URL', { endpoints: ['http://u:p@127.0.0.1:9'] }],
    ['a prefix that etcd’s own tools would not show', { prefix: 'a\n' }],
    ['no prefix', { prefix: '' }],
    ['a part of a second', { ttlMs: 2500 }],
    ['less than etcd grants', { ttlMs: 1000 }],
    ['no time', { ttlMs: Number.NaN }],
    ['a call longer than a lease', { timeoutMs: 10_001 }],
    ['no time for a call', { timeoutMs: 0 }],
    ['a user without a password', { user: 'holder' }],
    ['a password without a user', { password: 'secret' }],
    ['a certificate without a key', { endpoints: secure, tls: { cert: '' } }],
    ['TLS for what has none', { endpoints: [...secure, ...endpoints], tls: {} }],
  ])('cannot be: %s', (_, wrong) => {
    expect(() => new EtcdLeases({ endpoints, ...wrong })).toThrow(RangeError);
  });

  it('cannot be: guests, records and revisions of no kind, and nothing is asked', async () => {
    await using leases = new EtcdLeases({ endpoints });
    const swap = { expected: 0n, record: recordOf('a#1'), unlessAlive: false };
    for (const guest of ['', '.a', 'a/b', 'a'.repeat(65), 'ä']) {
      await expect(leases.read(guest)).rejects.toThrow(RangeError);
      await expect(leases.swap(guest, swap)).rejects.toThrow(RangeError);
      await expect(leases.renew(guest, 1n)).rejects.toThrow(RangeError);
      await expect(leases.resign(guest, 1n)).rejects.toThrow(RangeError);
      expect(() => leases.watch(guest, () => {})).toThrow(RangeError);
    }
    const nobodys = { ...swap, record: { ...swap.record, inSync: [] } };
    await expect(leases.swap('a', nobodys)).rejects.toThrow(RangeError);
    await expect(leases.swap('a', { ...swap, expected: -1n })).rejects.toThrow(RangeError);
    await expect(leases.swap('a', { ...swap, expected: 2n ** 63n })).rejects.toThrow(RangeError);
  });
});
