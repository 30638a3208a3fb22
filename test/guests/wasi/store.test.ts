import { describe, expect, it } from 'vitest';
import { compileStore, fileOf, hostStore, replayed, type StoreExports } from './store.js';

async function boot(journal?: Uint8Array) {
  const host = hostStore();
  const module = new WebAssembly.Module(await compileStore());
  const replay = journal === undefined ? {} : replayed(journal, () => store.memory);
  const instance = new WebAssembly.Instance(module, {
    wasi_snapshot_preview1: { ...host.glue.imports, ...replay },
  });
  const store = instance.exports as WebAssembly.Exports & StoreExports;
  host.wasi.initialize({ exports: store });
  return { ...host, store };
}

describe('the WASI store', () => {
  it('keeps every record in its log, which is written anew under its name', async () => {
    const { store, root, wasi } = await boot();
    for (let step = 0; step < 20_000; step++) store.step();
    expect(store.damaged()).toBe(0);
    expect([...root.dir.contents.keys()].sort()).toEqual(['journal', 'log']);
    // Each new log has a descriptor of its own.
    expect(wasi.fds.length).toBeGreaterThan(6);
  });

  it('notices a record that is not as it was written', async () => {
    const host = await boot();
    for (let step = 0; step < 100; step++) host.store.step();
    const log = Buffer.from(fileOf(host, 'log').buffer);
    // The first byte that is not as its seed says, of each record that has bytes.
    for (let at = 0; log.readUInt32LE(at + 8) > 0 || log.readUInt32LE(at) > 0; ) {
      const length = log.readUInt32LE(at + 4);
      if (length > 0) log.writeUInt8(log.readUInt8(at + 12) ^ 1, at + 12);
      at += 12 + length;
    }
    expect(host.store.damaged()).toBeGreaterThan(20);
  });

  it('does the same again with what its journal says', async () => {
    const first = await boot();
    for (let step = 0; step < 5000; step++) first.store.step();
    const twin = await boot(fileOf(first, 'journal').slice());
    for (let step = 0; step < 5000; step++) twin.store.step();
    expect(twin.store.getDigest()).toBe(first.store.getDigest());
    const bytesOf = ({ store }: typeof twin): Buffer => Buffer.from(store.memory.buffer);
    expect(bytesOf(twin).equals(bytesOf(first))).toBe(true);
    for (const name of ['log', 'journal']) {
      expect(Buffer.compare(fileOf(twin, name), fileOf(first, name))).toBe(0);
    }
  });
});
