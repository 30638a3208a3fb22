import { createHash } from 'node:crypto';
import { FerryError } from '../../errors.js';
import type { Region } from '../../memory/region.js';
import type { GrowableMemory } from '../growable.js';
import type { Guest, GuestIdentity } from '../guest.js';
import { readCount, readJsonState, writeJsonState } from '../json-state.js';
import { joinParts, splitParts } from '../state-parts.js';
import { CallGate } from './call-gate.js';
import { type Generation, nextGeneration } from './generation.js';
import { firstGlueRegion, type GlueState } from './glue.js';
import { unknownHostState } from './host-state.js';
import { WasmProgram } from './program.js';
import { ProgramTracker } from './program-tracker.js';
import type { ProgramEnds } from './surface.js';
import { enterInTime, type ThreadBarrier } from './thread-barrier.js';

export interface WasmGuestOptions {
  /** The bytes that run: as `instrument` gave them. */
  readonly module: Uint8Array;
  /** The running instance. Absent: one is made here, of `module` and `imports`. */
  readonly instance?: { readonly exports: ProgramEnds['exports'] };
  /** What it was, or is to be, instantiated with. Of a running instance only needed where it imports its memory, a table or a mutable global. */
  readonly imports?: NonNullable<ProgramEnds['imports']>;
  /** Its memory, where `imports` cannot tell. */
  readonly memory?: GrowableMemory;
  /** What it keeps in JavaScript: the same kind at both ends. Default nothing. */
  readonly glue?: GlueState;
  /**
   * 'compare' (the default): JavaScript may write memory in ways that nobody sees (`HEAP32[i] = x`); all of memory is compared once more while the guest is
   * paused. 'known': it writes by methods, which are hooked (`trackWrites`), by assignments of a source that went through `instrumentGlue`, or not at all; anything else is found by the audit,
   * and is ERR_MISSED_WRITE.
   */
  readonly hostWrites?: 'compare' | 'known';
  /** Stops whatever calls the program; resolves when it does. Also called where a guest is paused to wait for another's memory: nothing may run there yet. */
  readonly pause?: () => void | Promise<void>;
  /** Lets it go on; at the destination: starts it. */
  readonly resume?: () => void | Promise<void>;
  /** Slows it: 0 is full speed, 0.9 leaves a tenth. */
  readonly throttle?: (fraction: number) => void;
  /**
   * The program goes on as another copy than before; called before its first call there. Reseed what must not repeat: by calls of `exports`, as `run` waits
   * until this is done.
   */
  readonly onGeneration?: (generation: Generation) => void | Promise<void>;
  /** How long a call in flight may keep the guest from being paused, milliseconds. Default 1000. Then ERR_GUEST, and the source runs on. */
  readonly maxCallMs?: number;
  /** Where memory is shared with other threads: what makes them stand still. Without it such a program is ERR_UNSUPPORTED. */
  readonly barrier?: ThreadBarrier;
  /** What else must be equal at both ends, besides the module and what the glue says. Default ''. */
  readonly version?: string;
  /** How large its memory may get while it is migrated, in bytes. Default: what the module says. */
  readonly maxByteLength?: number;
  /** Longest state in bytes. Default 1 MiB. */
  readonly maxStateBytes?: number;
  /**
   * At a destination: what its memory holds is compared before anything is sent, and only what differs travels. Default true: two instances of one program
   * begin alike, and one that was here before left most of it.
   */
  readonly held?: boolean;
}

export interface WasmGuest extends Guest {
  /** The program's own exports. A function throws ERR_GUEST while the guest is paused, or runs somewhere else. */
  readonly exports: ProgramEnds['exports'];
  readonly memory: GrowableMemory;
  /** How often the program went on as another copy than before. */
  readonly generation: number;
  /**
   * Does work that calls the program, waiting where it is paused, and keeps it from being paused until the work is done. Not to be called within itself.
   */
  run<T>(work: () => T | Promise<T>): Promise<T>;
  /** What cannot travel, in words; a migration is refused with it. Empty: all of it can. */
  check(): readonly string[];
}

