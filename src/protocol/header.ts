import { checksum, low32 } from '../core/checksum.js';
import { FerryError, type FerryErrorCode } from '../errors.js';
import { messageNames } from './codes.js';
import { FrameDamage } from './damage.js';
import { bodyLimits, headerBytes, maxTableBytes } from './limits.js';
import type { MessageName } from './messages.js';
import { oldestVersion, protocolVersion } from './version.js';

/** The first two bytes of every frame: 'P', 'F'. */
/** What a TLS handshake begins with (RFC 8446, 5.1). */
const tlsHandshake = 22;
const magic = 0x4650;
/** Bytes of a frame that tell a peer from a stranger: magic and version. */
const preambleBytes = 3;

/** Byte offsets in the header; docs/protocol.md section 2. Little-endian. */
const at = {
  magic: 0,
  version: 2,
  type: 3,
  flags: 4,
  tableBytes: 6,
  bodyBytes: 8,
  rawBytes: 12,
  seq: 16,
  round: 20,
  attempt: 24,
  headerCheck: 28,
  checksum: 32,
} as const;

/** Bits of the header's flags. Every other bit is refused in version 1. */
export const frameFlag = {
  /** The body carries no checksum: something below (TLS) already has one. */
  noChecksum: 1,
  /** The body, of PAGES only, is one LZ4 block that becomes `rawBytes` bytes. */
  lz4: 2,
} as const;

/** XXH3-64 with the default secret. Replaceable where the bytes already lie in a kernel's memory. */
export type Checksum = (bytes: Uint8Array) => bigint;

/** Where a frame stands in its conversation, each a u32. */
export interface FrameOrder {
  /** Per channel and attempt, without gaps. */
  readonly seq: number;
  readonly round: number;
  readonly attempt: number;
}

export interface FrameFields extends FrameOrder {
  readonly type: MessageName;
  /** See `frameFlag`; lz4 besides, where the body was longer before. Default none. */
  readonly flags?: number;
  /** Bytes of the run table at the start of a PAGES body, before compression; default 0. */
  readonly tableBytes?: number;
  /** Bytes of the body before compression; default: its bytes, the only value for a body that is not compressed. */
  readonly rawBytes?: number;
}

export interface FrameHeader extends Required<FrameFields> {
  readonly version: number;
  readonly bodyBytes: number;
  /** XXH3-64 of the body; 0n where there is none. */
  readonly checksum: bigint;
}

/** What a frame that was sealed here says it is. */
export function typeOf(frame: Uint8Array): MessageName | undefined {
  return messageNames.nameOf(frame[at.type] ?? 0);
}

/**
 * Writes the header of `frame` in place: 40 bytes of room, then the finished body. Fields that the
 * receiver would refuse are a RangeError.
 */
export function sealFrame(
  frame: Uint8Array,
  fields: FrameFields,
  checksumOf: Checksum = checksum,
): void {
  const bodyBytes = frame.length - headerBytes;
  const { type, tableBytes = 0, rawBytes = bodyBytes } = fields;
  const flags = (fields.flags ?? 0) | (rawBytes > bodyBytes ? frameFlag.lz4 : 0);
  const fault = faultOf({ type, flags, tableBytes, rawBytes, bodyBytes });
  if (fault !== undefined) throw new RangeError(fault.what);
  for (const value of [fields.seq, fields.round, fields.attempt]) {
    if (value >>> 0 !== value) throw new RangeError(`${value} does not fit a u32`);
  }
  const bare = (flags & frameFlag.noChecksum) !== 0;
  const view = new DataView(frame.buffer, frame.byteOffset, headerBytes);
  view.setUint16(at.magic, magic, true);
  view.setUint8(at.version, protocolVersion);
  view.setUint8(at.type, messageNames.numberOf(type));
  view.setUint16(at.flags, flags, true);
  view.setUint16(at.tableBytes, tableBytes, true);
  view.setUint32(at.bodyBytes, bodyBytes, true);
  view.setUint32(at.rawBytes, rawBytes, true);
  view.setUint32(at.seq, fields.seq, true);
  view.setUint32(at.round, fields.round, true);
  view.setUint32(at.attempt, fields.attempt, true);
  view.setUint32(at.headerCheck, low32(frame.subarray(0, at.headerCheck)), true);
  view.setBigUint64(at.checksum, bare ? 0n : checksumOf(frame.subarray(headerBytes)), true);
}

/**
 * Refuses a stranger by the first bytes of a stream, as few as there are: ERR_NOT_A_PEER, or
 * ERR_VERSION for a peer whose frames this build does not know.
 */
