import { decodeStateUnits, unitsOf } from '../codec/state-delta.js';
import { checksum } from '../core/checksum.js';
import { FerryError } from '../errors.js';
import type { StateChunk, StateDelta } from '../protocol/messages.js';

/** States that one source may have rehearsed: each is loaded, which may cost whatever a guest's load costs. */
const mostRehearsals = 32;

/** A state as it arrives: said whole, in bytes, or by how it differs, in units; and how many of them are there. */
interface Arriving {
  readonly bytes: Uint8Array;
  readonly purpose: 'whole' | 'rehearsal' | 'final';
  filled: number;
}

/** The guest's state at the destination, whole or said by how it differs from the one rehearsed last; never beyond the agreed size. */
export class ReceivedState {
  readonly #maxBytes: number;
  readonly #rehearsals: boolean;
  #rehearsed: Uint8Array = new Uint8Array();
  #rehearsedCheck: bigint = checksum(this.#rehearsed);
  #rehearsalsBegun = 0;
  #arriving: Arriving | undefined;
  #whole: Uint8Array | undefined;

  /** `rehearsals`: both ends have the capability. */
  constructor(maxBytes: number, rehearsals: boolean) {
    this.#maxBytes = maxBytes;
    this.#rehearsals = rehearsals;
  }

  /** Takes a piece of the whole state; pieces come in order. */
  take({ totalBytes, offset, bytes }: StateChunk): void {
    if (offset === 0) this.#begin(totalBytes, 'whole');
    const arriving = this.#continue(totalBytes, 'whole', offset, `state bytes from ${offset}`);
    if (offset + bytes.byteLength > totalBytes) {
      throw outOfRange(`state bytes up to ${offset + bytes.byteLength} of ${totalBytes}`);
    }
    arriving.bytes.set(bytes, offset);
    arriving.filled = offset + bytes.byteLength;
    if (arriving.filled === totalBytes) this.#whole = arriving.bytes;
  }

  /**
   * Takes a piece said by how it differs. ERR_DIGEST, before anything of it is looked at, if it is not the state that was rehearsed here
   * that it differs from. Returns the state that is now there to be rehearsed; undefined where there is none yet.
   */
  takeDelta({ purpose, firstUnit, totalBytes, base, units }: StateDelta): Uint8Array | undefined {
    if (!this.#rehearsals) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', 'STATE_DELTA without its capability');
    }
    if (base !== this.#rehearsedCheck) {
      throw new FerryError(
        'ERR_DIGEST',
        'the state differs from another one than was rehearsed here',
      );
    }
    if (firstUnit === 0) {
      this.#countRehearsal(purpose);
      this.#begin(totalBytes, purpose);
    }
    const arriving = this.#continue(totalBytes, purpose, firstUnit, `unit ${firstUnit} of a state`);
    if (units.length === 0 && totalBytes > 0) throw outOfRange('a piece of a state without units');
    arriving.filled = decodeStateUnits(this.#rehearsed, arriving.bytes, firstUnit, units);
    if (arriving.filled < unitsOf(totalBytes)) return undefined;
    this.#arriving = undefined;
    if (purpose === 'final') {
      this.#whole = arriving.bytes;
      return undefined;
    }
    this.#rehearsed = arriving.bytes;
    this.#rehearsedCheck = checksum(arriving.bytes);
    return arriving.bytes;
  }

  /** The source is back on another connection: it rehearses anew. */
  restart(): void {
    this.drop();
    this.#rehearsed = new Uint8Array();
    this.#rehearsedCheck = checksum(this.#rehearsed);
  }

  /** The switchover was given back: only what was rehearsed stays. */
  drop(): void {
    this.#arriving = undefined;
    this.#whole = undefined;
  }

  /** The whole state. Throws if it did not arrive whole. */
  get bytes(): Uint8Array {
    if (this.#whole === undefined) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', 'PREPARE before the whole state');
    }
    return this.#whole;
  }

  #countRehearsal(purpose: Arriving['purpose']): void {
    if (purpose !== 'rehearsal') return;
    this.#rehearsalsBegun += 1;
    if (this.#rehearsalsBegun > mostRehearsals) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', `more than ${mostRehearsals} rehearsals`);
    }
  }

  #begin(totalBytes: number, purpose: Arriving['purpose']): void {
    if (totalBytes > this.#maxBytes) {
      throw new FerryError(
        'ERR_STATE_TOO_LARGE',
        `a state of ${totalBytes} bytes; at most ${this.#maxBytes} are taken`,
      );
    }
    if (purpose !== 'rehearsal') this.#whole = undefined;
    this.#arriving = { bytes: new Uint8Array(totalBytes), purpose, filled: 0 };
  }

  #continue(
    totalBytes: number,
    purpose: Arriving['purpose'],
    from: number,
    what: string,
  ): Arriving {
    const arriving = this.#arriving;
    if (
      arriving === undefined ||
      arriving.bytes.byteLength !== totalBytes ||
      arriving.purpose !== purpose ||
      arriving.filled !== from
    ) {
      throw outOfRange(`${what}, out of order`);
    }
    return arriving;
  }
}

function outOfRange(what: string): FerryError {
  return new FerryError('ERR_OUT_OF_RANGE', what);
}
