import { FerryError } from '../../src/errors.js';
import type { Guest } from '../../src/guests/guest.js';
import { memoryRegion } from '../../src/guests/memory-region.js';
import { MarksTracker } from '../../src/memory/marks.js';
import { CompareTracker, HashTracker } from '../../src/memory/scan-trackers.js';

/** A buffer of which the first `byteLength` bytes are in use. */
export interface GrowingMemory {
  readonly buffer: ArrayBufferLike;
  byteLength: number;
}

export function bytesOf(memory: GrowingMemory): Uint8Array {
  return new Uint8Array(memory.buffer, 0, memory.byteLength);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** A guest whose writes the simulation makes for it, and which tells whether it runs. */
export class SimGuest {
  readonly guest: Guest;
  readonly #memory: GrowingMemory;
  readonly #marks: MarksTracker | undefined;
  state: Uint8Array;
  /** Share of its speed it has lost. */
  slowedBy = 0;
  readonly slowings: number[] = [];

  constructor(
    memory: GrowingMemory,
    tracker: 'marks' | 'hash' | 'compare',
    options: {
      readonly fresh?: boolean;
      /** What is there may be an older copy. */
      readonly held?: () => boolean;
      readonly running: (runs: boolean) => void;
      /** Resolves when a state is loaded. */
      readonly loading?: () => Promise<void>;
      readonly state: Uint8Array;
      readonly rehearsable?: boolean;
    },
  ) {
    this.#memory = memory;
    this.state = options.state;
    const region = memoryRegion({
      name: 'memory',
      bytes: () => bytesOf(memory),
      maxByteLength: memory.buffer.byteLength,
      fresh: options.fresh ?? false,
      grow: (byteLength) => {
        memory.byteLength = byteLength;
      },
    });
    this.#marks = tracker === 'marks' ? new MarksTracker([region]) : undefined;
    const { held = () => false } = options;
    Object.defineProperty(region, 'held', { get: held });
    this.guest = {
      kind: 'simulated',
      rehearsable: options.rehearsable ?? false,
      regions: [region],
      tracker: this.#marks ?? (tracker === 'hash' ? new HashTracker() : new CompareTracker()),
      describe: () => ({ kind: 'simulated', version: '', features: [] }),
      pause: async () => options.running(false),
      resume: async () => options.running(true),
      throttle: (fraction) => {
        this.slowedBy = fraction;
        this.slowings.push(fraction);
      },
      saveState: async () => this.state,
      loadState: async (state) => {
        if (state.byteLength > 1 << 20) throw new FerryError('ERR_GUEST', 'too much state');
        this.state = state;
        await options.loading?.();
      },
    };
  }

  bytes(): Uint8Array {
    return bytesOf(this.#memory);
  }

  write(offset: number, value: number): void {
    this.bytes()[offset] = value;
    this.#marks?.mark(0, offset, 1);
  }

  /** Content moves: the `bytes` at `from` are `to` as well. */
  move(from: number, to: number, bytes: number): void {
    this.bytes().copyWithin(to, from, from + bytes);
    this.#marks?.mark(0, to, bytes);
  }

  fill(offset: number, bytes: Uint8Array): void {
    this.bytes().set(bytes, offset);
    this.#marks?.mark(0, offset, bytes.length);
  }

  growBy(bytes: number): void {
    this.#memory.byteLength += bytes;
  }

  /** A byte changes by itself. */
  decay(): void {
    const bytes = this.bytes();
    const at = bytes.byteLength >> 1;
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  }
}
