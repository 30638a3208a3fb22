import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import {
  bodyLimits,
  decodeMessage,
  encodeMessage,
  frameFlag,
  headerBytes,
  type Message,
  type MessageName,
  messageType,
  sealFrame,
} from '../../src/protocol/index.js';
import { anyMessage } from '../reference/arbitraries.js';
import { examples, exampleOrder as order } from '../reference/examples.js';

const names = Object.keys(messageType) as MessageName[];

/** What a body can be refused with; ERR_UNSUPPORTED is HELLO's, for a channel other than 0. */
const refusal = /^ERR_(FRAME_CORRUPT|UNSUPPORTED)$/;

/** What decoding gives: a message, or the code of a FerryError. Anything else thrown fails the test. */
function outcome(frame: Uint8Array): Message | string {
  try {
    return decodeMessage(frame).message;
  } catch (error) {
    if (error instanceof FerryError) return error.code;
    throw error;
  }
}

/** A correctly sealed frame around `body`. */
function sealed(type: MessageName, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerBytes + body.length);
  frame.set(body, headerBytes);
  sealFrame(frame, { type, tableBytes: type === 'PAGES' ? 1 : 0, ...order });
  return frame;
}

/** The example of `type` with `edit` applied to its body, sealed again. */
function edited(type: MessageName, edit: (body: DataView) => void): Uint8Array {
  const body = encodeMessage(examples[type], order).slice(headerBytes);
  edit(new DataView(body.buffer));
  return sealed(type, body);
}

