/** Anything that has a buffer, now this one, later perhaps another: a WebAssembly.Memory has a new one whenever it grows. */
export interface WriteTarget {
  readonly buffer: ArrayBufferLike;
}

/**
 * Told after a write: the bytes written, within the target's buffer. Called in the middle of whatever wrote: it must not throw. What it writes itself
 * it is not told.
 */
export type OnWrite = (byteOffset: number, byteLength: number) => void;

/** Where a call may write, in bytes of the buffer, as it was before the call: afterwards the view may be detached. */
export interface Place {
  readonly byteOffset: number;
  readonly byteLength: number;
  /** Of one element: 1, 2, 4 or 8; of what is no typed array, 1. */
  readonly elementBytes: number;
}

// Taken while they are the engine's own; a view's own property of that name is not asked.
const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
const kindOf = getter(typedArray, Symbol.toStringTag);
const lengthOf = getter(typedArray, 'length');
const typedArrayGetters = {
  buffer: getter(typedArray, 'buffer'),
  byteOffset: getter(typedArray, 'byteOffset'),
  byteLength: getter(typedArray, 'byteLength'),
};
const dataViewGetters = {
  buffer: getter(DataView.prototype, 'buffer'),
  byteOffset: getter(DataView.prototype, 'byteOffset'),
  byteLength: getter(DataView.prototype, 'byteLength'),
};
const { isView } = ArrayBuffer;
/** By the names of typed arrays; those that are not here have 8 bytes an element. */
const elementBits: ReadonlyMap<string, number> = new Map([
  ['Int8Array', 8],
  ['Uint8Array', 8],
  ['Uint8ClampedArray', 8],
  ['Int16Array', 16],
  ['Uint16Array', 16],
  ['Float16Array', 16],
  ['Int32Array', 32],
  ['Uint32Array', 32],
  ['Float32Array', 32],
]);
const unshared = getter(ArrayBuffer.prototype, 'byteLength');

function getter(owner: object, key: PropertyKey): (this: unknown) => unknown {
  return Object.getOwnPropertyDescriptor(owner, key)?.get ?? (() => undefined);
}

/** The buffer of a view; anything else is itself, which is right for buffers. */
function bufferOf(value: unknown): unknown {
  if (!isView(value)) return value;
  return kindOf.call(value) === undefined
    ? dataViewGetters.buffer.call(value)
    : typedArrayGetters.buffer.call(value);
}

/** Elements of a typed array; 0 for anything else. */
export function elementsOf(value: unknown): number {
  return isView(value) && kindOf.call(value) !== undefined ? Number(lengthOf.call(value)) : 0;
}

export function isTypedArray(value: unknown): value is Exclude<ArrayBufferView, DataView> {
  return isView(value) && kindOf.call(value) !== undefined;
}

/** Bytes of an element of a typed array, whatever its length is now; 0 for anything else. */
export function elementBytesOf(value: unknown): number {
  if (!isView(value)) return 0;
  const kind = kindOf.call(value);
  return kind === undefined ? 0 : (elementBits.get(String(kind)) ?? 64) / 8;
}

/** Where a view, or a buffer, lies; empty where it is detached. */
export function placeOf(value: unknown): Place {
  if (!isView(value)) {
    const { byteLength } = value as ArrayBufferLike;
    return { byteOffset: 0, byteLength, elementBytes: 1 };
  }
  if (kindOf.call(value) !== undefined) {
    const byteOffset = Number(typedArrayGetters.byteOffset.call(value));
    const byteLength = Number(typedArrayGetters.byteLength.call(value));
    const length = Number(lengthOf.call(value));
    return { byteOffset, byteLength, elementBytes: length === 0 ? 1 : byteLength / length };
  }
  try {
    const byteOffset = Number(dataViewGetters.byteOffset.call(value));
    const byteLength = Number(dataViewGetters.byteLength.call(value));
    return { byteOffset, byteLength, elementBytes: 1 };
  } catch {
    // A DataView without its buffer throws where a typed array says 0.
    return { byteOffset: 0, byteLength: 0, elementBytes: 1 };
  }
}

