import {
  type JsonRecord,
  MalformedState,
  readCount,
  readList,
  readNumber,
  readText,
} from '../json-state.js';
import type { HostCalls } from './host-calls.js';

const mostLibraries = 1024;
const mostTimers = 16;
const mostPath = 4096;
const mostMs = 2 ** 31 - 1;
const most32 = 2 ** 32 - 1;

type Timers = readonly (readonly [which: number, ms: number])[];

/** What `readCalls` reads: libraries as lists of path, base of their data and slots; timers as lists of number and ms. */
export function writeCalls(calls: HostCalls): object {
  const libraries = calls.libraries.map(({ path, memoryBase, firstSlot, endSlot }) => [
    path,
    memoryBase,
    firstSlot,
    endSlot,
  ]);
  return { libraries, timers: calls.timers() };
}

/** Sees that the same libraries are open here, at the same places, and gives the timers. MalformedState otherwise. */
export function readCalls(record: JsonRecord, here: HostCalls): Timers {
  const there = readList('libraries', record['libraries'], mostLibraries, (item) => {
    const [path, ...places] = readList('a library', item, 4, (value) => value);
    return [
      readText('a path', path, mostPath),
      ...places.map((place) => readCount('a place', place, most32)),
    ];
  });
  const own = here.libraries.map(({ path, memoryBase, firstSlot, endSlot }) => [
    path,
    memoryBase,
    firstSlot,
    endSlot,
  ]);
  for (let index = 0; index < Math.max(there.length, own.length); index++) {
    if (JSON.stringify(there[index]) === JSON.stringify(own[index])) continue;
    const name = String((there[index] ?? own[index])?.[0]);
    throw new MalformedState(
      `library ${name} is not open at both ends in the same place: open it at both, in the same order, when they start`,
    );
  }
  return readList('timers', record['timers'], mostTimers, (item) => {
    const [which, ms] = readList('a timer', item, 2, (value) => value);
    return [readCount('a timer', which, mostTimers), Math.min(mostMs, readNumber('its time', ms))];
  });
}