describe('decoding', () => {
  it.each(names)('answers each flipped bit of a %s frame with a coded error', (name) => {
    const frame = encodeMessage(examples[name], order);
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = frame.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(outcome(flipped)).toMatch(/^ERR_(FRAME_CORRUPT|NOT_A_PEER|VERSION)$/);
    }
  });

  it.each(names)('refuses a %s frame that was cut short or has bytes behind it', (name) => {
    const frame = encodeMessage(examples[name], order);
    for (let length = 0; length < frame.length; length++) {
      expect(outcome(frame.slice(0, length))).toBe('ERR_FRAME_CORRUPT');
    }
    expect(outcome(Uint8Array.of(...frame, 0))).toBe('ERR_FRAME_CORRUPT');
  });

  it.each(names)(
    'reads any bytes as a %s body to what writes the same bytes, or refuses',
    (name) => {
      const { min, max } = bodyLimits[name];
      const bodies = fc.uint8Array({ minLength: min, maxLength: Math.min(max, min + 400) });
      fc.assert(
        fc.property(bodies, (body) => {
          const frame = sealed(name, body);
          const result = outcome(frame);
          if (typeof result === 'string') expect(result).toMatch(refusal);
          else expect(outcome(encodeMessage(result, order))).toEqual(result);
        }),
      );
    },
  );

  it('reads a message with some bytes changed to what writes the same bytes, or refuses', () => {
    const changes = fc.array(
      fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(0, 1, 0xff), fc.nat(255))),
      {
        minLength: 1,
        maxLength: 3,
      },
    );
    fc.assert(
      fc.property(anyMessage, changes, (message, edits) => {
        const body = encodeMessage(message, order).slice(headerBytes);
        for (const [where, value] of edits) body[where % body.length] = value;
        if (message.type === 'PAGES') return;
        const frame = sealed(message.type, body);
        const result = outcome(frame);
        if (typeof result === 'string') expect(result).toMatch(refusal);
        else expect(encodeMessage(result, order)).toEqual(frame);
      }),
      { numRuns: 2000 },
    );
  });

  it('answers arbitrary bytes with a coded error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(outcome(bytes)).toMatch(/^ERR_/);
      }),
      { numRuns: 2000 },
    );
  });

  it.each<[string, MessageName, (body: DataView) => void]>([
    ['a count of bases', 'ACCEPT', (body) => body.setUint16(0, 4096, true)],
    ['a count of hashes', 'HASHES', (body) => body.setUint16(6, 4096, true)],
    ['a count of leaves', 'HASHES_REQUEST', (body) => body.setUint16(6, 512, true)],
    ['a count of ranges', 'HELD_REQUEST', (body) => body.setUint16(6, 2048, true)],
    ['a count of features', 'OFFER', (body) => body.setUint8(197, 64)],
    ['a count of regions', 'OFFER', (body) => body.setUint16(198, 4096, true)],
    ['the length of a name', 'REGION', (body) => body.setUint8(12, 255)],
    ['the length of a text', 'REJECT', (body) => body.setUint16(2, 1024, true)],
  ])('refuses %s that promises more than is there', (_, type, edit) => {
    expect(outcome(edited(type, edit))).toBe('ERR_FRAME_CORRUPT');
  });

  it.each<[string, MessageName, (body: DataView) => void]>([
    ['an unknown role', 'HELLO', (body) => body.setUint8(2, 3)],
    ['version 0', 'HELLO', (body) => body.setUint8(0, 0)],
    ['versions the wrong way round', 'HELLO', (body) => body.setUint8(0, 2)],
    ['a reserved byte that is set', 'HELLO', (body) => body.setUint8(3, 1)],
    ['an unknown standing', 'HELLO_ACK', (body) => body.setUint8(1, 0)],
    ['a boolean that is neither', 'OFFER', (body) => body.setUint8(196, 2)],
    ['a size beyond the safe integers', 'OFFER', (body) => body.setUint32(204, 1 << 21, true)],
    ['a negative duration', 'OFFER', (body) => body.setFloat64(208, -1, true)],
    ['a negative zero', 'OFFER', (body) => body.setFloat64(208, -0, true)],
    ['a duration without end', 'OFFER', (body) => body.setFloat64(208, 1 / 0, true)],
    ['a duration that is no number', 'RUNNING', (body) => body.setFloat64(32, Number.NaN, true)],
    ['a name that is not UTF-8', 'REGION', (body) => body.setUint8(13, 0xff)],
    ['an error code nobody knows', 'FAILED', (body) => body.setUint16(0, 0, true)],
    ['a text that is too long', 'FAILED', (body) => body.setUint16(2, 1025, true)],
    ['an unknown scope', 'ABORTED', (body) => body.setUint8(0, 3)],
    ['state beyond its end', 'STATE', (body) => body.setUint32(8, 7, true)],
    ['a closing of the control channel', 'CHANNEL_CLOSE', (body) => body.setUint32(0, 16, true)],
    ['a control channel closed', 'CHANNEL_CLOSED', (body) => body.setUint32(0, 0, true)],
    ['leaves out of order', 'HASHES_REQUEST', (body) => body.setUint32(8, 2, true)],
    ['ranges out of order', 'HELD_REQUEST', (body) => body.setUint32(8, 3, true)],
    ['a request for no range', 'HELD_REQUEST', (body) => body.setUint16(6, 0, true)],
  ])('refuses %s', (_, type, edit) => {
    expect(outcome(edited(type, edit))).toBe('ERR_FRAME_CORRUPT');
  });

  it('refuses regions that are offered twice or exceed their own maximum', () => {
    const region = { id: 0, name: '', byteLength: 1, maxByteLength: 1 };
    const frame = encodeMessage(
      { ...examples.OFFER, regions: [region, { ...region, id: 1 }] },
      order,
    );
    const twice = frame.slice(headerBytes);
    twice[twice.length - 21] = 0;
    expect(outcome(sealed('OFFER', twice))).toBe('ERR_FRAME_CORRUPT');
    const tooLarge = frame.slice(headerBytes);
    tooLarge[tooLarge.length - 17] = 2;
    expect(outcome(sealed('OFFER', tooLarge))).toBe('ERR_FRAME_CORRUPT');
  });

  it('refuses a channel that version 1 does not have', () => {
    const frame = edited('HELLO', (body) => body.setUint32(24, 1, true));
    expect(outcome(frame)).toBe('ERR_UNSUPPORTED');
  });

  it('keeps a byte order mark and a NUL in names', () => {
    const message = { type: 'REGION', id: 1, name: '\uFEFFa\0b', byteLength: -1 } as const;
    expect(outcome(encodeMessage(message, order))).toEqual(message);
  });

  it('reads frames in shared memory', () => {
    const frame = encodeMessage(examples.OFFER, order);
    const shared = new Uint8Array(new SharedArrayBuffer(frame.length));
    shared.set(frame);
    expect(outcome(shared)).toEqual(examples.OFFER);
  });

  it('takes the body as it is where the frame says it has no checksum', () => {
    const frame = encodeMessage(examples.PING, order);
    sealFrame(frame, { type: 'PING', flags: frameFlag.noChecksum, ...order });
    frame[headerBytes] = 9;
    expect(outcome(frame)).toEqual({ type: 'PING', token: 0x0102_0309 });
    frame[32] = 1;
    expect(outcome(frame)).toBe('ERR_FRAME_CORRUPT');
  });

  it('sums the body with what its caller gives it', () => {
    const frame = encodeMessage(examples.PING, order);
    sealFrame(frame, { type: 'PING', ...order }, (body) => BigInt(body.length));
    expect(decodeMessage(frame, (body) => BigInt(body.length)).message).toEqual(examples.PING);
    expect(outcome(frame)).toBe('ERR_FRAME_CORRUPT');
  });
});
