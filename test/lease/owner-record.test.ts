import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import {
  claimed,
  decodeOwnerRecord,
  encodeOwnerRecord,
  handedOver,
  type OwnerRecord,
  withInSync,
} from '../../src/lease/owner-record.js';

const claim = '0123456789abcdef0123456789abcdef';
const first: OwnerRecord = { owner: 'a#1', generation: 1n, inSync: ['a#1', 'b#2'], claim };

function bytesOf(said: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(said));
}

describe('an owner record', () => {
  it('is read as it was written', () => {
    const member = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,10}(#[0-9a-f]{1,16})?$/);
    fc.assert(
      fc.property(
        member,
        fc.array(member, { maxLength: 8 }),
        fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
        (owner, others, generation) => {
          const record = withInSync({ owner, generation, inSync: [], claim }, others);
          expect(decodeOwnerRecord(encodeOwnerRecord(record))).toEqual(record);
        },
      ),
    );
  });

  it('has these bytes', () => {
    expect(new TextDecoder().decode(encodeOwnerRecord(first))).toBe(
      `{"version":1,"owner":"a#1","generation":"1","inSync":["a#1","b#2"],"claim":"${claim}"}`,
    );
  });

  const said = { version: 1, owner: 'a', generation: '1', inSync: ['a'], claim };
  it.each([
    ['nothing', new Uint8Array()],
    ['no object', bytesOf(7)],
    ['null', bytesOf(null)],
    ['bytes that are no text', Uint8Array.of(0x22, 0xff, 0x22)],
    ['another version', bytesOf({ ...said, version: 2 })],
    ['a member that nobody knows', bytesOf({ ...said, more: 1 })],
    ['a generation that is a number', bytesOf({ ...said, generation: 1 })],
    ['generation 0', bytesOf({ ...said, generation: '0' })],
    ['generation 2^64', bytesOf({ ...said, generation: '18446744073709551616' })],
    ['no owner', bytesOf({ ...said, owner: '' })],
    ['an owner that is a path', bytesOf({ ...said, owner: '../a', inSync: ['../a'] })],
    ['an owner that is not in sync', bytesOf({ ...said, inSync: ['b'] })],
    ['members out of order', bytesOf({ ...said, inSync: ['b', 'a'] })],
    ['a member twice', bytesOf({ ...said, inSync: ['a', 'a'] })],
    ['members that are no list', bytesOf({ ...said, inSync: 'a' })],
    ['17 members', bytesOf({ ...said, inSync: [...'abcdefghijklmnopq'] })],
    ['no claim', bytesOf({ ...said, claim: 'x' })],
    ['too many bytes', bytesOf({ ...said, claim: ' '.repeat(5000) })],
  ])('is refused with a code where it is %s', (_, bytes) => {
    const decode = () => decodeOwnerRecord(bytes);
    expect(decode).toThrow(expect.objectContaining({ code: 'ERR_LEASE_UNKNOWN' }));
  });

  it('gives nothing but coded errors for any bytes', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => new TextEncoder().encode(text)),
        ),
        (bytes) => {
          try {
            decodeOwnerRecord(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(FerryError);
          }
        },
      ),
    );
  });

  it('cannot be written if it could not be read', () => {
    expect(() => encodeOwnerRecord({ ...first, inSync: ['b#2'] })).toThrow(RangeError);
    expect(() => encodeOwnerRecord({ ...first, generation: 2n ** 64n })).toThrow(RangeError);
  });

  it('names who was in sync before after a takeover, and not the source after a handover', () => {
    expect(claimed(first, 'b#2', claim)).toEqual({
      ...{ owner: 'b#2', generation: 2n, inSync: ['a#1', 'b#2'], claim },
    });
    expect(handedOver(first, 'c', claim)).toEqual({
      ...{ owner: 'c', generation: 2n, inSync: ['b#2', 'c'], claim },
    });
    expect(handedOver(first, 'a#1', claim).inSync).toEqual(['a#1', 'b#2']);
    expect(claimed(undefined, 'a', claim)).toMatchObject({ generation: 1n, inSync: ['a'] });
  });
});
