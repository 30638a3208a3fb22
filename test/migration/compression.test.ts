import { describe, expect, it } from 'vitest';
import type { FrameCompressor } from '../../src/codec/frame-compressor.js';
import type { CapturedFrame } from '../../src/codec/frame-slots.js';
import { sharedBudget } from '../../src/index.js';
import { Compression } from '../../src/migration/compression.js';
import { Meter } from '../../src/migration/meter.js';
import { type MigrateOptions, resolveOptions } from '../../src/migration/options.js';

const frameBytes = 100_000;
const budget = sharedBudget(1e6);
const none = { zero: 0, fill: 0, delta: 0, patch: 0, raw: 0 };
const frame: CapturedFrame = {
  bytes: new Uint8Array(40 + frameBytes),
  tableBytes: 3,
  bodyBytes: frameBytes,
  rawBytes: frameBytes,
  pageCount: 24,
  pages: none,
  payloadBytes: none,
  copyTable: () => new Uint8Array(3),
  release: () => {},
};

/** A machine that needs so many nanoseconds a byte, on a link that was seen to carry so many bytes a second. */
function machine(of: {
  readonly options?: MigrateOptions;
  readonly rate?: number | undefined;
  readonly compressNs: number;
  readonly ratio: number;
  readonly share?: number;
}) {
  const state = { now: 0, tries: 0, ratio: of.ratio };
  const clock = { now: () => state.now, after: () => () => {}, turn: () => Promise.resolve() };
  const work = (bytes: number): { rawBytes: number; bodyBytes: number } => {
    state.now += (bytes * of.compressNs) / 1e6;
    return { rawBytes: bytes, bodyBytes: Math.ceil(bytes * state.ratio) };
  };
  const compressor: Pick<FrameCompressor, 'compress' | 'try'> = {
    compress: (given) => ({ ...given, ...work(given.rawBytes) }),
    try: () => {
      state.tries += 1;
      return work(16_384);
    },
  };
  const meter = new Meter(clock);
  if (of.rate !== undefined) {
    // Until it was seen full.
    for (let seq = 0, trip = 0; trip < 5; trip++) {
      const before = seq;
      while (meter.hasRoom(0)) {
        seq += 1;
        meter.left({ seq, bytes: of.rate / 100, pages: 1, at: state.now });
      }
      state.now += 10 * (seq - before);
      meter.acknowledged(seq);
    }
  }
  const compression = new Compression({
    options: resolveOptions(of.options),
    compressor,
    meter,
    clock,
    share: () => of.share ?? 1,
  });
  const isPacked = (paused = false): boolean => {
    // Capturing takes half a nanosecond a byte.
    return compression.pack(frame, (frameBytes * 0.5) / 1e6, paused).bodyBytes < frameBytes;
  };
  return { state, compression, isPacked };
}

const usual = { compressNs: 2, ratio: 0.5 };

describe('frames', () => {
  it.each([
    ['are compressed on a slow link', { rate: 12.5e6 }, true],
    ['are compressed where the link is slower than the compressor', { rate: 125e6 }, true],
    ['go as they are on a link as fast as memory', { rate: 2e9 }, false],
    ['go as they are where what is slow is the other end', { rate: 320e6, compressNs: 1 }, false],
    ['go as they are while the link is not known', {}, false],
    [
      'are compressed on an unknown link below a slow ceiling',
      { options: { bytesPerSecond: 1e6 } },
      true,
    ],
    ['are compressed below a slow ceiling', { rate: 2e9, options: { bytesPerSecond: 1e6 } }, true],
    ['are compressed below a slow shared budget', { rate: 2e9, options: { budget } }, true],
    [
      'are compressed where that saves little and nothing waits for it',
      { rate: 12.5e6, ratio: 0.97 },
      true,
    ],
    ['go as they are where compression saves nothing', { rate: 12.5e6, ratio: 1 }, false],
    ['go as they are where the guest needs the thread', { rate: 125e6, share: 0.2 }, false],
    ['are compressed where that is asked for', { options: { compression: 'always' } }, true],
    ['are never where that is asked for', { rate: 1e6, options: { compression: 'never' } }, false],
  ] as const)('%s', (_, changes, expected) => {
    const { isPacked } = machine({ ...usual, ...changes });
    // The first one tells what compressing is worth.
    isPacked();
    expect(isPacked()).toBe(expected);
  });

  it('of the pause wait for both ends, and for no budget', () => {
    // 4 ns a byte saved, 2 to compress, a third of that to decompress; 8 against 2 with the guest gone.
    expect(pausedAfterOne({ ...usual, rate: 125e6, share: 0.1 })).toBe(true);
    expect(pausedAfterOne({ ...usual, compressNs: 3.5, rate: 125e6 })).toBe(false);
    expect(pausedAfterOne({ ...usual, rate: 2e9, options: { bytesPerSecond: 1e6 } })).toBe(false);
  });

  function pausedAfterOne(of: Parameters<typeof machine>[0]): boolean {
    const { isPacked } = machine(of);
    isPacked(true);
    return isPacked(true);
  }

  it('are not tried in the pause', () => {
    const { state, isPacked } = machine({ ...usual, rate: 2e9 });
    isPacked();
    const before = state.tries;
    for (let i = 0; i < 100; i++) expect(isPacked(true)).toBe(false);
    expect(state.tries).toBe(before);
  });

  it('are tried now and then, so that a change of what they hold is seen', () => {
    const { state, isPacked } = machine({ ...usual, ratio: 1, rate: 12.5e6 });
    for (let i = 0; i < 100; i++) expect(isPacked()).toBe(false);
    expect(state.tries).toBeGreaterThan(5);
    expect(state.tries).toBeLessThan(12);
    state.ratio = 0.3;
    let packed = 0;
    for (let i = 0; i < 100; i++) packed += isPacked() ? 1 : 0;
    expect(packed).toBeGreaterThan(60);
    state.ratio = 1;
    for (let i = 0; i < 100; i++) packed -= isPacked() ? 1 : 0;
    expect(packed).toBeGreaterThan(40);
  });

  it('hold more where they will be smaller, up to the largest there is', () => {
    const { compression, isPacked } = machine({ ...usual, ratio: 0.25, rate: 12.5e6 });
    expect(compression.payloadBytes(20_000)).toBe(20_000);
    isPacked();
    expect(compression.payloadBytes(20_000)).toBe(80_000);
    expect(compression.payloadBytes(400_000)).toBe(512 * 1024);
  });
});
