// The writable memory of a Node process, read from outside while it is stopped.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import type { MemoryPair } from './memory-pairs.js';

interface Mapping {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** A program that replaces objects in a map, before and after 2,000 of them. */
export async function nodeHeap(): Promise<MemoryPair> {
  const script = new URL('./node-heap-process.js', import.meta.url);
  const child = fork(script, [], { execArgv: ['--single-threaded', '--max-semi-space-size=1'] });
  try {
    await once(child, 'message');
    const before = readStopped(child.pid ?? 0);
    child.send('work');
    await once(child, 'message');
    return aligned(before, readStopped(child.pid ?? 0));
  } finally {
    child.kill('SIGKILL');
  }
}

/** Its private, anonymous, writable mappings. Throws where the system does not show them (it is Linux that does). */
function readStopped(pid: number): readonly Mapping[] {
  process.kill(pid, 'SIGSTOP');
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    while (!/^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')));
    const maps = readFileSync(`/proc/${pid}/maps`, 'utf8');
    return [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw.p \S+ 00:00 0 *(?:\[heap\])?$/gm)].map(
      ([, from = '', to = '']) => {
        const start = Number.parseInt(from, 16);
        const bytes = new Uint8Array(Number.parseInt(to, 16) - start);
        let length = 0;
        while (length < bytes.length) {
          const read = readSync(memory, bytes, length, bytes.length - length, start + length);
          if (read === 0) break;
          length += read;
        }
        return { start, bytes };
      },
    );
  } finally {
    closeSync(memory);
    process.kill(pid, 'SIGCONT');
  }
}

/** Both states of every address that either knows, ascending; zero where it was not there. */
function aligned(before: readonly Mapping[], after: readonly Mapping[]): MemoryPair {
  const pageBytes = 4096;
  const pages = [...before, ...after].flatMap(({ start, bytes }) =>
    Array.from({ length: bytes.length / pageBytes }, (_, index) => start + index * pageBytes),
  );
  const places = new Map(
    [...new Set(pages)].sort((a, b) => a - b).map((page, index) => [page, index * pageBytes]),
  );
  const laid = (mappings: readonly Mapping[]): Uint8Array => {
    const all = new Uint8Array(places.size * pageBytes);
    for (const { start, bytes } of mappings) all.set(bytes, places.get(start) ?? 0);
    return all;
  };
  return { before: laid(before), after: laid(after) };
}
