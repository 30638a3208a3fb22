import { FerryError } from '../errors.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import type { OnCommit } from './commit.js';
import type { Guest, GuestIdentity } from './guest.js';
import { Pump } from './pump.js';
import { SqliteProgram } from './sqlite-program.js';
import { decodeSqliteState, encodeSqliteState } from './sqlite-state.js';
import type { GlueState } from './wasm/glue.js';
import { type WasmGuest, wasmGuest } from './wasm/wasm-guest.js';

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
  return SqliteGuest.of(program, options, false);
}

/** SQLite booted like the other, with empty tables, for the other's memory to take its place. */
export async function receiveSqlite(options: SqliteRunOptions): Promise<SqliteGuest> {
  return SqliteGuest.of(await SqliteProgram.boot(options.sizeMiB), options, true);
}

/**
 * The real SQLite (sql.js) under continuous transactions, its rows in WebAssembly memory. Once a migration starts it adds rows until
 * its memory has grown four times: to show that, while it moves, is what it is for. It is always between two transactions when paused.
 */
export class SqliteGuest implements Guest {
  readonly kind = 'sqlite';
  readonly rehearsable = true;
  readonly tracker: DirtyTracker;
  readonly program: SqliteProgram;
  readonly #instance: WasmGuest;
  readonly #pump: Pump;
  readonly #onCommit: OnCommit | undefined;

  /** `waits`: for another's memory and state. */
  static async of(
    program: SqliteProgram,
    options: SqliteRunOptions,
    waits: boolean,
  ): Promise<SqliteGuest> {
    const { wasm, program: parts, version, tellsWrites } = program.instance;
    const instance = await wasmGuest({
      ...parts,
      module: wasm,
      glue: new SqliteGlue(program),
      version: `1 ${options.sizeMiB} ${version}`,
      hostWrites: tellsWrites ? 'known' : 'compare',
      maxByteLength: program.maxByteLength,
    });
    // Met here for the first time, not while a guest stands still, where compiling it would cost a millisecond.
    const state = await instance.saveState();
    if (waits) await instance.loadState(state);
    return new SqliteGuest(program, instance, options);
  }

  private constructor(program: SqliteProgram, instance: WasmGuest, options: SqliteRunOptions) {
    this.program = program;
    this.#instance = instance;
    this.#onCommit = options.onCommit;
    this.tracker = growingTracker(instance.tracker, program);
    this.#pump = new Pump(() => this.transact(), {
      stepsPerTurn: 1,
      ...(options.transactionsPerSecond === undefined
        ? {}
        : { stepsPerSecond: options.transactionsPerSecond }),
    });
  }

  get regions(): readonly Region[] {
    return this.#instance.regions;
  }

  describe(): GuestIdentity {
    return { ...this.#instance.describe(), kind: this.kind };
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
    await this.#instance.pause();
  }

  async resume(): Promise<void> {
    if (this.#pump.running) return;
    this.program.checkMemory();
    await this.#instance.resume();
    this.#pump.start();
  }

  saveState(): Promise<Uint8Array> {
    return this.#instance.saveState();
  }

  loadState(state: Uint8Array): Promise<void> {
    return this.#instance.loadState(state);
  }

  throttle(fraction: number): void {
    this.#pump.throttle(fraction);
  }
}

/** What SQLite's glue keeps: addresses, which have to be here as they were there, and what the program knows besides. */
class SqliteGlue implements GlueState {
  readonly #program: SqliteProgram;

  constructor(program: SqliteProgram) {
    this.#program = program;
  }

  regions(): readonly Region[] {
    return [];
  }

  save(): Uint8Array {
    return encodeSqliteState(this.#program.registers, this.#program.handles);
  }

  /** ERR_GUEST names the first address that is another one here. */
  load(state: Uint8Array): void {
    const { registers, handles } = decodeSqliteState(state);
    const here = this.#program.handles;
    for (const name of new Set([...Object.keys(here), ...Object.keys(handles)])) {
      if (here[name] !== handles[name]) {
        throw new FerryError(
          'ERR_GUEST',
          `this SQLite cannot take the other's place: ${name} is ${here[name]}, not ${handles[name]}`,
        );
      }
    }
    this.#program.registers = registers;
  }

  grow(byteLength: number): void {
    this.#program.instance.program.size.grow(byteLength);
  }

  hostFunctions(): ReadonlyMap<string, unknown> {
    return this.#program.instance.program.hosts.byName();
  }
}

/** Begins the growth that the guest is to show when a migration begins. */
function growingTracker(tracker: DirtyTracker, program: SqliteProgram): DirtyTracker {
  return {
    exact: tracker.exact,
    unseen: (region) => tracker.unseen?.(region) ?? false,
    start() {
      tracker.start();
      program.registers = { ...program.registers, growing: true };
    },
    take: (region, into) => tracker.take(region, into),
    stop: () => tracker.stop(),
  };
}
