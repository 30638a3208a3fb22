import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { encodeIndex } from '../../src/snapshot/index-file.js';
import { PackIndex } from '../../src/snapshot/pack-index.js';
import { Sealer } from '../../src/snapshot/sealed.js';
import { STORE_PAGE_BYTES } from '../../src/snapshot/types.js';
import { makeFolder, openTestStore } from './support.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
/** Pages of the store: 100 GiB at night. */
const pages = nightly ? 100 * 2 ** 18 : 2 ** 20;
const objectsOfPack = 65_472;

/** Opens the store, begins a snapshot in it, looks for a thousand pages, and prints what memory that took at most. */
const script = `
  import { openStore } from 'pageferry/snapshot';
  const store = await openStore(process.argv[1]);
  const bare = process.memoryUsage().rss;
  const byteLength = 64 * 1000 * 4096;
  const writer = await store.begin({ name: 'x', regions: [{ name: 'disk', role: 'file', byteLength }] });
  const { randomBytes } = await import('node:crypto');
  for (let page = 0; page < 1000; page++) {
    const pages = Uint32Array.of(page);
    await writer.write({ region: 0, pages, ids: new Uint8Array(randomBytes(16)), bytes: new Uint8Array(4096).fill(1) });
  }
  const { counts } = writer;
  const most = process.resourceUsage().maxRSS * 1024;
  await writer.abandon();
  console.log(JSON.stringify({ most, bare, whole: counts.whole }));
`;

it(`finds pages in a store of ${pages / 2 ** 18} GiB in less memory than agreed`, async () => {
  const path = await makeFolder();
  const store = await openTestStore(path);
  const sealer = new Sealer(store.id, undefined);
  await mkdir(join(path, 'packs'), { recursive: true });
  for (let left = pages; left > 0; left -= objectsOfPack) {
    const id = randomBytes(16).toString('hex');
    const objects = Math.min(left, objectsOfPack);
    const index = new PackIndex(id, objects, Math.ceil(objects / 64));
    const words = new Uint32Array(new Uint8Array(randomBytes(16 * objects)).buffer);
    for (let object = 0; object < objects; object++) index.add(words, 4 * object);
    for (let first = 0, offset = 64; first < objects; first += 64, offset += 100_000) {
      index.addBlock(offset, 100_000, Math.min(64, objects - first) * STORE_PAGE_BYTES, first);
    }
    await writeFile(join(path, 'packs', `${id}.index`), Buffer.concat(encodeIndex(index, sealer)));
    await writeFile(join(path, 'packs', `${id}.pack`), '');
  }
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script, path]);
  const { most, bare, whole } = JSON.parse(stdout);
  expect(whole).toBe(1000);
  expect(most).toBeLessThan(200e6);
  // Beside what Node takes: 4.3 bytes a page and what is held of indexes.
  expect(most - bare).toBeLessThan(4.6 * pages + 45e6);
});