export function checkPreamble(start: Uint8Array): void {
  const [first, second, version] = start.subarray(0, preambleBytes);
  if (
    (first !== undefined && first !== (magic & 0xff)) ||
    (second !== undefined && second !== magic >> 8)
  ) {
    const what =
      first === tlsHandshake
        ? 'the other end begins with TLS, and this one was given neither token nor certificates'
        : 'the other end does not speak this protocol';
    throw new FerryError('ERR_NOT_A_PEER', what);
  }
  if (version !== undefined && (version < oldestVersion || version > protocolVersion)) {
    throw new FerryError(
      'ERR_VERSION',
      `frame of protocol version ${version}; this side speaks ${oldestVersion} to ${protocolVersion}`,
    );
  }
}

/** Refuses a header (the first 40 bytes of `frame`) that is not as it was written: ERR_FRAME_CORRUPT. */
export function checkHeaderIntact(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, headerBytes);
  if (view.getUint32(at.headerCheck, true) !== low32(frame.subarray(0, at.headerCheck))) {
    throw new FrameDamage('the frame header does not match its check');
  }
}

/**
 * The header of `frame`, whose body need not be there yet. Everything in it is checked: preamble,
 * header check, type (a number nobody knows is ERR_UNEXPECTED_MESSAGE: the header is intact, so it
 * was meant), flags and lengths. Only the body's checksum is left to `checkBody`.
 */
export function readHeader(frame: Uint8Array): FrameHeader {
  if (frame.length < headerBytes) {
    throw new FerryError('ERR_FRAME_CORRUPT', `${frame.length} bytes are no frame`);
  }
  checkPreamble(frame);
  checkHeaderIntact(frame);
  return readIntactHeader(frame);
}

/** The rest of `readHeader`, for 40 bytes whose preamble and header check are known to be right. */
export function readIntactHeader(frame: Uint8Array): FrameHeader {
  const view = new DataView(frame.buffer, frame.byteOffset, headerBytes);
  const number = view.getUint8(at.type);
  const type = messageNames.nameOf(number);
  if (type === undefined) {
    throw new FerryError('ERR_UNEXPECTED_MESSAGE', `message of unknown type ${number}`);
  }
  const header = {
    version: view.getUint8(at.version),
    type,
    flags: view.getUint16(at.flags, true),
    tableBytes: view.getUint16(at.tableBytes, true),
    bodyBytes: view.getUint32(at.bodyBytes, true),
    rawBytes: view.getUint32(at.rawBytes, true),
    seq: view.getUint32(at.seq, true),
    round: view.getUint32(at.round, true),
    attempt: view.getUint32(at.attempt, true),
    checksum: view.getBigUint64(at.checksum, true),
  };
  const fault = faultOf(header);
  if (fault !== undefined) throw new FerryError(fault.code, fault.what);
  return header;
}

/** Refuses a body that is not as it was sealed: ERR_FRAME_CORRUPT. */
export function checkBody(
  header: FrameHeader,
  body: Uint8Array,
  checksumOf: Checksum = checksum,
): void {
  const bare = (header.flags & frameFlag.noChecksum) !== 0;
  if (header.checksum !== (bare ? 0n : checksumOf(body))) {
    throw new FrameDamage(`the body of ${header.type} does not match its checksum`);
  }
}

interface Shape {
  readonly type: MessageName;
  readonly flags: number;
  readonly tableBytes: number;
  readonly rawBytes: number;
  readonly bodyBytes: number;
}

interface Fault {
  readonly code: FerryErrorCode;
  readonly what: string;
}

/** What is wrong with flags and lengths of a frame, if anything: the same rules for both ends. */
function faultOf({ type, flags, tableBytes, rawBytes, bodyBytes }: Shape): Fault | undefined {
  const { min, max } = bodyLimits[type];
  if (bodyBytes > max) {
    const what = `${type} body of ${bodyBytes} bytes exceeds ${max}`;
    return { code: 'ERR_FRAME_TOO_LARGE', what };
  }
  if (bodyBytes < min) return corrupt(`${type} body of ${bodyBytes} bytes is too short`);
  if ((flags & ~(frameFlag.noChecksum | frameFlag.lz4)) !== 0) {
    return { code: 'ERR_UNSUPPORTED', what: `flags ${flags} are not known in this version` };
  }
  if ((flags & frameFlag.lz4) === 0) {
    if (rawBytes !== bodyBytes) return corrupt(`rawBytes ${rawBytes} of an uncompressed body`);
  } else if (type !== 'PAGES' || !(rawBytes > bodyBytes && rawBytes <= max)) {
    return corrupt(`${type} body of ${rawBytes} bytes compressed to ${bodyBytes}`);
  }
  const maxTable = type === 'PAGES' ? Math.min(rawBytes, maxTableBytes) : 0;
  const minTable = type === 'PAGES' ? 1 : 0;
  if (!(tableBytes >= minTable && tableBytes <= maxTable)) {
    return corrupt(`run table of ${tableBytes} bytes in a ${type} body of ${rawBytes}`);
  }
  return undefined;
}

function corrupt(what: string): Fault {
  return { code: 'ERR_FRAME_CORRUPT', what };
}
