import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileIn } from '../bundle/paths.js';
import { FerryError } from '../errors.js';
import type { FileDestinationOptions } from '../guests/file-destination.js';
import { fileError } from '../guests/file-io.js';
import { pathInFolder } from '../guests/file-name.js';
import { OlderSnapshot } from '../snapshot/older-snapshot.js';
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
  options: StoreKeyOptions & { readonly base?: string; readonly store?: string },
  output: Output,
): Promise<Base | undefined> {
  const { base, store, keyFile, verifyKey } = options;
  if (base !== undefined) {
    if (await isStore(base)) throw new UsageError(`--base: name a snapshot, as in ${base}/NAME`);
    const reason = await unreadable(base);
    if (reason !== undefined) {
      const { path, snapshot } = await parseStoreAddress(base);
      if (snapshot === undefined) throw fileError(reason, `cannot read the base ${base}`);
      return baseOfSnapshot(await openStoreAt(path, options), snapshot, output);
    }
  }
  if (store === undefined && (keyFile ?? verifyKey) !== undefined) {
    throw new UsageError('--key-file and --verify-key are for --store and --base STORE/NAME');
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

async function baseOfSnapshot(store: Store, name: string, output: Output): Promise<Base> {
  try {
    const snapshot = await found(store, name);
    const older = await OlderSnapshot.open(store, snapshot, (file, { code, message }) => {
      output.event({ type: 'base-damaged', file, code, message });
      output.line(escapeControls(`${file}: what the base has not any more is sent: ${message}`));
    });
    return {
      ofFile: async (file) => older.ofFile(file),
      ofBundle: async (bundle, path) => older.ofBundle(bundle, path),
      close: async () => {
        await older.close();
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
