import { randomBytes, timingSafeEqual } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { FerryError } from '../errors.js';
import { systemCode } from '../guests/file-io.js';
import { checkCompression } from './block-codec.js';
import { Catalog } from './catalog.js';
import { allOf, closing, placeFile, temporarySuffix } from './place-file.js';
import { Sealer, section } from './sealed.js';
import { FolderStore } from './store.js';
import { coded, corrupt, ifThere } from './store-error.js';
import { realFiles, type StoreFiles } from './store-files.js';
import type { Store, StoreOptions } from './types.js';

const storeName = 'store';
const folders = ['packs', 'tables', 'snapshots', 'locks'];
const idBytes = 16;
const keyBytes = 32;
const checkBytes = 32;
const minPackBytes = 1 << 20;
const maxPackBytes = 1 << 30;

export interface OpenOptions extends StoreOptions {
  /** An empty or missing folder becomes a store. Default false. */
  readonly create?: boolean;
}

/**
 * Opens the store at `path`. ERR_STORE_CORRUPT if the folder is none; ERR_STORE_VERSION if a newer pageferry made it; ERR_AUTH if it is encrypted and `key` is not
 * its key, or not encrypted and a key is given.
 */
export async function openStore(path: string, options: OpenOptions = {}): Promise<Store> {
  const place = resolve(path);
  const files = options.files ?? realFiles;
  const { key, compression = 'lz4', packBytes = 64 << 20, lookupBytes = 112 << 20 } = options;
  if (key !== undefined && !(key instanceof Uint8Array && key.length === keyBytes)) {
    throw new RangeError(`a key has ${keyBytes} bytes`);
  }
  checkCompression(compression);
  if (!(packBytes >= minPackBytes && packBytes <= maxPackBytes)) {
    throw new RangeError(`packs of ${packBytes} bytes: not ${minPackBytes} to ${maxPackBytes}`);
  }
  return coded(`cannot open ${place}`, async () => {
    const sealer =
      (await readStore(files, place, key)) ??
      (await createStore(files, place, key, options.create ?? false));
    if (options.create) {
      // Also where it was there: whoever created it may not have come so far.
      await files.syncFolder(place);
      await files.syncFolder(dirname(place));
    }
    return new FolderStore({
      path: place,
      files,
      sealer,
      signWith: options.signWith,
      verifyWith: options.verifyWith,
      compression,
      packBytes,
      lookupBytes,
      catalog: new Catalog(files, place, sealer),
    });
  });
}

/** Undefined where there is no store. */
async function readStore(
  files: StoreFiles,
  path: string,
  key: Uint8Array | undefined,
): Promise<Sealer | undefined> {
  const file = await ifThere(() => files.open(join(path, storeName)));
  if (file === undefined) return undefined;
  const where = join(path, storeName);
  const body = await closing(file, async () => {
    const read = await new Sealer('', undefined).read(file, 0, section.store, storeName, where);
    if (read.end !== (await file.size())) throw corrupt(`${where}: bytes behind its end`);
    return Buffer.from(read.body);
  });
  const isEncrypted = body.length === idBytes + checkBytes;
  if (!isEncrypted && body.length !== idBytes) throw corrupt(`${where} cannot be`);
  if (isEncrypted !== (key !== undefined)) {
    const what = isEncrypted ? 'is encrypted: it needs its key' : 'is not encrypted: it has no key';
    throw new FerryError('ERR_AUTH', `${path} ${what}`);
  }
  const sealer = new Sealer(body.toString('hex', 0, idBytes), key);
  const check = sealer.derive('key check');
  if (check !== undefined && !timingSafeEqual(check, body.subarray(idBytes))) {
    throw new FerryError('ERR_AUTH', `${path} is encrypted with another key`);
  }
  return sealer;
}

async function createStore(
  files: StoreFiles,
  path: string,
  key: Uint8Array | undefined,
  create: boolean,
): Promise<Sealer> {
  if (!create) {
    await files.list(path);
    throw corrupt(`${path} is no store of pageferry`);
  }
  await makeFolder(files, path);
  const strange = (await files.list(path)).find(
    // What an interrupted creation leaves.
    (name) => !folders.includes(name) && !name.endsWith(temporarySuffix),
  );
  if (strange !== undefined && strange !== storeName) {
    throw corrupt(`${path} is no store of pageferry: it has ${JSON.stringify(strange)} in it`);
  }
  for (const name of folders) await makeFolder(files, join(path, name));
  await files.syncFolder(path);
  const sealer = new Sealer(randomBytes(idBytes).toString('hex'), key);
  const id = Buffer.from(sealer.storeId, 'hex');
  const body = Buffer.concat([id, sealer.derive('key check') ?? Buffer.alloc(0)]);
  const sealed = new Sealer('', undefined).seal(section.store, storeName, body);
  try {
    await placeFile(files, path, storeName, allOf([sealed]), 'link');
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    // Another process created it meanwhile.
    const other = await readStore(files, path, key);
    if (other === undefined) throw error;
    return other;
  }
  return sealer;
}

async function makeFolder(files: StoreFiles, path: string): Promise<void> {
  try {
    await files.makeFolder(path);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
}
