import { converting, integerOf } from './conversions.js';
import { everything, type Hook, nothing, telling, type Writer } from './hook.js';
import type { Place, Span } from './watched-buffers.js';

/** What of Node's Buffer writes into one (node:buffer); what it has from Uint8Array has hooks there. */
export function bufferHooks(prototype: object): Hook[] {
  const hooks: Hook[] = [
    { owner: prototype, key: 'copy', hooking: telling(copy) },
    { owner: prototype, key: 'fill', hooking: telling(fill) },
    { owner: prototype, key: 'write', hooking: telling(write) },
  ];
  for (const key of Object.getOwnPropertyNames(prototype)) {
    const number = /^write(?:BigU?|U)?(?:[Ii]nt|Float|Double)(\d*)/.exec(key);
    if (number !== null) {
      const width = /Float/.test(key) ? 4 : /Double/.test(key) ? 8 : Number(number[1]) / 8;
      hooks.push({ owner: prototype, key, hooking: telling(writeNumber(width)) });
    } else if (/^[a-z\d]+Write$/.test(key)) {
      hooks.push({ owner: prototype, key, hooking: telling(writeText) });
    } else if (/^swap\d+$/.test(key)) {
      hooks.push({ owner: prototype, key, hooking: telling(swap) });
    }
  }
  return hooks;
}

/** Bytes from `from` on; all there are where that cannot be told, or where elements are not bytes. */
function bytes(place: Place, from: unknown, length: unknown): Span {
  const isPlain =
    place.elementBytes === 1 &&
    typeof from === 'number' &&
    from >= 0 &&
    typeof length === 'number' &&
    Math.trunc(from) + length <= place.byteLength;
  return isPlain ? { from: Math.trunc(from), length } : everything(place);
}

/** (target, targetStart, sourceStart, sourceEnd): gives how many bytes. */
const copy: Writer = {
  into: 0,
  prepare: (args) => converting(args, [1]),
  written: (place, [, targetStart], count) =>
    count === 0 ? nothing : bytes(place, integerOf(targetStart), count),
};

/** (value, start, end, encoding), (text, start, encoding), (text, encoding): without a start the end is not looked at. */
const fill: Writer = {
  into: -1,
  written(place, [, start, end]) {
    if (typeof start !== 'number') return everything(place);
    const to = typeof end === 'number' ? Math.trunc(end) : place.byteLength;
    return bytes(place, start, to - Math.trunc(start));
  },
};

/** (text, start, length, encoding), (text, start, encoding), (text, encoding): gives how many bytes. */
const write: Writer = {
  into: -1,
  written: (place, [, start], count) => bytes(place, typeof start === 'number' ? start : 0, count),
};

/** (text, start, length), of one encoding, each made a number: gives how many bytes. */
const writeText: Writer = {
  into: -1,
  prepare: (args) => converting(args, [1]),
  written: (place, [, start], count) => bytes(place, integerOf(start), count),
};

/** (number, start, byteLength): gives where it ended. Of `width` bytes, or where that is 0 of as many as it is told. */
function writeNumber(width: number): Writer {
  return {
    into: -1,
    written(place, [, , byteLength], end) {
      const length = width === 0 ? Number(byteLength) : width;
      return bytes(place, Number(end) - length, length);
    },
  };
}

const swap: Writer = { into: -1, written: everything };
