import { builtin } from './builtin.js';
import { elementsOf, isTypedArray } from './watched-buffers.js';

/** An argument that is an object, in its place: remembers the number that the call makes of it, so that this is done once. */
class Converted {
  readonly #of: unknown;
  value = 0;

  constructor(of: unknown) {
    this.#of = of;
  }

  [Symbol.toPrimitive](): number {
    // Not Number(): that takes a bigint, where the call would throw.
    this.value = +(this.#of as number);
    return this.value;
  }
}

/** What was read as the length of those that stand in for others. */
const lengths = new WeakMap<object, unknown>();
/** Outside Node nobody can tell. */
const isProxy = builtin('node:util')?.types.isProxy;

export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** `args` with what remembers conversions at `positions`, where there are objects. */
export function converting(args: unknown[], positions: readonly number[]): unknown[] {
  if (!positions.some((at) => isObject(args[at]))) return args;
  return args.map((arg, at) =>
    positions.includes(at) && isObject(arg) ? new Converted(arg) : arg,
  );
}

/** The number a call made of an argument; NaN for a symbol. The language takes no bigint, but some functions of Node do. */
function numberOf(arg: unknown): number {
  if (typeof arg === 'number') return arg;
  if (arg instanceof Converted) return arg.value;
  return typeof arg === 'symbol' || isObject(arg) ? Number.NaN : Number(arg);
}

/** ECMA-262, 7.1.5: NaN is 0. */
export function integerOf(arg: unknown): number {
  return Math.trunc(numberOf(arg)) || 0;
}

/** An index that may count from the end, within 0 to `length`; `absent` for undefined. */
export function relativeIndex(arg: unknown, length: number, absent: number): number {
  if (arg === undefined) return absent;
  const index = integerOf(arg);
  return index < 0 ? Math.max(length + index, 0) : Math.min(index, length);
}

/**
 * What a call may read instead of `source`, so that `sourceLength` knows afterwards how long the call found it to be. Reading an array's length
 * tells nobody; anything else is asked once, by the call.
 */
export function measured(source: unknown): unknown {
  if (source === undefined || source === null || isTypedArray(source) || isPlainArray(source)) {
    return source;
  }
  const inner: object = Object(source);
  const outer: object = new Proxy(inner, {
    get(_, key) {
      const value: unknown = Reflect.get(inner, key, inner);
      if (key !== 'length') return value;
      const length = isObject(value) ? new Converted(value) : value;
      lengths.set(outer, length);
      return length;
    },
  });
  return outer;
}

/** How many elements a call read of what `measured` gave. */
export function sourceLength(source: unknown): number {
  if (isTypedArray(source)) return elementsOf(source);
  if (isPlainArray(source)) return source.length;
  return isObject(source) ? Math.max(integerOf(lengths.get(source)), 0) : 0;
}

function isPlainArray(source: unknown): source is readonly unknown[] {
  return Array.isArray(source) && isProxy?.(source) === false;
}
