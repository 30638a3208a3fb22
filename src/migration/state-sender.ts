import { encodeStateUnits, unitsOf } from '../codec/state-delta.js';
import { checksum } from '../core/checksum.js';
import { FerryError } from '../errors.js';
import { maxStateChunkBytes } from '../protocol/limits.js';
import type { StateChunk, StateDelta } from '../protocol/messages.js';
import type { Clock } from './clock.js';
import type { GuestControl } from './guest-control.js';
import type { GuestCosts } from './guest-costs.js';

export interface StateSenderDeps {
  readonly control: GuestControl;
  readonly clock: Clock;
  readonly costs: GuestCosts;
  readonly maxStateBytes: number;
  /** The guest can be asked for its state while it runs, and both ends know what to do with it. */
  readonly rehearsals: boolean;
  /** Sends a piece on the control channel. */
  readonly send: (message: StateChunk | StateDelta) => void;
}

/** How a rehearsal is sent; false ends it. */
export interface RehearsalLink {
  /** Tells which regions there are by now, and how long. */
  readonly follow: () => Promise<boolean>;
  /** Waited for before each piece. */
  readonly room: () => Promise<boolean>;
}

/** Asks the guest for its state and sends it: whole, or by how it differs from the one that was rehearsed last. */
export class StateSender {
  readonly #deps: StateSenderDeps;
  #rehearsed: Uint8Array | undefined;
  #mayRehearse: boolean;

  constructor(deps: StateSenderDeps) {
    this.#deps = deps;
    this.#mayRehearse = deps.rehearsals;
  }

  /** Another connection begins: which state was rehearsed last at the other end is not sure any more. */
  forget(): void {
    this.#rehearsed = undefined;
  }

  /** A state was sent to be rehearsed. */
  get hasRehearsed(): boolean {
    return this.#rehearsed !== undefined;
  }

  /**
   * Between two rounds, while the guest runs: sends the state it has now, to be loaded for practice. After rounds 1, 2, 4, 8 and so on: it may
   * cost what saving and loading cost.
   */
  async rehearse(round: number, { follow, room }: RehearsalLink): Promise<void> {
    if (!this.#mayRehearse || !Number.isInteger(Math.log2(round))) return;
    // A state may name regions, and how much of them is used.
    if (!(await follow())) return;
    let state: Uint8Array;
    try {
      state = (await this.#save()).slice();
    } catch {
      // It was only a rehearsal: if the guest has no state to give, that is told when it is needed.
      this.#mayRehearse = false;
      return;
    }
    if (await this.#sendDelta('rehearsal', state, room)) this.#rehearsed = state;
  }

  /** Sends the paused guest's state. Returns it; undefined if `live` said no meanwhile. ERR_STATE_TOO_LARGE. */
  async send(live: () => boolean): Promise<Uint8Array | undefined> {
    const state = await this.#save();
    if (!live()) return undefined;
    if (this.#rehearsed === undefined) this.#sendWhole(state);
    else await this.#sendDelta('final', state, () => Promise.resolve(true));
    return state;
  }

  async #save(): Promise<Uint8Array> {
    const { control, clock, costs, maxStateBytes } = this.#deps;
    const from = clock.now();
    const state = await control.saveState();
    costs.saveMs.add(clock.now() - from);
    if (state.byteLength > maxStateBytes) {
      throw new FerryError(
        'ERR_STATE_TOO_LARGE',
        `the guest's state is ${state.byteLength} bytes, more than ${maxStateBytes}`,
      );
    }
    return state;
  }

  #sendWhole(state: Uint8Array): void {
    const { send, costs } = this.#deps;
    let offset = 0;
    do {
      const bytes = state.subarray(offset, offset + maxStateChunkBytes);
      send({ type: 'STATE', totalBytes: state.byteLength, offset, bytes });
      offset += bytes.byteLength;
    } while (offset < state.byteLength);
    costs.stateBytes = state.byteLength;
  }

  async #sendDelta(
    purpose: StateDelta['purpose'],
    state: Uint8Array,
    room: () => Promise<boolean>,
  ): Promise<boolean> {
    const { send, costs } = this.#deps;
    const base = this.#rehearsed ?? new Uint8Array();
    const common = { type: 'STATE_DELTA', purpose, totalBytes: state.byteLength } as const;
    const check = checksum(base);
    let unit = 0;
    let sentBytes = 0;
    do {
      if (!(await room())) return false;
      const { bytes, next } = encodeStateUnits(base, state, unit, maxStateChunkBytes);
      send({ ...common, base: check, firstUnit: unit, units: bytes });
      sentBytes += bytes.byteLength;
      unit = next;
    } while (unit < unitsOf(state.byteLength));
    costs.stateBytes = sentBytes;
    return true;
  }
}
