import { Buffer } from 'node:buffer';
import { type KeyObject, sign, verify } from 'node:crypto';
import { FerryError } from '../errors.js';
import { pagesOf, snapshotRoot } from './merkle.js';
import { type Sealer, STORE_VERSION, section } from './sealed.js';
import { corrupt } from './store-error.js';
import type { StoreFile } from './store-files.js';
import type { Json, Manifest, ManifestRegion, RegionPlan, RegionRole } from './types.js';

const maxRegions = 1 << 18;
const maxNameBytes = 4096;
const maxSnapshotNameBytes = 255;
/** Pages of all regions: a page number has 32 bits. */
export const MAX_PAGES: number = 2 ** 32;
const maxCounter = 9_999_999_999;

/** RangeError or TypeError unless regions of these names and lengths can be in one snapshot. */
export function checkRegions(regions: readonly RegionPlan[]): void {
  const wrong = wrongRegions(regions);
  if (wrong !== undefined) throw new RangeError(wrong);
}

export function checkName(name: string): void {
  if (!isSnapshotName(name)) {
    throw new RangeError(`${JSON.stringify(name)} cannot be the name of a snapshot`);
  }
}

/** 10 digits, so that names sort as numbers do; a later revision has its number behind. */
export function manifestName(counter: number, revision: number): string {
  const digits = String(counter).padStart(10, '0');
  return revision === 0 ? `${digits}.manifest` : `${digits}-${revision}.manifest`;
}

export function parseManifestName(name: string): { counter: number; revision: number } | undefined {
  const match = /^(\d{10})(?:-([1-9]\d{0,8}))?\.manifest$/.exec(name);
  if (match === null) return undefined;
  return { counter: Number(match[1]), revision: Number(match[2] ?? 0) };
}

/** The parts of a manifest file. What is signed does not say where pages are: that may change, and what they are may not. */
export interface ManifestParts {
  readonly body: Uint8Array;
  /** Of the page table, 16 bytes. */
  readonly table: Uint8Array;
  readonly signature?: Uint8Array | undefined;
}

export function makeManifestParts(manifest: Manifest, signWith?: KeyObject): ManifestParts {
  const { table, ...rest } = manifest;
  const body = Buffer.from(JSON.stringify(rest));
  if (body.length > section.manifest.limit) {
    throw new FerryError('ERR_STATE_TOO_LARGE', `a manifest of ${body.length} bytes`);
  }
  const signature = signWith === undefined ? undefined : sign(null, body, signWith);
  return { body, table: Buffer.from(table, 'hex'), signature };
}

export function sealManifest(sealer: Sealer, counter: number, parts: ManifestParts): Uint8Array[] {
  const owner = String(counter);
  const sealed = [
    sealer.seal(section.manifest, owner, parts.body),
    sealer.seal(section.placement, owner, parts.table),
  ];
  if (parts.signature !== undefined) {
    sealed.push(sealer.seal(section.signature, owner, parts.signature));
  }
  return sealed;
}

export interface ReadManifest {
  readonly manifest: Manifest;
  readonly parts: ManifestParts;
  readonly signed: boolean;
}

/** ERR_STORE_CORRUPT, ERR_STORE_VERSION, or ERR_AUTH where `verifyWith` did not sign it. */
export async function readManifest(
  file: StoreFile,
  name: string,
  counter: number,
  sealer: Sealer,
  verifyWith?: KeyObject,
): Promise<ReadManifest> {
  const where = `snapshots/${name}`;
  const owner = String(counter);
  const { body, end } = await sealer.read(file, 0, section.manifest, owner, where);
  const placed = await sealer.read(file, end, section.placement, owner, where);
  const table = Buffer.from(placed.body);
  if (table.length !== 16) throw corrupt(`${where}: no id of a page table`);
  let signature: Uint8Array | undefined;
  if (placed.end < (await file.size())) {
    const signed = await sealer.read(file, placed.end, section.signature, owner, where);
    if (signed.end !== (await file.size())) throw corrupt(`${where}: bytes behind its end`);
    signature = signed.body;
  }
  if (verifyWith !== undefined) {
    if (signature === undefined || !verify(null, body, verifyWith, signature)) {
      throw new FerryError('ERR_AUTH', `${where} is not signed by the given key`);
    }
  }
  const manifest = parse(body, table.toString('hex'), where);
  if (manifest.counter !== counter || manifest.store !== sealer.storeId) {
    throw corrupt(`${where} says that it is another`);
  }
  return { manifest, parts: { body, table, signature }, signed: verifyWith !== undefined };
}

