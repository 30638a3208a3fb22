import { describe, expect, it } from 'vitest';
import { encodeStateUnits } from '../../src/codec/state-delta.js';
import { checksum } from '../../src/core/checksum.js';
import { ReceivedState } from '../../src/migration/received-state.js';
import type { StateDelta } from '../../src/protocol/messages.js';
import { Random } from '../reference/random.js';

const nothing = new Uint8Array();
const random = new Random(9);

/** `state`, as it is said to a destination that has `base`, in pieces of at most `maxBytes`. */
function pieces(
  purpose: StateDelta['purpose'],
  base: Uint8Array,
  state: Uint8Array,
  maxBytes = 65_536,
): StateDelta[] {
  const said: StateDelta[] = [];
  let firstUnit = 0;
  do {
    const { bytes: units, next } = encodeStateUnits(base, state, firstUnit, maxBytes);
    const totalBytes = state.byteLength;
    said.push({ type: 'STATE_DELTA', purpose, firstUnit, totalBytes, base: checksum(base), units });
    firstUnit = next;
  } while (firstUnit * 4096 < state.byteLength);
  return said;
}

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
  return 'taken';
}

describe('a state that is rehearsed', () => {
  it('is the base of the next one and of the last', () => {
    const received = new ReceivedState(1 << 20, true);
    let base: Uint8Array = nothing;
    for (const bytes of [10_000, 10_000, 0, 300, 20_000]) {
      const state = random.bytes(bytes).slice();
      state.set(base.subarray(0, Math.min(bytes, base.length) >> 1));
      const said = pieces('rehearsal', base, state, 4098);
      const answers = said.map((piece) => received.takeDelta(piece));
      expect(answers.slice(0, -1).every((answer) => answer === undefined)).toBe(true);
      expect(answers.at(-1)).toEqual(state);
      expect(refusal(() => received.bytes)).toBe('ERR_UNEXPECTED_MESSAGE');
      base = state;
    }
    const last = base.slice();
    last[7] = (last[7] ?? 0) + 1;
    for (const piece of pieces('final', base, last))
      expect(received.takeDelta(piece)).toBeUndefined();
    expect(received.bytes).toEqual(last);
    // Given back: what was rehearsed is still the base.
    received.drop();
    expect(refusal(() => received.bytes)).toBe('ERR_UNEXPECTED_MESSAGE');
    for (const piece of pieces('final', base, last)) received.takeDelta(piece);
    expect(received.bytes).toEqual(last);
  });

  it('is no base before it is there whole', () => {
    const received = new ReceivedState(1 << 20, true);
    const state = random.bytes(9000);
    const [first] = pieces('rehearsal', nothing, state, 4098);
    if (first === undefined) throw new Error('no piece');
    received.takeDelta(first);
    for (const piece of pieces('final', nothing, state)) received.takeDelta(piece);
    expect(received.bytes).toEqual(state);
    expect(
      refusal(() => pieces('final', state, state).map((piece) => received.takeDelta(piece))),
    ).toBe('ERR_DIGEST');
  });

  it('is refused where it differs from another than was rehearsed, and leaves what is there', () => {
    const received = new ReceivedState(1 << 20, true);
    const state = random.bytes(9000);
    for (const piece of pieces('rehearsal', nothing, state)) received.takeDelta(piece);
    for (const base of [nothing, random.bytes(9000), state.subarray(1)]) {
      const said = pieces('final', base, state);
      expect(refusal(() => said.map((piece) => received.takeDelta(piece)))).toBe('ERR_DIGEST');
    }
    for (const piece of pieces('final', state, state)) received.takeDelta(piece);
    expect(received.bytes).toEqual(state);
  });

  it('is refused where nobody agreed on it', () => {
    const received = new ReceivedState(1 << 20, false);
    const said = pieces('rehearsal', nothing, random.bytes(10));
    expect(refusal(() => said.map((piece) => received.takeDelta(piece)))).toBe(
      'ERR_UNEXPECTED_MESSAGE',
    );
  });

  it('is refused more often than a source can mean it', () => {
    const received = new ReceivedState(1 << 20, true);
    const [piece] = pieces('rehearsal', nothing, nothing);
    if (piece === undefined) throw new Error('no piece');
    for (let count = 0; count < 32; count++) received.takeDelta(piece);
    expect(refusal(() => received.takeDelta(piece))).toBe('ERR_UNEXPECTED_MESSAGE');
  });

  it('takes no memory beyond the agreed size', () => {
    const received = new ReceivedState(100, true);
    const piece = { ...pieces('rehearsal', nothing, nothing)[0], totalBytes: 101 };
    expect(refusal(() => received.takeDelta(piece as StateDelta))).toBe('ERR_STATE_TOO_LARGE');
    expect(
      refusal(() =>
        received.take({ type: 'STATE', totalBytes: 2 ** 50, offset: 0, bytes: nothing }),
      ),
    ).toBe('ERR_STATE_TOO_LARGE');
  });
});

describe('the pieces of a state', () => {
  const state = random.bytes(9000);
  const [first, second, third] = pieces('final', nothing, state, 4098);
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('no pieces');

  it.each<[string, readonly StateDelta[]]>([
    ['in another order', [first, third]],
    ['without the first', [second]],
    ['twice the same', [first, first, second, second]],
    ['of another size in between', [first, { ...second, totalBytes: 9001 }]],
    ['of another purpose in between', [first, { ...second, purpose: 'rehearsal' }]],
    ['without a unit', [first, { ...second, units: nothing }]],
    ['behind the end', [first, second, third, { ...third, firstUnit: 3 }]],
  ])('are refused %s', (_, said) => {
    const received = new ReceivedState(1 << 20, true);
    expect(refusal(() => said.map((piece) => received.takeDelta(piece)))).toBe('ERR_OUT_OF_RANGE');
  });

  it('are refused half in bytes and half in units', () => {
    const received = new ReceivedState(1 << 20, true);
    received.take({ type: 'STATE', totalBytes: 9000, offset: 0, bytes: state.subarray(0, 1) });
    expect(refusal(() => received.takeDelta(second))).toBe('ERR_OUT_OF_RANGE');
  });

  it('come whole and in order without a rehearsal too', () => {
    const received = new ReceivedState(1 << 20, false);
    const take = (offset: number, end: number): void =>
      received.take({
        type: 'STATE',
        totalBytes: 9000,
        offset,
        bytes: state.subarray(offset, end),
      });
    take(0, 4000);
    expect(refusal(() => take(0 + 1, 4000))).toBe('ERR_OUT_OF_RANGE');
    take(4000, 9000);
    expect(received.bytes).toEqual(state);
  });
});
