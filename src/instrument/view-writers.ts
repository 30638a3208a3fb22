import {
  converting,
  integerOf,
  isObject,
  measured,
  relativeIndex,
  sourceLength,
} from './conversions.js';
import { everything, type Hook, nothing, telling, type Writer } from './hook.js';
import type { Place, Span } from './watched-buffers.js';

/** What of the language and the web writes into a view it is given (ECMA-262, sections 23.2.3, 25.3.4, 25.4; Encoding; Web Crypto). */
export function viewHooks(): Hook[] {
  const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
  const hooks: Hook[] = [
    hookOf(typedArray, 'set', set),
    hookOf(typedArray, 'fill', fill),
    hookOf(typedArray, 'copyWithin', copyWithin),
    hookOf(typedArray, 'reverse', rearrange),
    hookOf(typedArray, 'sort', rearrange),
    hookOf(Uint8Array.prototype, 'setFromBase64', decode),
    hookOf(Uint8Array.prototype, 'setFromHex', decode),
    hookOf(TextEncoder.prototype, 'encodeInto', encodeInto),
  ];
  const crypto = globalThis.crypto;
  if (crypto !== undefined) {
    hooks.push(hookOf(Object.getPrototypeOf(crypto), 'getRandomValues', whole(0)));
  }
  for (const key of Object.getOwnPropertyNames(DataView.prototype)) {
    const bits = /^set\D+(\d+)$/.exec(key)?.[1];
    if (bits !== undefined)
      hooks.push(hookOf(DataView.prototype, key, setNumber(Number(bits) / 8)));
  }
  for (const key of ['add', 'and', 'exchange', 'or', 'store', 'sub', 'xor']) {
    hooks.push(hookOf(Atomics, key, atomic));
  }
  hooks.push(hookOf(Atomics, 'compareExchange', compareExchange));
  return hooks;
}

function hookOf(owner: object, key: string, writer: Writer): Hook {
  return { owner, key, hooking: telling(writer) };
}

/** Writes to all of the view that is its argument `into`. */
export function whole(into: number): Writer {
  return { into, written: everything, threw: everything };
}

/** How many elements a place has. */
function countOf({ byteLength, elementBytes }: Place): number {
  return byteLength / elementBytes;
}

function elements({ elementBytes }: Place, from: number, to: number): Span {
  return { from: from * elementBytes, length: (to - from) * elementBytes };
}

/** (source, offset): an array's elements are converted one by one while it is written. */
const set: Writer = {
  into: -1,
  prepare([source, ...others]) {
    return [measured(source), ...converting(others, [0])];
  },
  written(place, [source, offset]) {
    const from = integerOf(offset);
    return elements(place, from, from + sourceLength(source));
  },
  threw(place, [source, offset]) {
    const from = integerOf(offset);
    const to = from + sourceLength(source);
    return from < 0 || to > countOf(place) ? nothing : elements(place, from, to);
  },
};

/** V8 before Node 24 looks at no end where there is no start, whatever the standard says. */
const readsEndAlone = new Uint8Array(1).fill(1, undefined, 0)[0] === 0;

/** (value, start, end) */
const fill: Writer = {
  into: -1,
  prepare: (args) => converting(args, [1, 2]),
  written(place, [, start, end]) {
    if (start === undefined && !readsEndAlone) return everything(place);
    const count = countOf(place);
    return elements(place, relativeIndex(start, count, 0), relativeIndex(end, count, count));
  },
};

/** (target, start, end) */
const copyWithin: Writer = {
  into: -1,
  prepare: (args) => converting(args, [0, 1, 2]),
  written(place, [target, start, end]) {
    const count = countOf(place);
    const to = relativeIndex(target, count, 0);
    const from = relativeIndex(start, count, 0);
    const final = relativeIndex(end, count, count);
    return elements(place, to, to + Math.min(final - from, count - to));
  },
};

/** A comparator that throws leaves everything as it was. */
const rearrange: Writer = {
  into: -1,
  written: (place) => (countOf(place) < 2 ? nothing : everything(place)),
};

/** (text): as much as could be decoded is written before it throws. */
const decode: Writer = {
  into: -1,
  written: (_, __, result) => ({ from: 0, length: writtenOf(result) }),
  threw: everything,
};

/** (text, view) */
const encodeInto: Writer = {
  into: 1,
  written: (_, __, result) => ({ from: 0, length: writtenOf(result) }),
};

function writtenOf(result: unknown): number {
  return (result as { readonly written: number }).written;
}

/** (byteOffset, value, littleEndian) */
function setNumber(length: number): Writer {
  return {
    into: -1,
    prepare: (args) => converting(args, [0]),
    written: (_, [byteOffset]) => ({ from: integerOf(byteOffset), length }),
  };
}

/** (view, index, ...) */
const atomic: Writer = {
  into: 0,
  prepare: (args) => converting(args, [1]),
  written: (place, [, index]) => elementAt(place, index),
};

/** (view, index, expected, replacement): writes only where it found what was expected. */
const compareExchange: Writer = {
  into: 0,
  prepare: (args) => converting(args, [1]),
  written(place, [, index, expected], found) {
    const isOther = !isObject(expected) && bitsOf(place, expected) !== bitsOf(place, found);
    return isOther ? nothing : elementAt(place, index);
  },
};

/** An integer as an element holds it. */
function bitsOf({ elementBytes }: Place, value: unknown): bigint {
  const integer = typeof value === 'bigint' ? value : BigInt(finite(integerOf(value)));
  return BigInt.asUintN(8 * elementBytes, integer);
}

function finite(integer: number): number {
  return Number.isFinite(integer) ? integer : 0;
}

function elementAt({ elementBytes }: Place, index: unknown): Span {
  return { from: integerOf(index) * elementBytes, length: elementBytes };
}
