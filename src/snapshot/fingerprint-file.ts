import { join } from 'node:path';
import { FerryError } from '../errors.js';
import { systemCode } from '../guests/file-io.js';
import type { StoreContext } from './context.js';
import { pagesOf } from './merkle.js';
import { SEAL_BYTES, type Sealer, section } from './sealed.js';
import { ifThere } from './store-error.js';
import type { StoreFile } from './store-files.js';
import type { Manifest } from './types.js';

/** Bytes of a fingerprint: XXH3-64 of a page. */
export const PRINT_BYTES = 8;
/** Bytes of the secret they are made with. */
export const PRINT_SECRET_BYTES = 192;
/** Fingerprints in a section, but for the last one of a region. */
export const SECTION_PRINTS = 8192;
/** Where files of fingerprints are, beside the other folders of a store. */
export const PRINTS_FOLDER = 'fingerprints';
const idBytes = 16;
const rootBytes = 32;
/** Of a file: its first section, which says what it is of. */
const headBytes = SEAL_BYTES + idBytes + rootBytes + PRINT_SECRET_BYTES;

/** What a file of fingerprints begins with. */
export interface PrintsHead {
  /** Of the file, 16 bytes: no section of another may take the place of one. */
  readonly id: Uint8Array;
  /** Hex, of the snapshot. */
  readonly root: string;
  readonly secret: Uint8Array;
}

/** What the names of such files end with. */
export const printsSuffix = '.prints';

/** 10 digits, as manifests have them. */
export function printsName(counter: number): string {
  return `${String(counter).padStart(10, '0')}${printsSuffix}`;
}

export function sealHead(sealer: Sealer, counter: number, head: PrintsHead): Uint8Array {
  const body = Buffer.concat([head.id, Buffer.from(head.root, 'hex'), head.secret]);
  return sealer.seal(section.prints, String(counter), body);
}

/** What section `number` of the file belongs to. */
export function printsOwner(id: Uint8Array, number: number): string {
  return `${Buffer.from(id).toString('hex')} ${number}`;
}

/** Where the sections of each region begin: bytes from the start of the file, and sections before. */
export function printsLayout(
  pages: readonly number[],
): { readonly position: number; readonly section: number }[] {
  let position = headBytes;
  let number = 0;
  return pages.map((count) => {
    const at = { position, section: number };
    const sections = Math.ceil(count / SECTION_PRINTS);
    position += sections * SEAL_BYTES + count * PRINT_BYTES;
    number += sections;
    return at;
  });
}

/** Reads what pages of a snapshot were, as far as that was noted. Whatever cannot be read is not known: they are compared otherwise then. */
export class FingerprintReader {
  readonly secret: Uint8Array;
  readonly #file: StoreFile;
  readonly #sealer: Sealer;
  readonly #id: Uint8Array;
  readonly #pages: readonly number[];
  readonly #layout: ReturnType<typeof printsLayout>;
  #held: { readonly section: number; readonly prints: Uint8Array } | undefined;

  private constructor(file: StoreFile, sealer: Sealer, head: PrintsHead, manifest: Manifest) {
    this.secret = head.secret;
    this.#file = file;
    this.#sealer = sealer;
    this.#id = head.id;
    this.#pages = manifest.regions.map(({ byteLength }) => pagesOf(byteLength));
    this.#layout = printsLayout(this.#pages);
  }

  /** Undefined where there are none of this snapshot. */
  static async open(
    { files, path, sealer }: StoreContext,
    manifest: Manifest,
  ): Promise<FingerprintReader | undefined> {
    const { counter, root } = manifest;
    const place = join(path, PRINTS_FOLDER, printsName(counter));
    const file = await ifThere(() => files.open(place)).catch(unknown);
    if (file === undefined) return undefined;
    try {
      const { body } = await sealer.read(file, 0, section.prints, String(counter), place);
      const of = Buffer.from(body.subarray(idBytes, idBytes + rootBytes)).toString('hex');
      if (of === root && body.length === headBytes - SEAL_BYTES) {
        const id = body.slice(0, idBytes);
        const secret = body.slice(idBytes + rootBytes);
        return new FingerprintReader(file, sealer, { id, root, secret }, manifest);
      }
    } catch (error) {
      unknown(error);
    }
    await file.close();
    return undefined;
  }

  /** Puts the fingerprints of pages first..first+count of a region into `into`, zeros for what is not known. */
  async read(region: number, first: number, count: number, into: Uint8Array): Promise<void> {
    into.fill(0);
    const end = Math.min(first + count, this.#pages[region] ?? 0);
    for (let page = first; page < end; ) {
      const from = page % SECTION_PRINTS;
      const length = Math.min(end - page, SECTION_PRINTS - from);
      const prints = await this.#section(region, Math.floor(page / SECTION_PRINTS));
      const bytes = prints.subarray(from * PRINT_BYTES, (from + length) * PRINT_BYTES);
      into.set(bytes, (page - first) * PRINT_BYTES);
      page += length;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Empty if it cannot be read. */
  async #section(region: number, index: number): Promise<Uint8Array> {
    const { position, section: first } = this.#layout[region] ?? { position: 0, section: 0 };
    const number = first + index;
    if (this.#held?.section === number) return this.#held.prints;
    const at = position + index * (SEAL_BYTES + SECTION_PRINTS * PRINT_BYTES);
    const owner = printsOwner(this.#id, number);
    let prints: Uint8Array = new Uint8Array(0);
    try {
      ({ body: prints } = await this.#sealer.read(
        this.#file,
        at,
        section.fingerprints,
        owner,
        PRINTS_FOLDER,
      ));
    } catch (error) {
      unknown(error);
    }
    this.#held = { section: number, prints };
    return prints;
  }
}

/** A file that is damaged, or cannot be read, says nothing. Anything else is thrown on. */
export function unknown(error: unknown): undefined {
  if (error instanceof FerryError || systemCode(error) !== '') return undefined;
  throw error;
}
