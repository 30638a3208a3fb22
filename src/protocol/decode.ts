import { FerryError } from '../errors.js';
import { BodyReader, fail } from './body-reader.js';
import { channelNumber } from './channel-id.js';
import {
  abortScopes,
  bases,
  errorCodes,
  hashLevels,
  heldLevels,
  roles,
  standings,
  statePurposes,
  vanished,
} from './codes.js';
import { type Checksum, checkBody, type FrameHeader, readHeader } from './header.js';
import {
  digestBytes,
  headerBytes,
  heldDigestBytes,
  maxFeatures,
  maxHashes,
  maxHeldRanges,
  maxRegions,
  maxRequestedLeaves,
  proofBytes,
  secretBytes,
  sessionBytes,
} from './limits.js';
import type {
  Hashes,
  HashesRequest,
  Held,
  HeldRequest,
  Hello,
  Message,
  Offer,
  Prepare,
  StateChunk,
} from './messages.js';

export interface DecodedFrame {
  readonly header: FrameHeader;
  readonly message: Message;
}

/**
 * The message in one whole frame. Header, checksum and every field are checked; what does not follow
 * docs/protocol.md is a FerryError: ERR_FRAME_CORRUPT, what `readHeader` says of the header, or
 * ERR_UNSUPPORTED for a channel other than 0 that does not carry pages.
 * The message owns its bytes, but for PAGES, whose body stays a view of `frame`.
 */
export function decodeMessage(frame: Uint8Array, checksumOf?: Checksum): DecodedFrame {
  const header = readHeader(frame);
  const body = frame.subarray(headerBytes);
  if (body.length !== header.bodyBytes) {
    const what = `frame with ${body.length} of ${header.bodyBytes} body bytes`;
    throw new FerryError('ERR_FRAME_CORRUPT', what);
  }
  checkBody(header, body, checksumOf);
  if (header.type === 'PAGES') {
    const { tableBytes, rawBytes } = header;
    return { header, message: { type: 'PAGES', tableBytes, rawBytes, body } };
  }
  const input = new BodyReader(body);
  const message = readBody(header.type, input);
  input.end();
  return { header, message };
}

function readBody(type: Exclude<Message['type'], 'PAGES'>, input: BodyReader): Message {
  // Object literals are evaluated in order: their properties stand in the order of the wire.
  switch (type) {
    case 'HELLO':
      return readHello(input);
    case 'HELLO_ACK': {
      const version = input.u8();
      const standing = input.enumU8(standings);
      input.reserved(2);
      return {
        type,
        version,
        standing,
        capabilities: input.u32(),
        lastAppliedSeq: input.u32(),
      };
    }
    case 'OFFER':
      return readOffer(input);
    case 'ACCEPT': {
      const count = input.count(input.u16(), maxRegions, 1);
      return { type, bases: list(count, () => input.enumU8(bases)) };
    }
    case 'REJECT':
    case 'FAILED':
    case 'START_FAILED':
      return { type, code: input.enumU16(errorCodes), text: input.text() };
    case 'REGION': {
      const id = input.u32();
      const byteLength = input.sizeOr(vanished, -1);
      return { type, id, byteLength, name: input.name() };
    }
    case 'ROUND_END':
      return { type, round: input.u32() };
    case 'ACK':
      return {
        type,
        seq: input.u32(),
        appliedBytes: input.size(),
        rereadPages: input.size(),
      };
    case 'HASHES':
      return readHashes(input);
    case 'HASHES_REQUEST':
      return readHashesRequest(input);
    case 'PING':
    case 'PONG':
      return { type, token: input.u32() };
    case 'STATE':
      return readStateChunk(input);
    case 'STATE_DELTA': {
      const purpose = input.enumU8(statePurposes);
      input.reserved(3);
      return {
        type,
        purpose,
        firstUnit: input.u32(),
        totalBytes: input.size(),
        base: input.u64(),
        // The header's limits bound what remains to one piece.
        units: input.bytes(input.remaining),
      };
    }
    case 'REHEARSED':
      return { type, loadMs: input.milliseconds() };
    case 'HELD':
      return readHeld(input);
    case 'HELD_REQUEST':
      return readHeldRequest(input);
    case 'CHANNEL_CLOSE':
      return { type, channel: readPageChannel(input) };
    case 'CHANNEL_CLOSED':
      return { type, channel: readPageChannel(input), lastAppliedSeq: input.u32() };
    case 'LEAD': {
      const token = input.u64();
      const maxEpochBytes = input.size();
      return { type, token, maxEpochBytes, guest: input.name(), member: input.name() };
    }
    case 'FOLLOW':
      return {
        type,
        promiseMs: input.milliseconds(),
        mayClaim: input.boolean(),
        member: input.name(),
      };
    case 'EPOCH':
      return {
        type,
        token: input.u64(),
        number: input.size(),
        finalSeq: input.u32(),
        digest: input.bytes(digestBytes),
      };
    case 'EPOCH_ACK':
      return { type, token: input.u64(), number: input.size() };
    case 'PREPARE':
      return readPrepare(input);
    case 'READY':
      return { type, digest: input.bytes(digestBytes) };
    case 'COMMIT': {
      const digest = input.bytes(digestBytes);
      return input.remaining === 0 ? { type, digest } : { type, digest, revision: input.u64() };
    }
    case 'RUNNING':
      return {
        type,
        digest: input.bytes(digestBytes),
        verifyMs: input.milliseconds(),
        loadMs: input.milliseconds(),
        acquireMs: input.milliseconds(),
        resumeMs: input.milliseconds(),
      };
    case 'ABORT': {
      const scope = input.enumU8(abortScopes);
      input.reserved(1);
      return { type, scope, code: input.enumU16(errorCodes), text: input.text() };
    }
    case 'ABORTED':
      return { type, scope: input.enumU8(abortScopes) };
    default:
      return type satisfies never;
  }
}

