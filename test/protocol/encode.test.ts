import { describe, expect, it } from 'vitest';
import {
  decodeMessage,
  encodeMessage,
  type Message,
  maxTextBytes,
  type OfferedRegion,
} from '../../src/protocol/index.js';
import { examples, exampleOrder as order } from '../reference/examples.js';

const region: OfferedRegion = { id: 0, name: 'memory', byteLength: 1, maxByteLength: 1 };
const entry = { index: 1, hash: 0n };

describe('encoding', () => {
  it.each<[string, Message]>([
    ['a session of the wrong length', { ...examples.HELLO, session: new Uint8Array(15) }],
    ['a channel that version 1 does not have', { ...examples.HELLO, channel: 1 }],
    ['versions the wrong way round', { ...examples.HELLO, minVersion: 2 }],
    ['a number that does not fit', { ...examples.PING, token: 2 ** 32 }],
    ['a number that is no integer', { ...examples.PING, token: 0.5 }],
    ['a size that is not safe', { ...examples.ACK, appliedBytes: 2 ** 53 }],
    ['a negative size', { ...examples.REGION, byteLength: -2 }],
    ['a duration without end', { ...examples.OFFER, maxDowntimeMs: Number.POSITIVE_INFINITY }],
    ['a name of 256 bytes', { ...examples.REGION, name: 'é'.repeat(128) }],
    ['a name with half a surrogate pair', { ...examples.REGION, name: 'a\ud800' }],
    ['too many bases', { type: 'ACCEPT', bases: Array(4097).fill('zero') }],
    ['a region twice', { ...examples.OFFER, regions: [region, region] }],
    ['a region above its maximum', { ...examples.OFFER, regions: [{ ...region, byteLength: 2 }] }],
    ['hashes out of order', { ...examples.HASHES, entries: [entry, entry] }],
    ['a hash beyond 64 bits', { ...examples.HASHES, entries: [{ index: 1, hash: 2n ** 64n }] }],
    ['leaves out of order', { ...examples.HASHES_REQUEST, leaves: [2, 1] }],
    ['no digest', { ...examples.HELD, digests: new Uint8Array() }],
    ['half a digest', { ...examples.HELD, digests: new Uint8Array(24) }],
    ['too many digests', { ...examples.HELD, digests: new Uint8Array(2049 * 16) }],
    ['a request for no range', { ...examples.HELD_REQUEST, ranges: [] }],
    ['ranges out of order', { ...examples.HELD_REQUEST, ranges: [2, 1] }],
    ['state beyond its end', { ...examples.STATE, offset: 7 }],
    [
      'too large a piece of state',
      { ...examples.STATE, offset: 0, totalBytes: 1e6, bytes: new Uint8Array(65_537) },
    ],
    ['a digest of the wrong length', { ...examples.READY, digest: new Uint8Array(31) }],
    ['pages without a table', { ...examples.PAGES, tableBytes: 0 }],
  ])('refuses %s as the mistake of its caller', (_, message) => {
    expect(() => encodeMessage(message, order)).toThrow(RangeError);
  });

  it('refuses an offer whose regions do not fit one frame', () => {
    const regions = Array.from({ length: 4096 }, (_, id) => ({
      ...region,
      id,
      name: 'x'.repeat(99),
    }));
    expect(() => encodeMessage({ ...examples.OFFER, regions }, order)).toThrow(RangeError);
  });

  it('cuts a long text between two characters', () => {
    const text = `x${'🚢'.repeat(300)}`;
    const { message } = decodeMessage(encodeMessage({ ...examples.FAILED, text }, order));
    expect(message).toEqual({ ...examples.FAILED, text: `x${'🚢'.repeat(255)}` });
    expect(1 + 255 * 4).toBeLessThanOrEqual(maxTextBytes);
  });

  it('replaces what is no character in a text', () => {
    const { message } = decodeMessage(
      encodeMessage({ ...examples.FAILED, text: 'a\ud800' }, order),
    );
    expect(message).toMatchObject({ text: 'a\ufffd' });
  });
});
