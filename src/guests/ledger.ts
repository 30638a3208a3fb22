import { createHash } from 'node:crypto';
import { FerryError } from '../errors.js';
import { PAGE_BYTES } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import type { OnCommit } from './commit.js';
import type { Guest, GuestIdentity } from './guest.js';
import { LedgerMarks } from './ledger-marks.js';
import { instantiateLedger, type LedgerProgram, maxLedgerPages } from './ledger-program.js';
import { ledgerBase64 } from './ledger-program.wasm.js';
import type { LedgerPlan } from './ledger-replay.js';
import { memoryRegion } from './memory-region.js';
import { Pump } from './pump.js';

export interface LedgerRunOptions {
  /** Told of each transfer once it is in memory. */
  readonly onCommit?: OnCommit;
  /** Distinct dirty pages x 4096 a second; as fast as it goes if absent. Held where the ledger is larger than what it writes in a second. */
  readonly bytesPerSecond?: number;
}

export interface LedgerOptions extends LedgerRunOptions {
  /** A multiple of 4096, from 12288 on. Half of it is incompressible. */
  readonly sizeBytes: number;
  /** u32. Everything the ledger does follows from it. */
  readonly seed: number;
  /** How it grows while it runs; not at all if absent. Sizes are multiples of 4096. */
  readonly growth?: {
    readonly everyTransfers: number;
    readonly byBytes: number;
    readonly maxSizeBytes: number;
  };
}

/** Transfers at one go where no rate is asked for, and the most of a late rate's. */
const transfersPerTurn = 16;
const stateMagic = 0x5344454c;
const stateBytes = 24;

/** A ledger with everything in its place, as many transfers into its life as were made: none. Paused. */
export function createLedger(options: LedgerOptions): LedgerGuest {
  const plan = planLedger(options);
  const program = instantiateLedger(plan.maxPages);
  program.init(plan.seed, plan.pages, plan.maxPages, plan.growthInterval, plan.growthPages);
  return new LedgerGuest(program, plan.pages, plan.maxPages, options);
}

/** An empty place for a ledger of `byteLength` bytes that may still grow to `maxByteLength`. */
export function receiveLedger(
  byteLength: number,
  maxByteLength: number,
  options: LedgerRunOptions = {},
): LedgerGuest {
  const pages = toPages('byteLength', byteLength);
  const maxPages = Math.max(pages, toPages('maxByteLength', maxByteLength));
  return new LedgerGuest(instantiateLedger(maxPages), pages, maxPages, options);
}

/** What `replayLedger` needs to play a ledger made with `options` again. */
export function planLedger(options: LedgerOptions): LedgerPlan {
  const { growth } = options;
  const pages = toPages('sizeBytes', options.sizeBytes);
  if (growth === undefined) {
    return { seed: options.seed, pages, maxPages: pages, growthInterval: 0, growthPages: 0 };
  }
  return {
    seed: options.seed,
    pages,
    maxPages: Math.max(pages, toPages('maxSizeBytes', growth.maxSizeBytes)),
    growthInterval: growth.everyTransfers,
    growthPages: growth.byBytes / PAGE_BYTES,
  };
}

function toPages(name: string, bytes: number): number {
  const pages = bytes / PAGE_BYTES;
  if (!Number.isInteger(pages) || pages < 3 || pages > maxLedgerPages) {
    throw new RangeError(
      `${name} must be a multiple of 4096 from 12288 to ${maxLedgerPages * PAGE_BYTES}, not ${bytes}`,
    );
  }
  return pages;
}

/**
 * The demo's default guest: a WebAssembly program that moves money (assembly/ledger.ts) and shares its host's thread. Its writes are
 * marked, exactly. Its memory is one region; the program's registers are its state.
 */
