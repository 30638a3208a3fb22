import { FerryError } from '../errors.js';
import type { Json } from '../guests/json-state.js';
import { checkPath, isReserved } from './paths.js';

/** A JSON object whose keys are the operator's. */
export type JsonObject = { readonly [key: string]: Json };

/** One file of a bundle. */
export interface BundleFile {
  /** Below the bundle's folder, with `/`. */
  readonly path: string;
  /** What it is for: "disk", "file", or the operator's word. */
  readonly role: string;
  /** "raw" and "qcow2" are disk images; anything else is bytes. */
  readonly format: string;
  readonly bytes: number;
  /** Permission bits, 0 to 0o777. */
  readonly mode: number;
  /** Of its content, 64 hex digits. */
  readonly sha256: string;
}

/** What the operator says of a bundle in its `bundle.json`. All optional. */
export interface Description {
  readonly name?: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly network: JsonObject;
  readonly limits: JsonObject;
  /** Of some of its files. */
  readonly files: readonly Partial<BundleFile>[];
}

/** What a bundle is, as it travels (docs/bundles.md). */
export interface Manifest extends Description {
  readonly name: string;
  /** False: it was not shut down in order. */
  readonly clean: boolean;
  readonly files: readonly BundleFile[];
}

export const manifestVersion = 1;
/** Of UTF-8. */
export const maxManifestBytes: number = 2 ** 20;
export const maxBundleFiles = 1024;
const maxDepth = 6;
const maxText = 4096;
const maxWord = 255;
const maxTags = 64;
const hashPattern = /^[0-9a-f]{64}$/;
const keys = [
  ...['pageferry', 'version', 'name', 'description', 'tags', 'network', 'limits', 'clean', 'files'],
] as const;
const fileKeys = ['path', 'role', 'format', 'bytes', 'mode', 'sha256'] as const;

/** As it is written and hashed: the same manifest is the same bytes. */
export function formatManifest(manifest: Manifest): Uint8Array {
  const { name, description, tags, network, limits, clean, files } = manifest;
  const head = { pageferry: 'bundle', version: manifestVersion, name, description, tags };
  const text = JSON.stringify({ ...head, network, limits, clean, files }, undefined, 1);
  const bytes = Buffer.from(`${text}\n`);
  if (bytes.byteLength > maxManifestBytes) throw tooLong(bytes.byteLength);
  return bytes;
}

/**
 * Reads a manifest that a peer sent, or that lies in a bundle that arrived. ERR_OUT_OF_RANGE for what is none, or breaks a limit; ERR_STORE_VERSION for one of a
 * later version.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  const value = parseObject(bytes);
  const found = describe(value);
  const { name } = found;
  if (name === undefined) throw wrong('it has no name');
  if (typeof value['clean'] !== 'boolean') throw wrong('clean is neither true nor false');
  const files = found.files.map(wholeFile);
  checkPaths(files.map(({ path }) => path));
  return { ...found, name, clean: value['clean'], files };
}

/** Reads the `bundle.json` of a folder that is to be sent: its operator's, or one that came with it. */
export function parseDescription(bytes: Uint8Array): Description & { readonly clean?: boolean } {
  const value = parseObject(bytes);
  const clean = value['clean'];
  return { ...describe(value), ...(typeof clean === 'boolean' ? { clean } : {}) };
}

/** ERR_OUT_OF_RANGE where one is there twice, or is a folder of another. */
export function checkPaths(paths: readonly string[]): void {
  if (paths.length === 0) throw wrong('it has no files');
  if (paths.length > maxBundleFiles) {
    throw wrong(`${paths.length} files; at most ${maxBundleFiles} are taken`);
  }
  const all = new Set<string>();
  const folders = new Set<string>();
  for (const path of paths) {
    checkPath(path);
    if (isReserved(path)) throw wrong(`${JSON.stringify(path)} is pageferry's own name`);
    if (all.has(path)) throw wrong(`${JSON.stringify(path)} is there twice`);
    all.add(path);
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      folders.add(path.slice(0, at));
    }
  }
  for (const path of all) {
    if (folders.has(path)) throw wrong(`${JSON.stringify(path)} is a file and a folder`);
  }
}

