import { decodeStateUnits, unitsOf } from '../codec/state-delta.js';
import { checksum } from '../core/checksum.js';
import { FerryError } from '../errors.js';
import type { StateDelta } from '../protocol/messages.js';

/** The standby's half of `EpochStates`: the state of each epoch, from how it differs from that of the one before; never beyond the agreed size. */
export class ArrivingState {
  readonly #maxBytes: number;
  #whole: Uint8Array = new Uint8Array();
  #arriving: { readonly bytes: Uint8Array; filled: number } | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The last one that is whole; empty before the first. */
  get bytes(): Uint8Array {
    return this.#whole;
  }

  /** Takes the next piece. ERR_DIGEST if it differs from another state than is here; ERR_STATE_TOO_LARGE; ERR_OUT_OF_RANGE out of order. */
  take({ firstUnit, totalBytes, base, units }: StateDelta): void {
    if (base !== checksum(this.#whole)) {
      throw new FerryError('ERR_DIGEST', 'the state differs from another one than is here');
    }
    if (totalBytes > this.#maxBytes) {
      throw new FerryError(
        'ERR_STATE_TOO_LARGE',
        `a state of ${totalBytes} bytes; at most ${this.#maxBytes} are taken`,
      );
    }
    if (firstUnit === 0) this.#arriving = { bytes: new Uint8Array(totalBytes), filled: 0 };
    const arriving = this.#arriving;
    if (arriving?.bytes.byteLength !== totalBytes || arriving.filled !== firstUnit) {
      throw new FerryError('ERR_OUT_OF_RANGE', `unit ${firstUnit} of a state, out of order`);
    }
    arriving.filled = decodeStateUnits(this.#whole, arriving.bytes, firstUnit, units);
    if (arriving.filled < unitsOf(totalBytes)) return;
    this.#whole = arriving.bytes;
    this.#arriving = undefined;
  }
}
