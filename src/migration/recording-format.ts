import { low32 } from '../core/checksum.js';

/**
 * The file of a recording (docs/recording.md): a 16-byte head, then records of a 32-byte little-endian header {u32 kind, u32 connection,
 * u32 payloadBytes, u32 payloadCheck, f64 milliseconds since the start, u32 0, u32 headerCheck of the first 28} and a payload. Checks
 * are the low 32 bits of XXH3-64. Frames carry their own checksum: their `payloadCheck` is 0.
 */
const magic = 'pageferry rec\n';
export const recordingVersion = 1;
export const recordingHeadBytes = 16;
export const recordHeaderBytes = 32;
/** Largest payload a reader takes. */
const maxPayloadBytes: number = 4 * 1024 * 1024;

const kindNumber = {
  /** JSON {side, limits?}: first record. */
  about: 1,
  /** One frame that was sent. */
  out: 2,
  /** One frame that was received. */
  in: 3,
  /** JSON {session?, event, phase}: a step of the recording side's machine. */
  step: 4,
  /** JSON: an event of the recording side; the last is completed or failed. */
  event: 5,
} as const;

export type RecordKind = keyof typeof kindNumber;

const kindNames: readonly RecordKind[] = ['about', 'out', 'in', 'step', 'event'];

export interface RecordHeader {
  readonly kind: RecordKind;
  /** 0 where the record belongs to none. */
  readonly connection: number;
  readonly payloadBytes: number;
  readonly payloadCheck: number;
  readonly atMs: number;
}

export function recordingHead(): Buffer {
  const head = Buffer.alloc(recordingHeadBytes);
  head.write(magic, 0, 'latin1');
  head.writeUInt16LE(recordingVersion, magic.length);
  return head;
}

/** The version in the head of a recording; undefined if it is none. */
export function versionOfHead(head: Buffer): number | undefined {
  if (head.length < recordingHeadBytes) return undefined;
  if (head.toString('latin1', 0, magic.length) !== magic) return undefined;
  return head.readUInt16LE(magic.length);
}

/** Writes a header at `at` of `into`, which has room for it. */
export function writeRecordHeader(into: Buffer, at: number, header: RecordHeader): void {
  into.writeUInt32LE(kindNumber[header.kind], at);
  into.writeUInt32LE(header.connection, at + 4);
  into.writeUInt32LE(header.payloadBytes, at + 8);
  into.writeUInt32LE(header.payloadCheck, at + 12);
  into.writeDoubleLE(header.atMs, at + 16);
  into.writeUInt32LE(0, at + 24);
  into.writeUInt32LE(low32(into.subarray(at, at + 28)), at + 28);
}

/** The header in 32 bytes, or undefined if they are none. */
export function readRecordHeader(bytes: Buffer): RecordHeader | undefined {
  if (low32(bytes.subarray(0, 28)) !== bytes.readUInt32LE(28)) return undefined;
  const number = bytes.readUInt32LE(0);
  const kind = kindNames.find((name) => kindNumber[name] === number);
  const payloadBytes = bytes.readUInt32LE(8);
  if (kind === undefined || payloadBytes > maxPayloadBytes) return undefined;
  return {
    kind,
    connection: bytes.readUInt32LE(4),
    payloadBytes,
    payloadCheck: bytes.readUInt32LE(12),
    atMs: bytes.readDoubleLE(16),
  };
}
