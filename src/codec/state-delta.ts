import { FerryError } from '../errors.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { decodeXbzrle, encodeXbzrle } from './xbzrle.js';

/*
 * A state said by how it differs from an earlier one (docs/protocol.md, "STATE_DELTA"), in units of 4096 bytes, the last one shorter:
 * unit := u16 length, then: 0 nothing, the unit is as it was; 1 to 4093 so many bytes of XBZRLE; 65,535 the unit's own bytes. What the earlier
 * one has at the unit's place is its base; where it ends, and behind the unit's own end, zeros stand.
 */

const same = 0;
const whole = 0xffff;
/** A longer delta saves nothing. */
const maxDeltaBytes = PAGE_BYTES - 3;
/** What one unit takes at most. */
export const mostUnitBytes: number = 2 + PAGE_BYTES;

export interface EncodedUnits {
  readonly bytes: Uint8Array;
  /** The unit that follows the last one encoded. */
  readonly next: number;
}

/** Units of a state of so many bytes. */
export function unitsOf(stateBytes: number): number {
  return Math.ceil(stateBytes / PAGE_BYTES);
}

/** Encodes units of `state` from `first` on, as many as fit `maxBytes`, at least one if there is one. */
export function encodeStateUnits(
  base: Uint8Array,
  state: Uint8Array,
  first: number,
  maxBytes: number,
): EncodedUnits {
  const out = new Uint8Array(Math.max(maxBytes, mostUnitBytes));
  const view = new DataView(out.buffer);
  const before = new Uint8Array(PAGE_BYTES);
  const after = new Uint8Array(PAGE_BYTES);
  const last = unitsOf(state.length);
  let at = 0;
  let unit = first;
  for (; unit < last && (unit === first || at + mostUnitBytes <= maxBytes); unit++) {
    const bytes = unitBytes(state, unit);
    placeUnit(state, unit, bytes, after);
    placeUnit(base, unit, bytes, before);
    const room = out.subarray(at + 2, at + 2 + Math.min(maxDeltaBytes, bytes));
    const deltaBytes = encodeXbzrle(before, after, room);
    const length = deltaBytes < 0 ? whole : deltaBytes;
    view.setUint16(at, length, true);
    if (length === whole) out.set(after.subarray(0, bytes), at + 2);
    at += 2 + (length === whole ? bytes : length);
  }
  return { bytes: out.slice(0, at), next: unit };
}

/**
 * Carries out `units`, which begin with unit `first`, on `state`, whose bytes from there on are not known yet; `base` is what they were
 * encoded against. Returns the unit that follows. ERR_FRAME_CORRUPT for what is malformed or reaches beyond the state's end.
 */
export function decodeStateUnits(
  base: Uint8Array,
  state: Uint8Array,
  first: number,
  units: Uint8Array,
): number {
  const view = new DataView(units.buffer, units.byteOffset, units.byteLength);
  const page = new Uint8Array(PAGE_BYTES);
  const last = unitsOf(state.length);
  let unit = first;
  for (let at = 0; at < units.length; unit++) {
    if (unit >= last) throw corrupt(`unit ${unit} of ${last}`);
    if (at + 2 > units.length) throw corrupt('a unit is cut off');
    const length = view.getUint16(at, true);
    const start = unit * PAGE_BYTES;
    const bytes = unitBytes(state, unit);
    const taken = length === whole ? bytes : length;
    const payload = units.subarray(at + 2, at + 2 + taken);
    if (payload.length < taken || (length !== whole && length > maxDeltaBytes)) {
      throw corrupt(`a unit of ${length} bytes`);
    }
    if (length === whole) state.set(payload, start);
    else {
      placeUnit(base, unit, bytes, page);
      const end = length === same ? 0 : decodeXbzrle(payload, page);
      if (end < 0 || end > bytes) throw corrupt(`the delta of unit ${unit} is malformed`);
      state.set(page.subarray(0, bytes), start);
    }
    at += 2 + taken;
  }
  return unit;
}

/** Bytes of a unit: 4096, but for the last. */
function unitBytes(state: Uint8Array, unit: number): number {
  return Math.min(PAGE_BYTES, state.length - unit * PAGE_BYTES);
}

/** Copies the first `bytes` of a unit into `page`; zeros stand for what is not there, and behind them. */
function placeUnit(state: Uint8Array, unit: number, bytes: number, page: Uint8Array): void {
  const start = unit * PAGE_BYTES;
  const part = state.subarray(start, start + bytes);
  page.set(part);
  page.fill(0, part.length);
}

function corrupt(what: string): FerryError {
  return new FerryError('ERR_FRAME_CORRUPT', `state delta: ${what}`);
}