const defaultMaxCallMs = 1000;
const defaultMaxStateBytes = 2 ** 20;

/**
 * Makes a WebAssembly program a guest: its memory, mutable globals, tables and dropped segments, and what its glue keeps. It is paused between two
 * calls, when nothing of it is on a stack. ERR_UNSUPPORTED where the module was not instrumented, or has threads and no barrier; ERR_GUEST where
 * instance and module do not fit.
 */
export async function wasmGuest(options: WasmGuestOptions): Promise<WasmGuest> {
  const { module, imports, glue, memory, maxByteLength, barrier, held = true } = options;
  const exports = options.instance?.exports ?? (await instantiate(module, imports));
  const program = new WasmProgram({
    module,
    ends: { exports, imports },
    glue,
    memory,
    maxByteLength,
    held,
    maps: barrier?.maps && (() => barrier.maps?.() ?? []),
  });
  if (program.layout.memory.shared && barrier === undefined) {
    throw new FerryError(
      'ERR_UNSUPPORTED',
      'other threads may write this memory: give a `barrier` that makes them stand still',
    );
  }
  return new ProgramGuest(program, exports, options);
}

async function instantiate(
  module: Uint8Array,
  imports: WasmGuestOptions['imports'],
): Promise<ProgramEnds['exports']> {
  const { instance } = await WebAssembly.instantiate(
    Uint8Array.from(module),
    (imports ?? {}) as WebAssembly.Imports,
  );
  return instance.exports;
}

class ProgramGuest implements WasmGuest {
  readonly kind = 'wasm';
  readonly rehearsable = true;
  readonly maxStateBytes: number;
  readonly exports: ProgramEnds['exports'];
  readonly tracker: ProgramTracker;
  readonly #program: WasmProgram;
  readonly #glue: GlueState | undefined;
  readonly #options: WasmGuestOptions;
  readonly #gate = new CallGate();
  readonly #unknownState: readonly string[];
  readonly throttle?: (fraction: number) => void;
  /** As given, whoever called the program calls it still. */
  #standing: 'as given' | 'paused' | 'running' = 'as given';
  /** Its other threads stand at the barrier. */
  #isHeld = false;
  #generation = 0;
  /** A state of another copy was loaded, and no instruction ran since. */
  #isNewCopy = false;

  constructor(program: WasmProgram, exports: ProgramEnds['exports'], options: WasmGuestOptions) {
    this.#program = program;
    this.#glue = options.glue;
    this.#unknownState = options.glue === undefined ? unknownHostState(options.module) : [];
    this.#options = options;
    this.maxStateBytes = options.maxStateBytes ?? defaultMaxStateBytes;
    this.exports = this.#gated(exports);
    if (options.throttle !== undefined) this.throttle = options.throttle;
    const { log, memory } = program;
    const unseen = options.hostWrites !== 'known';
    this.tracker = new ProgramTracker(log && { log, memory, unseen }, options.glue);
  }