function parse(body: Uint8Array, table: string, where: string): Manifest {
  let value: Manifest;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw corrupt(`${where} is no JSON`, error);
  }
  const wrong = wrongManifest(value);
  if (wrong !== undefined) throw corrupt(`${where}: ${wrong}`);
  return { ...value, table };
}

function wrongManifest(value: Manifest): string | undefined {
  if (typeof value !== 'object' || value === null) return 'no object';
  if (value.version !== STORE_VERSION) return `version ${String(value.version)}`;
  if (typeof value.store !== 'string') return 'no store';
  if (!isCount(value.counter, maxCounter) || value.counter < 1) return 'no counter';
  if (typeof value.name !== 'string' || !isSnapshotName(value.name)) return 'a name that cannot be';
  if (!isCount(value.time) || typeof value.clean !== 'boolean') return 'no time or state';
  if (!isCount(value.pages, MAX_PAGES) || !isCount(value.storedBytes)) return 'no counts';
  const { parent, regions, root } = value;
  if (parent !== undefined) {
    const isParent = typeof parent === 'object' && parent !== null;
    if (!isParent || !isCount(parent.counter, maxCounter) || !isRoot(parent.root)) {
      return 'a parent that cannot be';
    }
  }
  if (!Array.isArray(regions) || !isRoot(root)) return 'no regions or root';
  return wrongPlaces(regions) ?? (snapshotRoot(regions) === root ? undefined : 'a lying root');
}

function wrongPlaces(regions: readonly ManifestRegion[]): string | undefined {
  const wrong = wrongRegions(regions);
  if (wrong !== undefined) return wrong;
  for (const { name, byteLength, firstPage, pageCount, root } of regions) {
    const fits = isCount(firstPage, MAX_PAGES) && isCount(pageCount, MAX_PAGES);
    if (!fits || firstPage + pageCount > MAX_PAGES || pagesOf(byteLength) > pageCount) {
      return `region ${JSON.stringify(name)} has pages that cannot be`;
    }
    if (!isRoot(root)) return `region ${JSON.stringify(name)} has no root`;
  }
  const sorted = [...regions].sort((one, other) => one.firstPage - other.firstPage);
  let next = 0;
  for (const { firstPage, pageCount } of sorted) {
    if (firstPage < next) return 'regions that overlap';
    next = firstPage + pageCount;
  }
  return undefined;
}

function wrongRegions(
  regions: readonly { name: string; role: RegionRole; byteLength: number }[],
): string | undefined {
  if (regions.length > maxRegions) return `${regions.length} regions`;
  const names = new Set<string>();
  let pages = 0;
  for (const region of regions) {
    if (typeof region !== 'object' || region === null) return 'a region that is none';
    const { name, role, byteLength } = region;
    if (typeof name !== 'string' || !isRegionName(name)) {
      return `a region cannot have the name ${JSON.stringify(name)?.slice(0, 100)}`;
    }
    const key = `${role}/${name}`;
    if (names.has(key)) return `two regions ${JSON.stringify(name)}`;
    names.add(key);
    if (role !== 'memory' && role !== 'file' && role !== 'state') return 'a region without role';
    if (!isCount(byteLength)) return `region ${JSON.stringify(name)} has no length`;
    pages += pagesOf(byteLength);
  }
  return pages <= MAX_PAGES ? undefined : 'more than 2^32 pages';
}

/** A relative path that stays below where it begins. */
function isRegionName(name: string): boolean {
  if (Buffer.byteLength(name) > maxNameBytes || /[\0\p{Cs}]/u.test(name)) {
    return false;
  }
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function isSnapshotName(name: string): boolean {
  const bytes = Buffer.byteLength(name);
  return bytes >= 1 && bytes <= maxSnapshotNameBytes && !/[\p{Cc}\p{Cs}]/u.test(name);
}

function isCount(value: unknown, most = Number.MAX_SAFE_INTEGER): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

function isRoot(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

/** For the manifest: what JSON makes of it; undefined stays away. */
export function optional<Name extends string>(
  name: Name,
  value: Json | undefined,
): { [key in Name]?: Json } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]: Json });
}
