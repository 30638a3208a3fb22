import { describe, expect, it } from 'vitest';
import { low32 } from '../../src/core/checksum.js';
import { FerryError } from '../../src/errors.js';
import { encodeMessage, headerBytes, readHeader, sealFrame } from '../../src/protocol/index.js';
import { examples, exampleOrder as order } from '../reference/examples.js';

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof FerryError) return error.code;
    throw error;
  }
  return 'no error';
}

/** A header that was meant as it is: `edit` applied to that of PAGES, its check made right again. */
function meant(edit: (header: DataView) => void): Uint8Array {
  const frame = encodeMessage(examples.PAGES, order);
  const view = new DataView(frame.buffer);
  edit(view);
  view.setUint32(28, low32(frame.subarray(0, 28)), true);
  return frame;
}

/** Sets fields of the header. */
function lies(fields: { type?: number; flags?: number; body?: number; raw?: number }) {
  return (header: DataView): void => {
    const { type, flags, body, raw } = fields;
    if (type !== undefined) header.setUint8(3, type);
    if (type !== undefined) header.setUint16(6, 0, true);
    if (flags !== undefined) header.setUint16(4, flags, true);
    if (body !== undefined) header.setUint32(8, body, true);
    if (raw !== undefined) header.setUint32(12, raw, true);
  };
}

describe('the header', () => {
  it('is read as it was sealed', () => {
    const frame = new Uint8Array(headerBytes + 100);
    const fields = { type: 'PAGES', flags: 1, tableBytes: 9, rawBytes: 100, ...order } as const;
    sealFrame(frame, fields);
    expect(readHeader(frame)).toEqual({ version: 1, bodyBytes: 100, checksum: 0n, ...fields });
  });

  it('of a compressed body says what it becomes', () => {
    const frame = new Uint8Array(headerBytes + 100);
    sealFrame(frame, { type: 'PAGES', tableBytes: 120, rawBytes: 5000, ...order });
    const { flags, tableBytes, rawBytes, bodyBytes } = readHeader(frame);
    expect({ flags, tableBytes, rawBytes, bodyBytes }).toEqual({
      flags: 2,
      tableBytes: 120,
      rawBytes: 5000,
      bodyBytes: 100,
    });
  });

  it('is sealed in place, wherever the frame lies', () => {
    const area = new Uint8Array(200).fill(0xcc);
    const frame = area.subarray(3, 3 + headerBytes + 10);
    sealFrame(frame, { type: 'PAGES', tableBytes: 3, ...order });
    const { bodyBytes, type } = readHeader(frame);
    expect([bodyBytes, type]).toEqual([10, 'PAGES']);
    expect(area.subarray(0, 3)).toEqual(Uint8Array.of(0xcc, 0xcc, 0xcc));
    expect(area.subarray(43)).toEqual(new Uint8Array(157).fill(0xcc));
  });

  it.each<[string, string, (header: DataView) => void]>([
    ['a type nobody knows', 'ERR_UNEXPECTED_MESSAGE', (header) => header.setUint8(3, 200)],
    ['type 0', 'ERR_UNEXPECTED_MESSAGE', (header) => header.setUint8(3, 0)],
    ['a flag nobody knows', 'ERR_UNSUPPORTED', (header) => header.setUint16(4, 4, true)],
    ['a body over its limit', 'ERR_FRAME_TOO_LARGE', (header) => header.setUint32(8, ~0, true)],
    ['a body under its limit', 'ERR_FRAME_CORRUPT', (header) => header.setUint32(8, 2, true)],
    ['more before compression, where there is none', 'ERR_FRAME_CORRUPT', lies({ raw: 99 })],
    ['a compressed body that is no smaller', 'ERR_FRAME_CORRUPT', lies({ flags: 2 })],
    ['a compressed body of too much', 'ERR_FRAME_CORRUPT', lies({ flags: 2, raw: 593_920 })],
    ['a compressed PING', 'ERR_FRAME_CORRUPT', lies({ type: 12, flags: 2, body: 4, raw: 5 })],
    ['a run table of no bytes', 'ERR_FRAME_CORRUPT', (header) => header.setUint16(6, 0, true)],
    ['a table beyond the body', 'ERR_FRAME_CORRUPT', (header) => header.setUint16(6, 14, true)],
    ['the version after this', 'ERR_VERSION', (header) => header.setUint8(2, 2)],
    ['another magic', 'ERR_NOT_A_PEER', (header) => header.setUint16(0, 1, true)],
  ])('is refused with %s: %s', (_, code, edit) => {
    expect(codeOf(() => readHeader(meant(edit)))).toBe(code);
  });

  it('is refused with a run table where there are no pages', () => {
    const frame = encodeMessage(examples.PING, order);
    const view = new DataView(frame.buffer);
    view.setUint16(6, 1, true);
    view.setUint32(28, low32(frame.subarray(0, 28)), true);
    expect(codeOf(() => readHeader(frame))).toBe('ERR_FRAME_CORRUPT');
  });

  it('cannot be sealed with what the receiver would refuse', () => {
    const seal = (bytes: number, fields: object) => () =>
      sealFrame(new Uint8Array(bytes), { type: 'PAGES', tableBytes: 3, ...order, ...fields });
    expect(seal(60, {})).not.toThrow();
    expect(seal(39, {})).toThrow(RangeError);
    expect(seal(42, {})).toThrow(RangeError);
    expect(seal(700_000, {})).toThrow(RangeError);
    expect(seal(60, { tableBytes: 0 })).toThrow(RangeError);
    expect(seal(60, { tableBytes: 21 })).toThrow(RangeError);
    expect(seal(60, { flags: 4 })).toThrow(RangeError);
    expect(seal(60, { flags: 2 })).toThrow(RangeError);
    expect(seal(60, { rawBytes: 19 })).toThrow(RangeError);
    expect(seal(60, { rawBytes: 21 })).not.toThrow();
    expect(seal(60, { seq: -1 })).toThrow(RangeError);
    expect(seal(60, { round: 2 ** 32 })).toThrow(RangeError);
    expect(seal(60, { attempt: 0.5 })).toThrow(RangeError);
  });
});
