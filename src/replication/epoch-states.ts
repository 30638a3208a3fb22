import { encodeStateUnits, unitsOf } from '../codec/state-delta.js';
import { checksum } from '../core/checksum.js';
import { maxStateChunkBytes } from '../protocol/limits.js';
import type { StateDelta } from '../protocol/messages.js';

/** Says a guest's state epoch by epoch, by how it differs from that of the epoch before. */
export class EpochStates {
  #before: Uint8Array = new Uint8Array();

  /** The pieces that say `state`; from then on the next one differs from it. */
  *pieces(state: Uint8Array): Generator<StateDelta> {
    const base = this.#before;
    const common = { type: 'STATE_DELTA', purpose: 'final', totalBytes: state.byteLength } as const;
    const check = checksum(base);
    let unit = 0;
    do {
      const { bytes, next } = encodeStateUnits(base, state, unit, maxStateChunkBytes);
      yield { ...common, base: check, firstUnit: unit, units: bytes };
      unit = next;
    } while (unit < unitsOf(state.byteLength));
    this.#before = state;
  }
}
