import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileIn } from '../bundle/paths.js';
import { FerryError } from '../errors.js';
import type { FileDestinationOptions } from '../guests/file-destination.js';
import { fileError } from '../guests/file-io.js';
import { pathInFolder } from '../guests/file-name.js';
import { jsonField } from '../snapshot/json-field.js';
import { olderPages } from '../snapshot/older-pages.js';
import type { SnapshotInfo, Store } from '../snapshot/types.js';
import { escapeControls } from './escape.js';
import { UsageError } from './failure.js';
import type { Output } from './output.js';
import { isStore, openStoreAt, parseStoreAddress, type StoreKeyOptions } from './store-options.js';

type Older = FileDestinationOptions['base'];

/** What is here of files that arrive: what of it is the same is not sent. */
export interface Base {
  /** Of a file that arrives alone. */
  ofFile(name: string): Promise<Older>;
  /** Of file `path` of bundle `name`. */
  ofBundle(name: string, path: string): Promise<Older>;
  close(): Promise<void>;
}

/**
 * What `--base` names: a file or folder that is there, or else a snapshot of a store. Undefined without it. A UsageError where the store has no such snapshot; ERR_IO,
 * or what opening a store fails with. Of which files pages of the snapshot cannot be read any more `output` is told.
 */
export async function openBase(
  options: StoreKeyOptions & { readonly base?: string },
  output: Output,
): Promise<Base | undefined> {
  const { base, keyFile, verifyKey } = options;
  if (base !== undefined) {
    if (await isStore(base)) throw new UsageError(`--base: name a snapshot, as in ${base}/NAME`);
    const reason = await unreadable(base);
    if (reason !== undefined) {
      const { path, snapshot } = await parseStoreAddress(base);
      if (snapshot === undefined) throw fileError(reason, `cannot read the base ${base}`);
      return baseOfSnapshot(await openStoreAt(path, options), snapshot, output);
    }
  }
  if ((keyFile ?? verifyKey) !== undefined) {
    throw new UsageError('--key-file and --verify-key are for --base STORE/NAME');
  }
  return base === undefined ? undefined : baseOfFiles(base);
}

/** Why `path` cannot be read. */
function unreadable(path: string): Promise<unknown> {
  return access(path, constants.R_OK).catch((error: unknown) => error);
}

function baseOfFiles(path: string): Base {
  return {
    ofFile: async (name) => ((await stat(path)).isDirectory() ? pathInFolder(path, name) : path),
    ofBundle: (name, file) => fileIn(join(path, name), file),
    close: async () => {},
  };
}

async function baseOfSnapshot(store: Store, snapshot: string, output: Output): Promise<Base> {
  try {
    const reader = await store.read(await found(store, snapshot));
    const { name: ownName, metadata, regions } = reader.manifest;
    const isFile = jsonField(metadata, 'isFolder') === false;
    const names = regions.map(({ name, role }) => {
      if (role !== 'file') return undefined;
      return isFile ? ownName : name;
    });
    let isOpen = true;
    const pagesOf = (file: string, region: number): Older => {
      if (region < 0) return undefined;
      return olderPages(reader, region, ({ code, message }) => {
        if (!isOpen) return;
        output.event({ type: 'base-damaged', file, code, message });
        output.line(escapeControls(`${file}: what the base has not any more is sent: ${message}`));
      });
    };
    return {
      ofFile: async (name) => pagesOf(name, isFile ? 0 : names.indexOf(name)),
      ofBundle: async (name, file) => {
        const path = `${name}/${file}`;
        return pagesOf(path, names.indexOf(names.includes(path) ? path : file));
      },
      close: async () => {
        // Who still reads for a session that is over is told nothing.
        isOpen = false;
        await reader.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function found(store: Store, snapshot: string): Promise<SnapshotInfo> {
  try {
    return await store.find(snapshot);
  } catch (error) {
    if (!(error instanceof FerryError && error.code === 'ERR_OUT_OF_RANGE')) throw error;
    throw new UsageError(`--base: ${error.message}`, { cause: error });
  }
}
