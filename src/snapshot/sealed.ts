import {
  createCipheriv,
  createDecipheriv,
  createHash,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { FerryError } from '../errors.js';
import { corrupt } from './store-error.js';
import type { StoreFile } from './store-files.js';

/** The format that this code writes, and the newest it reads. */
export const STORE_VERSION = 1;
export const SEAL_BYTES = 64;

export interface Section {
  readonly kind: number;
  readonly limit: number;
}
type SectionName =
  | 'store'
  | 'pack'
  | 'heads'
  | 'entries'
  | 'table'
  | 'segment'
  | 'manifest'
  | 'placement'
  | 'signature'
  | 'condemned'
  | 'prints'
  | 'fingerprints';

/** What a sealed section is, and the most bytes its body may have. */
export const section: Readonly<Record<SectionName, Section>> = {
  store: { kind: 1, limit: 1024 },
  pack: { kind: 2, limit: 0 },
  heads: { kind: 3, limit: 1 << 20 },
  entries: { kind: 4, limit: 8 << 20 },
  table: { kind: 5, limit: 64 << 20 },
  segment: { kind: 6, limit: 1 << 20 },
  manifest: { kind: 7, limit: 16 << 20 },
  placement: { kind: 8, limit: 16 },
  signature: { kind: 9, limit: 64 },
  condemned: { kind: 10, limit: 64 << 20 },
  prints: { kind: 11, limit: 256 },
  fingerprints: { kind: 12, limit: 1 << 16 },
};

const magic = Buffer.from('PFSTORE\n', 'latin1');
/** Of the header: what its hash or its tag covers beside the body. */
const coveredBytes = 24;
const nonceBytes = 12;
const tagBytes = 16;
const encryptedFlag = 1;

/**
 * Closes sections so that any change to them shows: 64 bytes of header (docs/snapshot-format.md), then the body. What a section belongs to (store, file) is
 * in its hash: one in the place of another is refused. With a key they are encrypted.
 */
export class Sealer {
  /** Hex id of the store; '' for the section that says it. */
  readonly storeId: string;
  readonly #master: Uint8Array | undefined;

  constructor(storeId: string, master: Uint8Array | undefined) {
    this.storeId = storeId;
    this.#master = master;
  }

  get encrypted(): boolean {
    return this.#master !== undefined;
  }

  /** 32 bytes made of the key for `purpose`; undefined without a key. */
  derive(purpose: string): Uint8Array | undefined {
    if (this.#master === undefined) return undefined;
    const salt = Buffer.from(this.storeId, 'hex');
    return new Uint8Array(hkdfSync('sha256', this.#master, salt, `pageferry ${purpose}`, 32));
  }

  seal({ kind }: Section, owner: string, body: Uint8Array): Uint8Array {
    const sealed = Buffer.alloc(SEAL_BYTES + body.length);
    magic.copy(sealed);
    sealed[8] = kind;
    sealed[9] = this.encrypted ? encryptedFlag : 0;
    sealed.writeUInt16LE(STORE_VERSION, 10);
    sealed.writeUInt16LE(0xffff - STORE_VERSION, 12);
    sealed.writeUInt32LE(body.length, 16);
    const key = this.derive(`section ${kind} ${owner}`);
    if (key === undefined) {
      sealed.set(body, SEAL_BYTES);
      sealed.set(this.#hash(sealed, kind, owner), coveredBytes);
      return sealed;
    }
    const nonce = randomBytes(nonceBytes);
    sealed.set(nonce, coveredBytes);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(sealed.subarray(0, coveredBytes));
    sealed.set(cipher.update(body), SEAL_BYTES);
    cipher.final();
    sealed.set(cipher.getAuthTag(), coveredBytes + nonceBytes);
    return sealed;
  }

  /**
   * The body of the section that begins at `position`, and where it ends. ERR_STORE_CORRUPT, naming `where`, if it is anything else than what
   * was sealed as that; ERR_STORE_VERSION if a newer version wrote it. `room`: where the section may be put, so that reading many takes the memory of one.
   */
  async read(
    file: StoreFile,
    position: number,
    { kind, limit }: Section,
    owner: string,
    where: string,
    room?: Uint8Array,
  ): Promise<{ body: Uint8Array; end: number }> {
    const header = Buffer.alloc(SEAL_BYTES);
    const got = await file.readAt(position, header);
    if (got < SEAL_BYTES) throw corrupt(`${where} ends too early`);
    if (!header.subarray(0, magic.length).equals(magic)) throw corrupt(`${where} is no such file`);
    const version = header.readUInt16LE(10);
    if (version + header.readUInt16LE(12) !== 0xffff) throw corrupt(`${where}: damaged header`);
    if (version !== STORE_VERSION) {
      throw new FerryError(
        'ERR_STORE_VERSION',
        `${where} has version ${version}; this pageferry knows up to ${STORE_VERSION}`,
      );
    }
    const length = header.readUInt32LE(16);
    const flags = this.encrypted ? encryptedFlag : 0;
    if (header[8] !== kind || header[9] !== flags) throw corrupt(`${where}: damaged header`);
    const end = position + SEAL_BYTES + length;
    if (length > limit || end > (await file.size())) throw corrupt(`${where}: a lying length`);
    const all = SEAL_BYTES + length;
    const sealed =
      room !== undefined && room.length >= all
        ? Buffer.from(room.buffer, room.byteOffset, all)
        : Buffer.alloc(all);
    header.copy(sealed);
    if ((await file.readAt(position + SEAL_BYTES, sealed.subarray(SEAL_BYTES))) < length) {
      throw corrupt(`${where} ends too early`);
    }
    return { body: this.#open(sealed, kind, owner, where), end };
  }

  #open(sealed: Buffer, kind: number, owner: string, where: string): Uint8Array {
    const key = this.derive(`section ${kind} ${owner}`);
    const body = sealed.subarray(SEAL_BYTES);
    if (key === undefined) {
      const hash = this.#hash(sealed, kind, owner);
      if (!timingSafeEqual(hash, sealed.subarray(coveredBytes, coveredBytes + hash.length))) {
        throw corrupt(`${where} was damaged`);
      }
    }
    const used = coveredBytes + (key === undefined ? 32 : nonceBytes + tagBytes);
    if (sealed.subarray(used, SEAL_BYTES).some((byte) => byte !== 0)) {
      throw corrupt(`${where}: damaged header`);
    }
    if (key === undefined) return body;
    const nonce = sealed.subarray(coveredBytes, coveredBytes + nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
    decipher.setAAD(sealed.subarray(0, coveredBytes));
    const tagAt = coveredBytes + nonceBytes;
    decipher.setAuthTag(sealed.subarray(tagAt, tagAt + tagBytes));
    const plain = decipher.update(body);
    try {
      decipher.final();
    } catch (error) {
      throw corrupt(`${where} was damaged`, error);
    }
    return plain;
  }

  #hash(sealed: Buffer, kind: number, owner: string): Uint8Array {
    return createHash('sha256')
      .update(sealed.subarray(0, coveredBytes))
      .update(`${this.storeId} ${kind} ${owner}\n`)
      .update(sealed.subarray(SEAL_BYTES))
      .digest();
  }
}
