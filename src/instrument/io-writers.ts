import { builtin } from './builtin.js';
import { isObject } from './conversions.js';
import {
  type AnyFunction,
  everything,
  type Hook,
  type Hooking,
  telling,
  type Writer,
} from './hook.js';
import type { Place, Span, Watched, Watches } from './watched-buffers.js';

/** What reads into a view that Node is given (node:fs), or fills it (node:crypto). */
export function ioHooks(): Hook[] {
  const fs = builtin('node:fs');
  const crypto = builtin('node:crypto');
  if (fs === undefined || crypto === undefined) return [];
  return [
    { owner: fs, key: 'readSync', hooking: telling(readSync) },
    { owner: fs, key: 'read', hooking: tellingLater(read) },
    { owner: fs, key: 'readvSync', hooking: readvSync },
    { owner: fs, key: 'readv', hooking: tellingLater(readv) },
    { owner: crypto, key: 'randomFillSync', hooking: telling(randomFillSync) },
    { owner: crypto, key: 'randomFill', hooking: tellingLater(randomFill) },
  ];
}

/** `offset` as a read takes it, a number or in options. A getter is not asked twice: NaN. */
function offsetOf(offset: unknown): unknown {
  if (!isObject(offset)) return offset ?? 0;
  const own = Object.getOwnPropertyDescriptor(offset, 'offset');
  if (own === undefined) return 'offset' in offset ? Number.NaN : 0;
  return 'value' in own ? (own.value ?? 0) : Number.NaN;
}

/** `count` bytes from `offset` on: a read counts bytes, whatever the elements of the view are. */
function readSpan(place: Place, offset: unknown, count: unknown): Span {
  const from = offsetOf(offset);
  return Number.isInteger(from) && typeof count === 'number'
    ? { from: Number(from), length: count }
    : everything(place);
}

/** (descriptor, view, offset, length, position), (descriptor, view, { offset, ... }): gives how many bytes. */
const readSync: Writer = {
  into: 1,
  written: (place, [, , offset], count) => readSpan(place, offset, count),
  threw: everything,
};

/** (view, offset, size), in elements. */
const randomFillSync: Writer = {
  into: 0,
  written: (place, [, offset, size]) => filled(place, offset, size),
  threw: everything,
};

function filled({ byteLength, elementBytes }: Place, offset: unknown, size: unknown): Span {
  const from = typeof offset === 'number' ? offset * elementBytes : 0;
  const length = typeof size === 'number' ? size * elementBytes : byteLength - from;
  return { from, length };
}

/** What will have been written when a call's callback is called, to be told then; undefined where nobody wants to know. */
type Later = (
  watches: Watches,
  args: readonly unknown[],
) => ((...results: unknown[]) => void) | undefined;

/** A hook for a function that writes until it calls the last function among its arguments. */
function tellingLater(later: Later): Hooking {
  return (original, watches) => {
    const { hook } = {
      hook(this: unknown, ...args: unknown[]): unknown {
        const at = args.findLastIndex((arg) => typeof arg === 'function');
        const tell = at < 0 ? undefined : later(watches, args);
        if (tell === undefined) return Reflect.apply(original, this, args);
        const callback = args[at] as AnyFunction;
        return Reflect.apply(
          original,
          this,
          args.with(at, function (this: unknown, ...results: unknown[]) {
            tell(...results);
            return Reflect.apply(callback, this, results);
          }),
        );
      },
    };
    return hook;
  };
}

/** (descriptor, view, offset or options, ...), (descriptor, { buffer, offset, ... }): calls back with an error, or how many bytes. */
const read: Later = (watches, [, first, second]) => {
  const isView = ArrayBuffer.isView(first);
  const watched = watches.find(isView ? first : bufferIn(first));
  const offset = isView ? second : first;
  return (
    watched &&
    ((error, count) =>
      watched.tell(error ? everything(watched.place) : readSpan(watched.place, offset, count)))
  );
};

function bufferIn(options: unknown): unknown {
  return isObject(options) ? Object.getOwnPropertyDescriptor(options, 'buffer')?.value : undefined;
}

/** (view, offset, size), in elements. */
const randomFill: Later = (watches, [view, offset, size]) => {
  const watched = watches.find(view);
  return watched && (() => watched.tell(filled(watched.place, offset, size)));
};

/** Views that are filled one after the other. */
class Row {
  readonly #byteLengths: readonly number[];
  readonly #watched: readonly (Watched | undefined)[];

  constructor(watches: Watches, views: unknown) {
    const all: readonly unknown[] = Array.isArray(views) ? views : [];
    this.#watched = all.map((view) => watches.find(view));
    this.#byteLengths = all.map((view) => (ArrayBuffer.isView(view) ? view.byteLength : 0));
  }

  get isWatched(): boolean {
    return this.#watched.some((each) => each !== undefined);
  }

  /** The first `count` bytes were written. */
  tell(count: number): void {
    let left = count;
    for (const [at, byteLength] of this.#byteLengths.entries()) {
      this.#watched[at]?.tell({ from: 0, length: Math.min(left, byteLength) });
      left -= byteLength;
    }
  }
}

/** (descriptor, views, position): gives how many bytes. */
const readvSync: Hooking = (original, watches) => {
  const { hook } = {
    hook(this: unknown, ...args: unknown[]): unknown {
      const row = new Row(watches, args[1]);
      if (!row.isWatched) return Reflect.apply(original, this, args);
      let count: unknown = Number.POSITIVE_INFINITY;
      try {
        count = Reflect.apply(original, this, args);
        return count;
      } finally {
        row.tell(Number(count));
      }
    },
  };
  return hook;
};

/** (descriptor, views, position): calls back with an error, or how many bytes. */
const readv: Later = (watches, [, views]) => {
  const row = new Row(watches, views);
  return row.isWatched
    ? (error, count) => row.tell(error ? Number.POSITIVE_INFINITY : Number(count))
    : undefined;
};