function parseObject(bytes: Uint8Array): JsonObject {
  if (bytes.byteLength > maxManifestBytes) throw tooLong(bytes.byteLength);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw wrong(`it is no JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (!isObject(value)) throw wrong('it is no object');
  const { version = manifestVersion } = value;
  if (typeof version === 'number' && version > manifestVersion) {
    throw new FerryError('ERR_STORE_VERSION', `a manifest of version ${version}`);
  }
  if (version !== manifestVersion || (value['pageferry'] ?? 'bundle') !== 'bundle') {
    throw wrong('it is none of a bundle');
  }
  checkKeys(value, keys);
  return value;
}

function describe(value: JsonObject): Description {
  const { name, description = '', tags = [], network = {}, limits = {}, files = [] } = value;
  if (!Array.isArray(tags) || tags.length > maxTags) throw wrong(`tags: at most ${maxTags}`);
  if (!Array.isArray(files) || files.length > maxBundleFiles) {
    throw wrong(`files: at most ${maxBundleFiles}`);
  }
  return {
    ...(name === undefined ? {} : { name: textOf('name', name, maxWord) }),
    description: textOf('description', description, maxText),
    tags: tags.map((tag: Json) => textOf('a tag', tag, maxWord)),
    network: shallowOf('network', network),
    limits: shallowOf('limits', limits),
    files: files.map(fileOf),
  };
}

function fileOf(value: Json): Partial<BundleFile> {
  if (!isObject(value)) throw wrong('a file is no object');
  checkKeys(value, fileKeys);
  const { path, role, format, bytes, mode, sha256 } = value;
  return {
    path: textOf('path', path, maxWord),
    ...(role === undefined ? {} : { role: textOf('role', role, maxWord) }),
    ...(format === undefined ? {} : { format: textOf('format', format, maxWord) }),
    ...(bytes === undefined ? {} : { bytes: numberOf('bytes', bytes, Number.MAX_SAFE_INTEGER) }),
    ...(mode === undefined ? {} : { mode: numberOf('mode', mode, 0o777) }),
    ...(sha256 === undefined ? {} : { sha256: textOf('sha256', sha256, maxWord) }),
  };
}

function wholeFile({ path, role, format, bytes, mode, sha256 }: Partial<BundleFile>): BundleFile {
  if (path === undefined || role === undefined || format === undefined) {
    throw wrong('a file without path, role and format');
  }
  if (bytes === undefined || mode === undefined || !hashPattern.test(sha256 ?? '')) {
    throw wrong(`${JSON.stringify(path)} without bytes, mode and SHA-256`);
  }
  return { path, role, format, bytes, mode, sha256: sha256 ?? '' };
}

function textOf(what: string, value: Json | undefined, longest: number): string {
  if (typeof value === 'string' && value.length <= longest) return value;
  throw wrong(`${what} is no text of at most ${longest} characters`);
}

function numberOf(what: string, value: Json, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most) {
    return value;
  }
  throw wrong(`${what} is no whole number up to ${most}`);
}

/** Commands read these as JSON: what is nested without end is not passed on. */
function shallowOf(what: string, value: Json): JsonObject {
  if (isObject(value) && depthOf(value, maxDepth) <= maxDepth) return value;
  throw wrong(`${what} is no object, or more than ${maxDepth} deep`);
}

function depthOf(value: Json, left: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (left === 0) return 1;
  const inner = Object.values<Json>(value);
  return 1 + inner.reduce<number>((most, each) => Math.max(most, depthOf(each, left - 1)), 0);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkKeys(value: JsonObject, known: readonly string[]): void {
  const other = Object.keys(value).find((key) => !known.includes(key));
  if (other !== undefined) throw wrong(`${JSON.stringify(other)} means nothing there`);
}

function tooLong(bytes: number): FerryError {
  return wrong(`${bytes} bytes; at most ${maxManifestBytes} are taken`);
}

function wrong(why: string): FerryError {
  return new FerryError('ERR_OUT_OF_RANGE', `the manifest of the bundle: ${why}`);
}
