import type { ProgramImports, ProgramMemory, ProgramTable } from './ends.js';

/** A dynamic library that a program opened. */
export interface LoadedLibrary {
  readonly path: string;
  /** Where its data are in memory: they know. */
  readonly memoryBase: number;
  /** Its functions in the program's table: from the first on, and behind the last. */
  readonly firstSlot: number;
  readonly endSlot: number;
}

type HostCall = (...values: number[]) => unknown;

/** `struct dso` of emscripten's dynlink.c: where the base of the data and the name are. */
const baseOffset = 12;
const nameOffset = 36;
const longestPath = 4096;

/**
 * What only shows when a program calls its host: libraries that it opens, and timers that it sets, by which the host will call it. Known where the names of its imports are
 * emscripten's own; libraries take names in any case.
 */
export class HostCalls {
  readonly libraries: LoadedLibrary[] = [];
  /** When each timer will fire, in ms of `performance.now()`, by its number; and what forgets it behind it. */
  readonly #deadlines = new Map<number, number>();
  readonly #forgets = new Map<number, NodeJS.Timeout>();
  #setTimer: HostCall | undefined;
  #areTimersHeld = false;

  /** Looks on from now on: `imports` are what the program is going to be instantiated with, and `ends` what came of it. */
  watch(
    imports: ProgramImports,
    ends: () => { table: ProgramTable | undefined; memory: ProgramMemory },
  ): void {
    const env: object = Object(imports['env']);
    const setTimer = callIn(env, '_setitimer_js');
    if (setTimer !== undefined) {
      this.#setTimer = setTimer;
      Reflect.set(env, '_setitimer_js', (which: number, ms: number) => {
        const result = setTimer(which, ms);
        this.#note(which, ms);
        return result;
      });
    }
    const open = callIn(env, '_dlopen_js');
    if (open !== undefined) {
      Reflect.set(env, '_dlopen_js', (handle: number) => {
        const { table, memory } = ends();
        const firstSlot = table?.length ?? 0;
        const result = open(handle);
        const endSlot = table?.length ?? 0;
        const isNew = endSlot > firstSlot;
        if (result && isNew)
          this.libraries.push({ ...readLibrary(memory, handle), firstSlot, endSlot });
        return result;
      });
    }
  }

  /** The timer was set to `ms`, 0 for not at all. */
  #note(which: number, ms: number): void {
    clearTimeout(this.#forgets.get(which));
    this.#forgets.delete(which);
    this.#deadlines.delete(which);
    if (ms <= 0) return;
    this.#deadlines.set(which, performance.now() + ms);
    // Set behind the host's own, and for as long, it fires behind it.
    const forget = setTimeout(() => this.#deadlines.delete(which), ms);
    forget.unref();
    this.#forgets.set(which, forget);
  }

  /** No timer calls the program until `releaseTimers`. */
  holdTimers(): void {
    if (this.#areTimersHeld) return;
    this.#areTimersHeld = true;
    for (const which of this.#deadlines.keys()) {
      clearTimeout(this.#forgets.get(which));
      this.#setTimer?.(which, 0);
    }
  }

  releaseTimers(): void {
    if (!this.#areTimersHeld) return;
    this.#areTimersHeld = false;
    for (const [which, ms] of this.timers()) {
      const left = Math.max(1, ms);
      this.#setTimer?.(which, left);
      this.#note(which, left);
    }
  }

  /** How long until each timer fires, ms; less than 0 where its time has come. */
  timers(): [which: number, ms: number][] {
    const now = performance.now();
    return [...this.#deadlines].map(([which, deadline]) => [which, deadline - now]);
  }

  /** Takes the timers of another side; they run once they are released. */
  takeTimers(timers: readonly (readonly [which: number, ms: number])[]): void {
    this.holdTimers();
    this.#deadlines.clear();
    const now = performance.now();
    for (const [which, ms] of timers) this.#deadlines.set(which, now + ms);
  }
}

function callIn(env: object, name: string): HostCall | undefined {
  const found: unknown = Reflect.get(env, name);
  return typeof found === 'function' ? (found as HostCall) : undefined;
}

function readLibrary(
  { buffer }: ProgramMemory,
  handle: number,
): Pick<LoadedLibrary, 'path' | 'memoryBase'> {
  const bytes = new Uint8Array(buffer);
  const first = (handle >>> 0) + nameOffset;
  const path = bytes.subarray(first, first + longestPath);
  const end = path.indexOf(0);
  return {
    path: new TextDecoder().decode(path.subarray(0, end < 0 ? longestPath : end)),
    memoryBase: new DataView(buffer).getUint32((handle >>> 0) + baseOffset, true),
  };
}
