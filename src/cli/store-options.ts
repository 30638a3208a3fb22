import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { openStore } from '../snapshot/open-store.js';
import type { Compression, SnapshotInfo, Store } from '../snapshot/types.js';
import { UsageError } from './failure.js';
import { readSecretFile } from './secret-file.js';

/** How a store is opened, as the command line says it. */
export interface StoreKeyOptions {
  readonly keyFile?: string;
  readonly verifyKey?: string;
}

export interface StoreCommandOptions extends StoreKeyOptions {
  readonly json?: true;
}

/** What writes to a store can say too. */
export interface StoreWriteOptions extends StoreCommandOptions {
  readonly signKey?: string;
  readonly compression?: Compression;
}

/** A store, and perhaps one of its snapshots: "STORE", "STORE/NAME", "STORE/COUNTER". */
export interface StoreAddress {
  readonly path: string;
  readonly snapshot: string | undefined;
}

const keyBytes = 32;

export function withKeyOptions(command: Command): Command {
  return command
    .option(
      '--key-file <FILE>',
      "an encrypted store's key: 32 bytes as base64url, readable by you alone",
    )
    .option(
      '--verify-key <PEM>',
      'Ed25519 public key: snapshots that it has not signed are refused',
    );
}

export function withStoreOptions(command: Command): Command {
  return withKeyOptions(command).option('--json', 'events as NDJSON on stdout');
}

export function withWriteOptions(command: Command): Command {
  return withStoreOptions(withMakingOptions(command));
}

/** How what is written is written. */
export function withMakingOptions(command: Command): Command {
  return command
    .option('--sign-key <PEM>', 'Ed25519 private key: what is written is signed')
    .addOption(
      new Option('--compression <METHOD>', 'how pages are compressed (default lz4)').choices([
        'none',
        'lz4',
        'zstd',
      ]),
    );
}

/** Opens the store in the folder `path`; `create`: or makes one there. */
export async function openStoreAt(
  path: string,
  options: StoreWriteOptions,
  create = false,
): Promise<Store> {
  const { keyFile, verifyKey, signKey, compression } = options;
  return openStore(path, {
    create,
    ...(keyFile === undefined ? {} : { key: await readKey(keyFile) }),
    ...(verifyKey === undefined ? {} : { verifyWith: await readPublicKey(verifyKey) }),
    ...(signKey === undefined ? {} : { signWith: await readPrivateKey(signKey) }),
    ...(compression === undefined ? {} : { compression }),
  });
}

/** What of `text` is the store's folder, and what names a snapshot. Names may hold "/". */
export async function parseStoreAddress(text: string): Promise<StoreAddress> {
  const whole = resolve(text);
  for (let path = whole; ; path = dirname(path)) {
    if (await isStore(path)) {
      const snapshot = whole.slice(path === '/' ? 1 : path.length + 1);
      return { path, snapshot: snapshot === '' ? undefined : snapshot };
    }
    if (dirname(path) === path) break;
  }
  // Whoever opens it says what is wrong.
  return { path: whole, snapshot: undefined };
}

/** As `parseStoreAddress`, where a snapshot must be named. */
export async function parseSnapshotAddress(
  text: string,
): Promise<{ readonly path: string; readonly snapshot: string }> {
  const { path, snapshot } = await parseStoreAddress(text);
  if (snapshot !== undefined) return { path, snapshot };
  if (await isStore(path)) throw new UsageError(`name a snapshot, as in ${text}/NAME`);
  return { path: dirname(path), snapshot: basename(path) };
}

/** The snapshot's name and counter, as people are told. */
export function nameOf({ counter, manifest }: SnapshotInfo): string {
  return manifest === undefined ? `#${counter}` : `${manifest.name} (#${counter})`;
}

/** Whether the folder at `path` looks like a store. */
export async function isStore(path: string): Promise<boolean> {
  return stat(join(path, 'store')).then(
    (stats) => stats.isFile(),
    () => false,
  );
}

async function readKey(path: string): Promise<Uint8Array> {
  const key = Buffer.from((await readSecretFile(path)).trim(), 'base64url');
  if (key.length !== keyBytes) {
    throw new UsageError(`${path} holds no key: 32 random bytes as base64url, on one line`);
  }
  return key;
}

async function readPrivateKey(path: string): Promise<KeyObject> {
  return ed25519(path, createPrivateKey, await readSecretFile(path));
}

async function readPublicKey(path: string): Promise<KeyObject> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new UsageError(`cannot read ${path}`, { cause: error });
  });
  return ed25519(path, createPublicKey, text);
}

function ed25519(path: string, parse: (text: string) => KeyObject, text: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = parse(text);
  } catch {
    // Said below, without what is in the file.
  }
  if (key?.asymmetricKeyType !== 'ed25519') {
    throw new UsageError(`${path} holds no Ed25519 key as PEM`);
  }
  return key;
}