function readHello(input: BodyReader): Hello {
  const minVersion = input.u8();
  const maxVersion = input.u8();
  if (minVersion < 1 || maxVersion < minVersion) fail(`versions ${minVersion} to ${maxVersion}`);
  const role = input.enumU8(roles);
  input.reserved(1);
  const session = input.bytes(sessionBytes);
  const attempt = input.u32();
  const channel = input.u32();
  if (role === 'pages' && channel === 0) fail('pages on the control channel');
  if (role !== 'pages' && channel !== 0) {
    throw new FerryError('ERR_UNSUPPORTED', `channel ${channel} with role ${role}`);
  }
  return {
    type: 'HELLO',
    minVersion,
    maxVersion,
    session,
    attempt,
    channel,
    role,
    capabilities: input.u32(),
    proof: input.bytes(proofBytes),
  };
}

function readPageChannel(input: BodyReader): number {
  const channel = input.u32();
  if (channelNumber(channel) === 0) fail(`${channel} is no page channel`);
  return channel;
}

function readOffer(input: BodyReader): Offer {
  const pageSize = input.u32();
  const secret = input.bytes(secretBytes);
  const handsOver = input.boolean();
  const featureCount = input.u8();
  const regionCount = input.u16();
  const maxStateBytes = input.size();
  const maxDowntimeMs = input.milliseconds();
  const kind = input.name();
  const version = input.name();
  const features = list(input.count(featureCount, maxFeatures, 1), () => input.name());
  const ids = new Set<number>();
  const regions = list(input.count(regionCount, maxRegions, 21), () => {
    const id = input.u32();
    if (ids.has(id)) fail(`region ${id} is offered twice`);
    ids.add(id);
    const byteLength = input.size();
    const maxByteLength = input.size();
    if (byteLength > maxByteLength) fail(`region ${id} is larger than its own maximum`);
    return { id, name: input.name(), byteLength, maxByteLength };
  });
  return {
    type: 'OFFER',
    pageSize,
    secret,
    identity: { kind, version, features },
    handsOver,
    maxStateBytes,
    maxDowntimeMs,
    regions,
  };
}

function readHashes(input: BodyReader): Hashes {
  const region = input.u32();
  const level = input.enumU8(hashLevels);
  const last = input.boolean();
  const count = input.count(input.u16(), maxHashes, 12);
  let previous = -1;
  const entries = list(count, () => {
    previous = above(previous, input.u32());
    return { index: previous, hash: input.u64() };
  });
  return { type: 'HASHES', region, level, entries, last };
}

function readHashesRequest(input: BodyReader): HashesRequest {
  const region = input.u32();
  const last = input.boolean();
  input.reserved(1);
  const count = input.count(input.u16(), maxRequestedLeaves, 4);
  let previous = -1;
  const leaves = list(count, () => {
    previous = above(previous, input.u32());
    return previous;
  });
  return { type: 'HASHES_REQUEST', region, leaves, last };
}

function readHeld(input: BodyReader): Held {
  const region = input.u32();
  const level = input.enumU8(heldLevels);
  input.reserved(3);
  const first = input.u32();
  // The header's limits bound what remains, from one digest on.
  if (input.remaining % heldDigestBytes !== 0) fail(`${input.remaining} bytes of digests`);
  return { type: 'HELD', region, level, first, digests: input.bytes(input.remaining) };
}

function readHeldRequest(input: BodyReader): HeldRequest {
  const region = input.u32();
  input.reserved(2);
  const count = input.count(input.u16(), maxHeldRanges, 4);
  if (count === 0) fail('a request for nothing');
  let previous = -1;
  const ranges = list(count, () => {
    previous = above(previous, input.u32());
    return previous;
  });
  return { type: 'HELD_REQUEST', region, ranges };
}

function readPrepare(input: BodyReader): Prepare {
  const generation = input.size();
  const control = input.u32();
  const digest = input.bytes(digestBytes);
  // The header's limits bound how many follow.
  const others = list(Math.floor(input.remaining / 4), () => input.u32());
  return { type: 'PREPARE', generation, finalSeqs: [control, ...others], digest };
}

function readStateChunk(input: BodyReader): StateChunk {
  const totalBytes = input.size();
  const offset = input.size();
  // The header's limits bound what remains to one chunk.
  const bytes = input.bytes(input.remaining);
  if (offset + bytes.length > totalBytes) {
    fail(`state bytes ${offset} to ${offset + bytes.length} of ${totalBytes}`);
  }
  return { type: 'STATE', totalBytes, offset, bytes };
}

function above(previous: number, index: number): number {
  if (index <= previous) fail(`index ${index} after ${previous}`);
  return index;
}

function list<T>(count: number, read: () => T): T[] {
  return Array.from({ length: count }, read);
}
