import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { encodeMessage, Framer, sealFrame } from '../../src/protocol/index.js';
import { anyMessage, anyOrder } from '../reference/arbitraries.js';

const order = { seq: 7, round: 2, attempt: 1 };
const ping = encodeMessage({ type: 'PING', token: 5 }, order);

function join(frames: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
  let at = 0;
  for (const frame of frames) {
    bytes.set(frame, at);
    at += frame.length;
  }
  return bytes;
}

/** Copies of all frames that come out when `stream` goes in, cut as `cuts` says over and over. */
function framesOf(framer: Framer, stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let at = 0;
  for (let turn = 0; at < stream.length; turn++) {
    let chunk = stream.subarray(at, at + (cuts[turn % cuts.length] ?? 1));
    if (turn % 2 === 0) {
      const space = framer.space();
      chunk = chunk.subarray(0, space.length);
      space.set(chunk);
      chunk = space.subarray(0, chunk.length);
    }
    at += framer.push(chunk);
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
      frames.push(frame.slice());
    }
  }
  return frames;
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof FerryError) return error.code;
    throw error;
  }
  return 'no error';
}

function pushed(bytes: Uint8Array, areaBytes = 4096): Framer {
  const framer = new Framer(new Uint8Array(areaBytes));
  framer.push(bytes);
  return framer;
}

describe('the framer', () => {
  it('gives the frames that went in, however the stream is cut', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyMessage, anyOrder), { maxLength: 12 }),
        cuts,
        fc.nat(2000),
        (items, sizes, slack) => {
          const frames = items.map(([message, where]) => encodeMessage(message, where));
          const largest = Math.max(40, ...frames.map((frame) => frame.length));
          const framer = new Framer(new Uint8Array(largest + slack));
          expect(framesOf(framer, join(frames), sizes)).toEqual(frames);
          expect(framer.pendingBytes).toBe(0);
        },
      ),
    );
  });

  it('gives the frames that went in byte by byte, in an area that just holds the largest', () => {
    const frames = [ping, encodeMessage({ type: 'ROUND_END', round: 3 }, order), ping, ping];
    const framer = new Framer(new Uint8Array(44));
    expect(framesOf(framer, join(frames), [1])).toEqual(frames);
  });

  it('gives frames that lie in its own area without copying them', () => {
    const area = new Uint8Array(200);
    const framer = new Framer(area);
    framer.space().set(join([ping, ping]));
    framer.push(framer.space().subarray(0, 88));
    expect(framer.next()?.buffer).toBe(area.buffer);
    expect(framer.next()).toEqual(area.subarray(44, 88));
  });

  it('takes what was read late into a space handed out before frames were taken', () => {
    const area = new Uint8Array(100);
    const framer = new Framer(area);
    framer.push(join([ping, ping.subarray(0, 30)]));
    const early = framer.space();
    framer.next();
    framer.next();
    early.set(ping.subarray(30));
    framer.push(early.subarray(0, 14));
    expect(framer.next()).toEqual(ping);
  });

  it('says how much of a frame is still unfinished', () => {
    const framer = pushed(ping.subarray(0, 43));
    expect(framer.next()).toBeUndefined();
    expect(framer.pendingBytes).toBe(43);
  });

  it('takes only what fits and asks for the rest later', () => {
    const framer = new Framer(new Uint8Array(60));
    const stream = join([ping, ping]);
    expect(framer.push(stream)).toBe(60);
    expect(framer.space()).toHaveLength(0);
    expect(framer.next()).toEqual(ping);
    expect(framer.next()).toBeUndefined();
    expect(framer.push(stream.subarray(60))).toBe(28);
    expect(framer.next()).toEqual(ping);
  });

  it('goes on in a larger area with what it has, and leaves the old one alone', () => {
    const old = new Uint8Array(44);
    const framer = new Framer(old);
    framer.push(ping);
    const frame = framer.next();
    framer.next();
    framer.push(ping.subarray(0, 20));
    const before = old.slice();
    framer.useArea(new Uint8Array(1000));
    const large = encodeMessage(
      { type: 'REGION', id: 1, name: 'x'.repeat(200), byteLength: 1 },
      order,
    );
    framer.push(join([ping.subarray(20), large]));
    expect(framer.next()).toEqual(ping);
    expect(framer.next()).toEqual(large);
    expect(old).toEqual(before);
    expect(frame?.buffer).toBe(old.buffer);
  });

  it('refuses an area that does not hold what has arrived', () => {
    const framer = pushed(ping.subarray(0, 42));
    framer.next();
    expect(() => framer.useArea(new Uint8Array(43))).toThrow(RangeError);
    expect(() => new Framer(new Uint8Array(39))).toThrow(RangeError);
  });

  it('refuses a stranger by its first byte, and a future version by its third', () => {
    expect(codeOf(() => pushed(new TextEncoder().encode('G')).next())).toBe('ERR_NOT_A_PEER');
    expect(codeOf(() => pushed(new TextEncoder().encode('PO')).next())).toBe('ERR_NOT_A_PEER');
    expect(codeOf(() => pushed(Uint8Array.of(0x50, 0x46, 2)).next())).toBe('ERR_VERSION');
    expect(codeOf(() => pushed(Uint8Array.of(0x50, 0x46, 0)).next())).toBe('ERR_VERSION');
    expect(codeOf(() => pushed(Uint8Array.of(0x50, 0x46, 1)).next())).toBe('no error');
  });

  it('takes a wrong magic behind a good frame for damage', () => {
    const framer = pushed(join([ping, new Uint8Array(40)]));
    framer.next();
    expect(codeOf(() => framer.next())).toBe('ERR_FRAME_CORRUPT');
  });

  it('refuses a frame that its area cannot hold by the header alone', () => {
    const frame = new Uint8Array(40 + 1000);
    sealFrame(frame, { type: 'PAGES', tableBytes: 10, ...order });
    expect(codeOf(() => pushed(frame.subarray(0, 40), 1039).next())).toBe('ERR_FRAME_TOO_LARGE');
    expect(codeOf(() => pushed(frame.subarray(0, 40), 1040).next())).toBe('no error');
  });

  it('answers arbitrary bytes with frames or a FerryError', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constant(ping)), { maxLength: 6 }),
        (parts) => {
          const stream = join(parts);
          codeOf(() => framesOf(new Framer(new Uint8Array(128)), stream, [13]));
        },
      ),
      { numRuns: 1000 },
    );
  });
});
