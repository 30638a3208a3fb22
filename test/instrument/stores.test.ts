import { describe, expect, it } from 'vitest';
import { instrument, type MapPlace } from '../../src/instrument/index.js';
import { record } from '../evidence/record.js';
import { Random } from '../reference/random.js';
import { storeInstructions, storeModule } from './store-module.js';
import { Watched } from './written-pages.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const seed = Number(process.env['PAGEFERRY_SEED'] ?? 1);
const pages = 16;
const bytes = pages * 65_536;
/** What no store may reach: the longest, at the largest offset. */
const room = 40_000;
/** Calls between two looks. */
const batch = 8;

/** Multi-memory is from Node 22 on. */
const hasSecondMemory = Number(process.versions.node.split('.')[0]) >= 22;
const kinds: readonly { place: MapPlace; shared: boolean }[] = [
  { place: 'behind-maximum', shared: false },
  ...(hasSecondMemory
    ? [false, true].map((shared) => ({ place: 'second-memory' as const, shared }))
    : []),
];

describe('every instruction that writes memory', () => {
  it.for(kinds)('leaves a mark: map $place, shared $shared', ({ place, shared }, { task }) => {
    const { wasm, functions } = storeModule(pages, shared);
    const watched = Watched.make(instrument(wasm, { place }).wasm);
    const random = new Random(seed);
    // Nightly 8000 of each instruction; memory.fill, memory.copy and memory.init are among them.
    const calls = nightly ? (storeInstructions.length + 3) * 8000 : functions.length * 4;
    for (let call = 0; call < calls; call++) {
      const { name, alignment } = functions[call % functions.length] ?? { name: '', alignment: 1 };
      let address = random.below(bytes - room);
      // Every third just before the end of a page.
      if (call % 3 === 0) address = (address & ~4095) + 4096 - random.below(24);
      address -= address % alignment;
      const value = (BigInt(random.below(2 ** 31)) << 33n) ^ BigInt(random.below(2 ** 31));
      watched.call(name, address, value);
      if (call % batch === batch - 1 || call === calls - 1) watched.look();
    }
    const counts = { storeCalls: calls, missedPages: watched.missed };
    record(task, { what: `every store, map ${place}`, seeds: [seed], counts });
    expect(watched.missed).toBe(0);
    expect(watched.changed).toBeGreaterThan(calls / 2);
    expect(watched.byHead).toBeGreaterThan(10);
  });
});
