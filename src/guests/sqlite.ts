import { FerryError } from '../errors.js';
import type { Region } from '../memory/region.js';
import { HashTracker } from '../memory/scan-trackers.js';
import type { DirtyTracker } from '../memory/tracker.js';
import type { OnCommit } from './commit.js';
import type { Guest, GuestIdentity } from './guest.js';
import { memoryRegion } from './memory-region.js';
import { Pump } from './pump.js';
import { SqliteProgram } from './sqlite-program.js';
import { decodeSqliteState, encodeSqliteState, maxSqliteStateBytes } from './sqlite-state.js';
import { loadSqlJs } from './sqljs.js';

export interface SqliteRunOptions {
  /** The memory it has grown to at last, 64 to 512 MiB. It starts at about half. Equal at both ends. */
  readonly sizeMiB: number;
  /** Told of each transaction once it is committed. */
  readonly onCommit?: OnCommit;
  /** As fast as it goes if absent. */
  readonly transactionsPerSecond?: number;
}

export interface SqliteOptions extends SqliteRunOptions {
  /** u32. */
  readonly seed: number;
}

/** SQLite with its tables filled and no transaction made, paused. ERR_UNSUPPORTED if sql.js is not installed. */
export async function createSqlite(options: SqliteOptions): Promise<SqliteGuest> {
  const program = await SqliteProgram.boot(options.sizeMiB);
  program.preload(options.seed);
  return new SqliteGuest(program, (await loadSqlJs()).version, options);
}

/** SQLite booted like the other, with empty tables, for the other's memory to take its place. */
export async function receiveSqlite(options: SqliteRunOptions): Promise<SqliteGuest> {
  const program = await SqliteProgram.boot(options.sizeMiB);
  return new SqliteGuest(program, (await loadSqlJs()).version, options);
}

/**
 * The real SQLite (sql.js) under continuous transactions, its rows in WebAssembly memory. Once a migration starts it adds rows until
 * its memory has grown four times: to show that, while it moves, is what it is for. It is always between two transactions when paused.
 */
export class SqliteGuest implements Guest {
  readonly kind = 'sqlite';
  readonly maxStateBytes: number = maxSqliteStateBytes;
  readonly rehearsable = true;
  readonly regions: readonly Region[];
  readonly tracker: DirtyTracker;
  readonly program: SqliteProgram;
  readonly #pump: Pump;
  readonly #version: string;
  readonly #onCommit: OnCommit | undefined;

  constructor(program: SqliteProgram, sqlJsVersion: string, options: SqliteRunOptions) {
    this.program = program;
    this.#version = `1 ${options.sizeMiB} ${sqlJsVersion}`;
    this.#onCommit = options.onCommit;
    this.tracker = new GrowingHashTracker(program);
    this.regions = [
      memoryRegion({
        name: 'memory',
        bytes: () => new Uint8Array(program.memory.buffer),
        maxByteLength: program.maxByteLength,
        grow: (byteLength) => program.grow(byteLength),
        linearMemory: program.memory,
      }),
    ];
    // Met here for the first time, not while a guest stands still, where compiling it would cost a millisecond.
    this.#load(encodeSqliteState(program.registers, program.outside()));
    this.#pump = new Pump(() => this.transact(), {
      stepsPerTurn: 1,
      ...(options.transactionsPerSecond === undefined
        ? {}
        : { stepsPerSecond: options.transactionsPerSecond }),
    });
  }

  describe(): GuestIdentity {
    return { kind: this.kind, version: this.#version, features: [] };
  }

  /** One transaction. The pump calls it; tests may, while it is paused. */
  transact(): void {
    this.program.transact();
    this.#onCommit?.(this.program.registers.seq, this.program.registers.digest);
  }

  async pause(): Promise<void> {
    this.#pump.stop();
    if (this.#pump.failure !== undefined) {
      throw new FerryError('ERR_GUEST', 'SQLite failed while it ran', {
        cause: this.#pump.failure,
      });
    }
    // Statements change memory: this is the last moment for them.
    this.program.checkOutside();
  }

  async resume(): Promise<void> {
    if (this.#pump.running) return;
    this.program.checkMemory();
    this.#pump.start();
  }

  async saveState(): Promise<Uint8Array> {
    return encodeSqliteState(this.program.registers, this.program.outside());
  }

  /** What is outside memory must be here as it was there: ERR_GUEST names the first that is not. */
  async loadState(state: Uint8Array): Promise<void> {
    this.#load(state);
  }

  #load(state: Uint8Array): void {
    const { registers, outside } = decodeSqliteState(state);
    const here = this.program.outside();
    for (const name of new Set([...Object.keys(here), ...Object.keys(outside)])) {
      if (here[name] !== outside[name]) {
        throw new FerryError(
          'ERR_GUEST',
          `this SQLite cannot take the other's place: ${name} is ${here[name]}, not ${outside[name]}`,
        );
      }
    }
    this.program.registers = registers;
  }

  throttle(fraction: number): void {
    this.#pump.throttle(fraction);
  }
}

/** Begins the growth that the guest is to show when a migration begins. */
class GrowingHashTracker extends HashTracker {
  readonly #program: SqliteProgram;

  constructor(program: SqliteProgram) {
    super();
    this.#program = program;
  }

  override start(): void {
    super.start();
    this.#program.registers = { ...this.#program.registers, growing: true };
  }
}
