import { afterEach, describe, expect, it } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { Guest } from '../../src/guests/guest.js';
import { memoryRegion } from '../../src/guests/memory-region.js';
import type { DirtyBitmap } from '../../src/memory/bitmap.js';
import { MarksTracker } from '../../src/memory/marks.js';
import { PAGE_BYTES } from '../../src/memory/pages.js';
import type { Region } from '../../src/memory/region.js';
import type { DirtyTracker } from '../../src/memory/tracker.js';
import { type Listener, listen } from '../../src/migration/listen.js';
import { migrate } from '../../src/migration/migrate.js';
import { predict } from '../../src/migration/predict.js';

const open: Listener[] = [];
afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close();
});

const pages = 512;

/** Marks, and others who write without them. */
class LeakyTracker implements DirtyTracker {
  readonly exact = true;
  readonly #marks: MarksTracker;
  readonly #seesAll: ReadonlySet<number>;

  constructor(regions: readonly Region[], seesAll: ReadonlySet<number> = new Set()) {
    this.#marks = new MarksTracker(regions);
    this.#seesAll = seesAll;
  }

  start(): void {
    this.#marks.start();
  }
  take(region: Region, into: DirtyBitmap): void {
    this.#marks.take(region, into);
  }
  unseen(region: Region): boolean {
    return !this.#seesAll.has(region.id);
  }
  mark(region: number, offset: number, length: number): void {
    this.#marks.mark(region, offset, length);
  }
  stop(): void {}
}

interface Ends {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

function ends(): Ends {
  const source = new Uint8Array(pages * PAGE_BYTES).map((_, at) => at % 251);
  return { source, destination: new Uint8Array(pages * PAGE_BYTES) };
}

/** A guest whose memory is written, unnoticed, in the way given: again and again while it runs, and once more when it is paused. */
async function move(
  { source, destination }: Ends,
  tracker: (region: Region) => DirtyTracker,
): Promise<void> {
  const region = memoryRegion({ name: 'memory', bytes: () => source });
  const base = bufferGuest(source);
  let writes = 0;
  const write = (): void => {
    source[(writes * 7919) % source.byteLength] = 255 - (writes % 3);
    writes += 1;
  };
  const timer = setInterval(write, 1);
  const guest: Guest = {
    ...base,
    regions: [region],
    tracker: tracker(region),
    async pause() {
      clearInterval(timer);
      write();
    },
  };
  const listener = await listen({ accept: () => bufferGuest(destination) });
  open.push(listener);
  try {
    await migrate(guest, { host: '127.0.0.1', port: listener.port }).done;
  } finally {
    clearInterval(timer);
  }
}

describe('a region that others write than its exact tracker watches', () => {
  it('arrives as it is, written until the pause or not', async () => {
    const both = ends();
    await move(both, (region) => new LeakyTracker([region]));
    expect(Buffer.compare(both.source, both.destination)).toBe(0);
  });

  it('is ERR_MISSED_WRITE where the tracker says that it sees them all', async () => {
    const both = ends();
    await expect(
      move(both, (region) => new LeakyTracker([region], new Set([region.id]))),
    ).rejects.toMatchObject({ code: 'ERR_MISSED_WRITE' });
  });

  it('costs a look at every page while paused, and a prediction says so', async () => {
    const bytes = new Uint8Array(64 * 2 ** 20);
    const guestOf = (tracker: (region: Region) => DirtyTracker): Guest => {
      const region = memoryRegion({ name: 'memory', bytes: () => bytes });
      return { ...bufferGuest(bytes), regions: [region], tracker: tracker(region) };
    };
    const options = { seconds: 0.3, bytesPerSecond: 1e9, rttMs: 0.1 };
    const leaky = await predict(
      guestOf((region) => new LeakyTracker([region])),
      options,
    );
    const exact = await predict(
      guestOf((region) => new MarksTracker([region])),
      options,
    );
    expect((leaky.downtimeMs ?? 0) - (exact.downtimeMs ?? 0)).toBeGreaterThan(1);
  });
});

describe('a destination that makes its regions as they are offered', () => {
  it('is filled with them, from what it held before', async () => {
    const source = [3, 40].map((size, id) => {
      const bytes = new Uint8Array(size * PAGE_BYTES).fill(id + 1);
      return memoryRegion({ id, name: `file ${id}`, bytes: () => bytes });
    });
    const contents = new Map<string, Uint8Array>();
    const made: Region[] = [];
    const guestOf = (regions: Region[]): Guest => {
      return { ...bufferGuest(new Uint8Array(0)), regions, tracker: new MarksTracker(regions) };
    };
    const destination: Guest = {
      ...guestOf(made),
      async adopt(offered) {
        for (const { id, name, byteLength } of offered) {
          // The first is known, but for its beginning.
          const bytes = new Uint8Array(byteLength).fill(id === 1 ? 2 : 0).fill(0, 0, 1);
          contents.set(name, bytes);
          made.push(memoryRegion({ id, name, bytes: () => bytes, held: id === 1 }));
        }
      },
    };
    const listener = await listen({ accept: () => destination });
    open.push(listener);
    const report = await migrate(guestOf(source), { host: '127.0.0.1', port: listener.port }).done;
    expect(contents.get('file 0')).toEqual(new Uint8Array(3 * PAGE_BYTES).fill(1));
    expect(contents.get('file 1')?.every((byte) => byte === 2)).toBe(true);
    expect(report.pagesSent).toBe(4);
  });
});