  get regions(): readonly Region[] {
    return [this.#program.region, ...(this.#glue?.regions() ?? [])];
  }

  get memory(): GrowableMemory {
    return this.#program.memory;
  }

  get generation(): number {
    return this.#generation;
  }

  /** ERR_UNSUPPORTED, with all that cannot travel. */
  describe(): GuestIdentity {
    const problems = this.check();
    if (problems.length > 0) {
      throw new FerryError('ERR_UNSUPPORTED', `this program cannot travel: ${problems.join('; ')}`);
    }
    const glue = this.#glue?.identity?.() ?? '';
    const rest = JSON.stringify([this.#options.version ?? '', glue]);
    const version = `${this.#program.hash} ${createHash('sha256').update(rest).digest('hex')}`;
    return { kind: this.kind, version, features: [] };
  }

  check(): readonly string[] {
    const ofGlue = this.#glue?.check?.() ?? [];
    return [...this.#program.registers.check(), ...this.#unknownState, ...ofGlue];
  }

  run<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#gate.run(work);
  }

  /** The exports that are the program's, not the rewriter's; functions pass the gate. */
  #gated(exports: ProgramEnds['exports']): ProgramEnds['exports'] {
    const { prefix } = this.#program.layout;
    const own = Object.entries(exports).filter(([name]) => !name.startsWith(prefix));
    const gated = own.map(([name, value]) => {
      if (typeof value !== 'function') return [name, value] as const;
      const through = (...values: unknown[]): unknown => this.#gate.call(() => value(...values));
      return [name, through] as const;
    });
    return Object.freeze(Object.assign(Object.create(null), Object.fromEntries(gated)));
  }

  async pause(): Promise<void> {
    if (this.#standing === 'paused') return;
    // Set before: where stopping fails halfway, resume still lets it go on.
    this.#standing = 'paused';
    await this.#options.pause?.();
    const withinMs = this.#options.maxCallMs ?? defaultMaxCallMs;
    await this.#gate.close(withinMs);
    if (this.#options.barrier === undefined) return;
    this.#isHeld = true;
    await enterInTime(this.#options.barrier, withinMs);
  }

  async resume(): Promise<void> {
    if (this.#standing === 'running') return;
    const isArrival = this.#isNewCopy;
    try {
      if (isArrival) await this.#becomeNewCopy();
      if (this.#isHeld) await this.#options.barrier?.leave();
      this.#isHeld = false;
      this.#gate.open();
      await this.#options.resume?.();
    } catch (error) {
      // One that came is said not to run here: then nobody may call it. A source's own has nowhere else to be.
      if (isArrival) this.#gate.shut();
      else this.#gate.open();
      throw error;
    }
    this.#standing = 'running';
  }

  /** Who is told may call the program; who waits to call it, and its threads, come behind. */
  async #becomeNewCopy(): Promise<void> {
    const before = this.#generation;
    const generation = nextGeneration(before);
    this.#generation = generation.number;
    this.#gate.openForCalls();
    try {
      await this.#options.onGeneration?.(generation);
    } catch (error) {
      this.#generation = before;
      throw error;
    }
    this.#isNewCopy = false;
  }

  async saveState(): Promise<Uint8Array> {
    const { registers, entries } = this.#program.registers.save();
    const head = writeJsonState({ generation: this.#generation, registers });
    const state = joinParts([head, entries, this.#glue?.save() ?? new Uint8Array()]);
    if (state.byteLength > this.maxStateBytes) {
      throw new FerryError(
        'ERR_STATE_TOO_LARGE',
        `a state of ${state.byteLength} bytes; at most ${this.maxStateBytes} may be`,
      );
    }
    return state;
  }

  async loadState(state: Uint8Array): Promise<void> {
    const [head = state, entries = state, ofGlue = state] = splitParts(state, 3);
    const { generation, takeOver } = readJsonState(head, 'the state of a program', (from) => {
      return {
        generation: readCount('generation', from['generation']),
        takeOver: this.#program.registers.prepare(from['registers'], entries),
      };
    });
    this.#glue?.load(ofGlue);
    takeOver();
    this.#generation = generation;
    this.#isNewCopy = true;
  }

  async adopt(offered: Parameters<NonNullable<Guest['adopt']>>[0]): Promise<void> {
    // What arrives is nobody's to call until all of it is here.
    await this.#gate.close(this.#options.maxCallMs ?? defaultMaxCallMs);
    this.#glue?.adopt?.(offered.filter(({ id }) => id >= firstGlueRegion));
  }

  async reshape(id: number, name: string, byteLength: number): Promise<void> {
    if (this.#glue?.reshape === undefined || id < firstGlueRegion) {
      throw new FerryError('ERR_UNSUPPORTED', `nothing here can have a region ${id} "${name}"`);
    }
    this.#glue.reshape(id, name, byteLength);
  }
}
