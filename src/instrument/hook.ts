import { FerryError } from '../errors.js';
import type { Place, Span, Watches } from './watched-buffers.js';

export const nothing: Span = { from: 0, length: 0 };

export function everything({ byteLength }: Place): Span {
  return { from: 0, length: byteLength };
}

/** A function that has written into a view or buffer when it returns, and how to tell from a call where. */
export interface Writer {
  /** Which argument it writes into; -1: `this`. */
  readonly into: number;
  /** Arguments to call it with, where what the call makes of them has to be remembered. */
  prepare?(args: unknown[]): unknown[];
  written(place: Place, args: readonly unknown[], result: unknown): Span;
  /** What it may have written before it threw. Absent: it looks at everything before it writes. */
  threw?(place: Place, args: readonly unknown[]): Span;
}

export type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;
/** Makes a method that does what `original` does, and tells the watches what was written. */
export type Hooking = (original: AnyFunction, watches: Watches) => AnyFunction;

export interface Hook {
  readonly owner: object;
  readonly key: string;
  readonly hooking: Hooking;
}

const { apply } = Reflect;
/** What hooks stand for: somebody may have kept one, and put it back when it had no watches any more. */
const originals = new WeakMap<AnyFunction, AnyFunction>();

export function telling(writer: Writer): Hooking {
  const { into } = writer;
  return (original, watches) => {
    // A method: as little a constructor as what it stands for.
    const { hook } = {
      hook(this: unknown, ...args: unknown[]): unknown {
        const watched = watches.find(into < 0 ? this : args[into]);
        if (watched === undefined) return apply(original, this, args);
        const { place } = watched;
        const prepared = writer.prepare?.(args) ?? args;
        let result: unknown;
        try {
          result = apply(original, this, prepared);
        } catch (error) {
          if (writer.threw !== undefined) watched.tell(writer.threw(place, prepared));
          throw error;
        }
        watched.tell(writer.written(place, prepared, result));
        return result;
      },
    };
    return hook;
  };
}

interface Patch {
  readonly owner: object;
  readonly key: string;
  readonly before: PropertyDescriptor;
  readonly hook: AnyFunction;
}

/** Functions of the platform with hooks in their places. */
export class Patches {
  readonly #patches: Patch[] = [];

  /**
   * Puts every hook in its place; a function that is not there has none. ERR_UNSUPPORTED where a property cannot be changed, and then nothing
   * has changed.
   */
  constructor(hooks: readonly Hook[], watches: Watches) {
    // What goes by several names stays one function.
    const made = new Map<AnyFunction, AnyFunction>();
    for (const { owner, key, hooking } of hooks) {
      const found = Object.getOwnPropertyDescriptor(owner, key);
      if (found === undefined) continue;
      // A frozen realm may give its functions by getters.
      if (typeof found.value !== 'function') throw this.#refusal(key);
      const original: AnyFunction = originals.get(found.value) ?? found.value;
      const hook = made.get(original) ?? disguised(original, hooking(original, watches));
      made.set(original, hook);
      if (!Reflect.defineProperty(owner, key, { ...found, value: hook })) throw this.#refusal(key);
      this.#patches.push({ owner, key, before: { ...found, value: original }, hook });
    }
  }

  #refusal(key: string): FerryError {
    this.restore();
    return new FerryError(
      'ERR_UNSUPPORTED',
      `writes by JavaScript cannot be tracked: ${key} is frozen; use a tracker that compares`,
    );
  }

  /** What somebody else put over a hook stays there: the hook below does what was there before it. */
  restore(): void {
    for (const { owner, key, before, hook } of this.#patches.splice(0)) {
      if (Object.getOwnPropertyDescriptor(owner, key)?.value === hook) {
        Reflect.defineProperty(owner, key, before);
      }
    }
  }
}

/** `hook` with the name, the length and all other properties of `original`. */
function disguised(original: AnyFunction, hook: AnyFunction): AnyFunction {
  Object.defineProperties(hook, Object.getOwnPropertyDescriptors(original));
  originals.set(hook, original);
  return hook;
}