/** A target and who is told of writes to it. */
export class Watch {
  readonly #target: WriteTarget;
  readonly #onWrite: OnWrite;
  /** A WebAssembly.Memory's own getter: the buffer changes by growth alone. */
  readonly isMemory: boolean;
  readonly #isShared: boolean;
  /** Buffers of shared memory from before it grew are still views of it. */
  readonly #older = new WeakSet<object>();
  #buffer: ArrayBufferLike;
  #isOver = false;
  #isTelling = false;

  constructor(target: WriteTarget, onWrite: OnWrite) {
    this.#target = target;
    this.#onWrite = onWrite;
    this.#buffer = target.buffer;
    const kind = Object.prototype.toString.call(this.#buffer);
    if (kind !== '[object ArrayBuffer]' && kind !== '[object SharedArrayBuffer]') {
      throw new TypeError('a target has a buffer: give a WebAssembly.Memory, or { buffer }');
    }
    this.#isShared = kind === '[object SharedArrayBuffer]';
    this.isMemory = isPlainMemory(target);
  }

  /** Whether what is written to `buffer` is written to the target. Asked at every hooked call: what costs is avoided. */
  owns(buffer: unknown): boolean {
    if (buffer === this.#buffer) return true;
    // Asking a memory for its buffer takes 20 times as long as all the rest here.
    if (this.isMemory && !this.#mayHaveGrown(buffer)) return false;
    const now = this.#target.buffer;
    if (now !== this.#buffer) {
      if (this.#isShared) this.#older.add(this.#buffer);
      this.#buffer = now;
    }
    if (buffer === now) return true;
    return this.#isShared && isObject(buffer) && this.#older.has(buffer);
  }

  /** Whether the memory may have grown into `buffer`. Growth detaches the old buffer, unless it is shared. */
  #mayHaveGrown(buffer: unknown): boolean {
    return this.#isShared
      ? isObject(buffer) && !(buffer instanceof ArrayBuffer)
      : unshared.call(this.#buffer) === 0;
  }

  /** What is written while somebody is told, the marks perhaps, would be told for ever. */
  tell(byteOffset: number, byteLength: number): void {
    if (this.#isOver || this.#isTelling) return;
    this.#isTelling = true;
    try {
      this.#onWrite(byteOffset, byteLength);
    } finally {
      this.#isTelling = false;
    }
  }

  end(): void {
    this.#isOver = true;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isPlainMemory(target: WriteTarget): boolean {
  const memory = globalThis.WebAssembly?.Memory.prototype;
  return Object.getPrototypeOf(target) === memory && !Object.hasOwn(target, 'buffer');
}

/** Bytes of a place: from `from` on, `length` of them; none where that is 0 or less. */
export interface Span {
  readonly from: number;
  readonly length: number;
}

/** A place that is about to be written, and who is to know. */
export class Watched {
  readonly place: Place;
  readonly #watches: readonly Watch[];

  constructor(place: Place, watches: readonly Watch[]) {
    this.place = place;
    this.#watches = watches;
  }

  tell({ from, length }: Span): void {
    if (length <= 0) return;
    for (const watch of this.#watches) watch.tell(this.place.byteOffset + from, length);
  }
}

/** Every target that is watched now. */
export class Watches {
  #all: readonly Watch[] = [];

  get isEmpty(): boolean {
    return this.#all.length === 0;
  }

  add(watch: Watch): void {
    this.#all = [...this.#all, watch];
  }

  remove(watch: Watch): void {
    watch.end();
    this.#all = this.#all.filter((each) => each !== watch);
  }

  /** Whether all targets are WebAssembly memories: a view over one that is not watched never comes to be. */
  get areMemories(): boolean {
    return this.#all.every(({ isMemory }) => isMemory);
  }

  /** Those that watch what a view or buffer lies in. */
  of(written: unknown): readonly Watch[] {
    const buffer = bufferOf(written);
    return this.#all.filter((each) => each.owns(buffer));
  }

  /** To be asked before a view or buffer is written; undefined where nobody wants to know. */
  find(written: unknown): Watched | undefined {
    const all = this.#all;
    if (all.length === 0) return undefined;
    const buffer = bufferOf(written);
    for (let at = 0; at < all.length; at++) {
      if (all[at]?.owns(buffer) !== true) continue;
      const theirs = all.length === 1 ? all : all.filter((each) => each.owns(buffer));
      return new Watched(placeOf(written), theirs);
    }
    return undefined;
  }
}