export class LedgerGuest implements Guest {
  readonly kind = 'ledger';
  readonly maxStateBytes: number = stateBytes;
  readonly rehearsable = true;
  readonly regions: readonly Region[];
  readonly tracker: DirtyTracker;
  protected readonly program: LedgerProgram;
  readonly #pump: Pump;
  readonly #onCommit: OnCommit | undefined;
  #byteLength: number;

  constructor(program: LedgerProgram, pages: number, maxPages: number, options: LedgerRunOptions) {
    this.program = program;
    this.#byteLength = pages * PAGE_BYTES;
    this.#onCommit = options.onCommit;
    this.tracker = new LedgerMarks(program, maxPages);
    this.regions = [
      memoryRegion({
        name: 'memory',
        bytes: () => new Uint8Array(program.memory.buffer, 0, this.#byteLength),
        maxByteLength: maxPages * PAGE_BYTES,
        // The program's memory has its full size from the start: growing only moves the end.
        grow: (byteLength) => {
          this.#byteLength = byteLength;
        },
        fresh: program.getPages() === 0,
        linearMemory: program.memory,
      }),
    ];
    this.#pump = new Pump(() => this.transact(), {
      stepsPerTurn: transfersPerTurn,
      // Two pages a transfer; the header page is always the same one.
      ...(options.bytesPerSecond === undefined
        ? {}
        : { stepsPerSecond: options.bytesPerSecond / (2 * PAGE_BYTES) }),
    });
  }

  /** Transfers made so far. */
  get seq(): number {
    return this.program.getSeq();
  }

  /** The running digest, u32. */
  get digest(): number {
    return this.program.getDigest() >>> 0;
  }

  describe(): GuestIdentity {
    const version = createHash('sha256').update(ledgerBase64).digest('hex');
    return { kind: this.kind, version, features: [] };
  }

  /** One transfer. The pump calls it; tests may, while the ledger is paused. */
  transact(): void {
    this.program.transact();
    this.#byteLength = this.program.getPages() * PAGE_BYTES;
    this.#onCommit?.(this.seq, this.digest);
  }

  async pause(): Promise<void> {
    this.#pump.stop();
    if (this.#pump.failure !== undefined) {
      throw new FerryError('ERR_GUEST', 'the ledger failed while it ran', {
        cause: this.#pump.failure,
      });
    }
  }

  async resume(): Promise<void> {
    const pages = this.program.getPages();
    if (this.program.agrees() === 0 || pages * PAGE_BYTES !== this.#byteLength) {
      throw new FerryError(
        'ERR_GUEST',
        `memory of ${this.#byteLength} bytes does not hold the ledger after transfer ${this.seq}`,
      );
    }
    this.#pump.start();
  }

  async saveState(): Promise<Uint8Array> {
    const state = new DataView(new ArrayBuffer(stateBytes));
    state.setUint32(0, stateMagic, true);
    state.setFloat64(4, this.seq, true);
    state.setUint32(12, this.digest, true);
    state.setUint32(16, this.program.getRandom() >>> 0, true);
    state.setUint32(20, this.program.getPages(), true);
    return new Uint8Array(state.buffer);
  }

  /** Only the registers are looked at: whether they belong to the memory is `resume`'s to check. */
  async loadState(bytes: Uint8Array): Promise<void> {
    const state = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.byteLength !== stateBytes || state.getUint32(0, true) !== stateMagic) {
      throw new FerryError('ERR_GUEST', `not a ledger's state: ${bytes.byteLength} bytes`);
    }
    const seq = state.getFloat64(4, true);
    const pages = state.getUint32(20, true);
    if (!Number.isSafeInteger(seq) || seq < 0 || pages > maxLedgerPages) {
      throw new FerryError(
        'ERR_GUEST',
        `a ledger cannot be at transfer ${seq} with ${pages} pages`,
      );
    }
    this.program.restore(seq, state.getUint32(12, true), state.getUint32(16, true), pages);
  }

  throttle(fraction: number): void {
    this.#pump.throttle(fraction);
  }
}
