import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import initSqlJs from 'sql.js';
import { describe, expect, it } from 'vitest';
import { programSource } from '../../../src/guests/emscripten/index.js';
import { instrument, readLayout } from '../../../src/instrument/index.js';

const wasmPageBytes = 65536;
const bytes = readFileSync(createRequire(import.meta.url).resolve('sql.js/dist/sql-wasm.wasm'));
const place = 'behind-maximum';

describe('a program whose host grows it, with the map behind its maximum', () => {
  it('has what it says at first, and grows as its glue would grow it', async () => {
    const maxPages = 1024;
    const { wasm } = instrument(bytes, { place, hostGrows: true, maxPages });
    const { instantiateWasm, program } = programSource(wasm);
    const SQL = await initSqlJs({ instantiateWasm: instantiateWasm as never });
    const { memory, size } = await program;
    const first = (readLayout(wasm)?.memory.minPages ?? 0) * wasmPageBytes;
    expect(size.byteLength).toBe(first);
    const whole = memory.buffer.byteLength;
    expect(whole).toBeGreaterThan(maxPages * wasmPageBytes);

    const db = new SQL.Database();
    db.run('CREATE TABLE t (v)');
    db.run('INSERT INTO t VALUES (randomblob(?))', [first / 2]);
    const grown = size.byteLength;
    expect(grown).toBeGreaterThanOrEqual(first * 1.2);
    expect(grown % wasmPageBytes).toBe(0);
    expect(() => db.run('SELECT zeroblob(60000000) || zeroblob(60000000)')).toThrow('memory');
    expect(size.byteLength).toBeLessThanOrEqual(maxPages * wasmPageBytes);
    size.grow(maxPages * wasmPageBytes);
    expect(size.byteLength).toBe(maxPages * wasmPageBytes);
    for (const impossible of [grown, maxPages * wasmPageBytes + wasmPageBytes, Number.NaN]) {
      expect(() => size.grow(impossible)).toThrow('cannot become');
    }
    expect(memory.buffer.byteLength).toBe(whole);
    expect(db.exec('SELECT length(v) FROM t')[0]?.values).toEqual([[first / 2]]);
  });

  it('has all of it from the beginning where its host does not say that it knows', () => {
    const layoutOf = (hostGrows: boolean) =>
      readLayout(instrument(bytes, { place, hostGrows, maxPages: 2048 }).wasm)?.memory;
    expect(layoutOf(false)).toMatchObject({ minPages: 2048, maxPages: 2048 });
    const own = readLayout(instrument(bytes, { place: 'none' }).wasm)?.memory;
    expect(layoutOf(true)).toMatchObject({ minPages: own?.minPages, maxPages: 2048 });
  });
});
