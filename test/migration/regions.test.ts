import { afterEach, describe, expect, it } from 'vitest';
import type { Guest } from '../../src/guests/guest.js';
import { memoryRegion } from '../../src/guests/memory-region.js';
import { MarksTracker } from '../../src/memory/marks.js';
import type { Region } from '../../src/memory/region.js';
import { type Listener, listen } from '../../src/migration/listen.js';
import { migrate } from '../../src/migration/migrate.js';
import { Random } from '../reference/random.js';

const random = new Random(11);
const open: Listener[] = [];
afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close();
});

/** A program with files: each is a region, and a number that became free is given to the next file. */
class Files implements Guest {
  readonly kind = 'files';
  readonly contents = new Map<string, Uint8Array>();
  readonly tracker: MarksTracker = new MarksTracker([]);
  #regions: Region[] = [];

  get regions(): readonly Region[] {
    return this.#regions;
  }

  create(id: number, name: string, content: Uint8Array, maxByteLength = 2 ** 20): void {
    this.contents.set(name, content);
    const region = memoryRegion({
      id,
      name,
      bytes: () => this.contents.get(name) ?? content,
      maxByteLength,
      grow: (byteLength) => this.grow(name, byteLength),
    });
    this.tracker.add(region);
    this.#regions.push(region);
  }

  grow(name: string, byteLength: number): void {
    const grown = new Uint8Array(byteLength);
    grown.set(this.contents.get(name) ?? grown);
    this.contents.set(name, grown);
  }

  remove(id: number): void {
    const region = this.#regions.find((candidate) => candidate.id === id);
    this.contents.delete(region?.name ?? '');
    this.#regions = this.#regions.filter((candidate) => candidate !== region);
  }

  async reshape(id: number, name: string, byteLength: number): Promise<void> {
    if (byteLength < 0) this.remove(id);
    else this.create(id, name, new Uint8Array(byteLength));
  }

  describe(): ReturnType<Guest['describe']> {
    return { kind: this.kind, version: '', features: [] };
  }
  async pause(): Promise<void> {}
  async resume(): Promise<void> {}
  async saveState(): Promise<Uint8Array> {
    return new Uint8Array();
  }
  async loadState(_state: Uint8Array): Promise<void> {}
}

describe('the id of a region that vanished', () => {
  const replacements: [string, { name: string; pages: number }][] = [
    ['of the same name and length', { name: 'log', pages: 40 }],
    ['that is called otherwise', { name: 'data', pages: 40 }],
    ['that is shorter', { name: 'data', pages: 3 }],
    ['that is longer', { name: 'data', pages: 90 }],
  ];
  const moments = ['while the offer is on its way', 'between two rounds'] as const;
  const cases = moments.flatMap((when) => replacements.map((each) => [when, ...each] as const));

  it.each(cases)('%s, may be that of another %s', async (when, _, { name, pages }) => {
    const source = new Files();
    const target = new Files();
    const replace = (): void => {
      source.remove(7);
      source.create(7, name, random.bytes(pages * 4096));
    };
    for (const [id, file] of ['index', 'log'].entries()) {
      const content = random.bytes(40 * 4096);
      source.create(id * 7, file, content);
    }
    const listener = await listen({
      accept: ({ regions }) => {
        for (const { id, name: file, byteLength } of regions) {
          target.create(id, file, random.bytes(byteLength));
        }
        if (when === 'while the offer is on its way') replace();
        return target;
      },
    });
    open.push(listener);
    const { host, port } = listener;
    const migration = migrate(source, { host, port, maxDowntimeMs: 5000 });
    for await (const event of migration) {
      if (event.type === 'round' && event.round === 1 && when === 'between two rounds') replace();
    }
    const report = await migration.done;
    expect(report.repaired).toBe(0);
    expect([...target.contents.keys()].sort()).toEqual(['index', name].sort());
    for (const [file, content] of source.contents) {
      expect(Buffer.compare(content, target.contents.get(file) ?? new Uint8Array())).toBe(0);
    }
  });

  it('may be that of one that grows beyond what the first could', async () => {
    const source = new Files();
    const target = new Files();
    const pageBytes = 4096;
    source.create(7, 'log', random.bytes(4 * pageBytes), 5 * pageBytes);
    const listener = await listen({
      accept: ({ regions }) => {
        for (const { id, name, byteLength, maxByteLength } of regions) {
          target.create(id, name, new Uint8Array(byteLength), maxByteLength);
        }
        source.remove(7);
        source.create(7, 'log', random.bytes(4 * pageBytes));
        return target;
      },
    });
    open.push(listener);
    const { host, port } = listener;
    const migration = migrate(source, { host, port, maxDowntimeMs: 5000 });
    for await (const event of migration) {
      if (event.type === 'round' && event.round === 1) source.grow('log', 9 * pageBytes);
    }
    await migration.done;
    const content = source.contents.get('log') ?? new Uint8Array();
    expect(target.contents.get('log')).toEqual(content);
    expect(content.byteLength).toBe(9 * pageBytes);
  });
});

/** Files of which its state says how long they are. */
class Told extends Files {
  readonly rehearsable = true;
  /** Of each state that was loaded, and what was here then. */
  readonly loaded: { readonly there: unknown; readonly here: unknown }[] = [];
  #isPaused = false;

  get #lengths(): unknown {
    return this.regions.map(({ name, byteLength }) => [name, byteLength]);
  }

  /** In each turn there is until it is paused. */
  growOn(name: string): void {
    const { byteLength = 0 } = this.contents.get(name) ?? {};
    if (this.#isPaused || byteLength > 900_000) return;
    this.grow(name, byteLength + 100);
    setImmediate(() => this.growOn(name));
  }

  override async pause(): Promise<void> {
    this.#isPaused = true;
  }

  override async saveState(): Promise<Uint8Array> {
    return new TextEncoder().encode(JSON.stringify(this.#lengths));
  }

  override async loadState(state: Uint8Array): Promise<void> {
    const there: unknown = JSON.parse(new TextDecoder().decode(state));
    this.loaded.push({ there, here: this.#lengths });
  }
}

describe('a state that is rehearsed', () => {
  it('finds its regions as long as they were when it was saved', async () => {
    const source = new Told();
    source.create(1, 'log', random.bytes(40 * 4096));
    const there = new Told();
    there.create(1, 'log', new Uint8Array());
    const listener = await listen({ accept: () => there });
    open.push(listener);
    source.growOn('log');
    const migration = migrate(source, { host: '127.0.0.1', port: listener.port });
    await expect(migration.done).resolves.toMatchObject({ verified: 'memory' });
    expect(there.loaded.length).toBeGreaterThan(1);
    for (const { there: said, here } of there.loaded) expect(here).toEqual(said);
  });
});
