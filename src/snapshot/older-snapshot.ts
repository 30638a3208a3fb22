import type { FerryError } from '../errors.js';
import type { OlderPages } from '../guests/older-image.js';
import { guestRegionName } from './guest-regions.js';
import { jsonField } from './json-field.js';
import { olderPages } from './older-pages.js';
import type { ManifestRegion, SnapshotInfo, SnapshotReader, Store } from './types.js';

/** Told once of each region why pages of it cannot be had any more. */
export type OnDamage = (region: string, error: FerryError) => void;

/** A snapshot as what is here already of something that arrives. */
export class OlderSnapshot implements AsyncDisposable {
  readonly #reader: SnapshotReader;
  readonly #onDamage: OnDamage;
  #isOpen = true;

  private constructor(reader: SnapshotReader, onDamage: OnDamage) {
    this.#reader = reader;
    this.#onDamage = onDamage;
  }

  /** Errors as of `read` of a store. */
  static async open(
    store: Store,
    snapshot: SnapshotInfo,
    onDamage: OnDamage = () => {},
  ): Promise<OlderSnapshot> {
    return new OlderSnapshot(await store.read(snapshot), onDamage);
  }

  /** Of a file that arrives alone: what the snapshot is of, or a file of that name in it. */
  ofFile(name: string): OlderPages | undefined {
    return this.#pages(name, this.#isFile ? 0 : this.#find(name, 'file'));
  }

  /** Of file `path` of bundle `name`: in a snapshot of that bundle, or of a folder with it; or a snapshot of one file of that name. */
  ofBundle(name: string, path: string): OlderPages | undefined {
    const whole = `${name}/${path}`;
    const found = this.#find(whole, 'file');
    return this.#pages(whole, found < 0 ? this.#find(path, 'file') : found);
  }

  /** Of a guest's region. */
  ofRegion(id: number): OlderPages | undefined {
    const name = guestRegionName({ id });
    return this.#pages(name, this.#find(name, 'memory'));
  }

  /** Who still reads for a session that is over is told nothing. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#reader.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #isFile(): boolean {
    return jsonField(this.#reader.manifest.metadata, 'isFolder') === false;
  }

  #find(name: string, role: 'file' | 'memory'): number {
    const { regions, name: own } = this.#reader.manifest;
    const called = (region: ManifestRegion): string => (this.#isFile ? own : region.name);
    return regions.findIndex((region) => region.role === role && called(region) === name);
  }

  #pages(name: string, region: number): OlderPages | undefined {
    if (region < 0) return undefined;
    return olderPages(this.#reader, region, (error) => {
      if (this.#isOpen) this.#onDamage(name, error);
    });
  }
}
