import { BodyWriter } from './body-writer.js';
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
import { type FrameOrder, sealFrame } from './header.js';
import {
  digestBytes,
  headerBytes,
  heldDigestBytes,
  maxChannels,
  maxFeatures,
  maxHashes,
  maxHeldDigests,
  maxHeldRanges,
  maxRegions,
  maxRequestedLeaves,
  maxStateChunkBytes,
  proofBytes,
  secretBytes,
  sessionBytes,
} from './limits.js';
import type { Message, Offer } from './messages.js';

/**
 * One whole frame that says `message`; docs/protocol.md section 3. One allocation. What the receiver
 * would refuse (too many entries, a field out of range) is a RangeError; a `text` that is too long is cut.
 */
export function encodeMessage(message: Message, order: FrameOrder): Uint8Array {
  const counter = new BodyWriter();
  writeBody(message, counter);
  const frame = new Uint8Array(headerBytes + counter.byteLength);
  writeBody(message, new BodyWriter(frame.subarray(headerBytes)));
  const { seq, round, attempt } = order;
  const { tableBytes = 0, rawBytes = counter.byteLength } = message.type === 'PAGES' ? message : {};
  sealFrame(frame, { type: message.type, tableBytes, rawBytes, seq, round, attempt });
  return frame;
}

function writeBody(message: Message, out: BodyWriter): void {
  switch (message.type) {
    case 'HELLO':
      refuse(message.minVersion < 1 || message.minVersion > message.maxVersion, 'versions');
      refuse((message.channel !== 0) !== (message.role === 'pages'), 'channel');
      out.u8(message.minVersion);
      out.u8(message.maxVersion);
      out.u8(roles.numberOf(message.role));
      out.u8(0);
      out.fixed(message.session, sessionBytes);
      out.u32(message.attempt);
      out.u32(message.channel);
      out.u32(message.capabilities);
      out.fixed(message.proof, proofBytes);
      return;
    case 'HELLO_ACK':
      out.u8(message.version);
      out.u8(standings.numberOf(message.standing));
      out.u16(0);
      out.u32(message.capabilities);
      out.u32(message.lastAppliedSeq);
      return;
    case 'OFFER':
      writeOffer(message, out);
      return;
    case 'ACCEPT':
      out.u16(atMost(message.bases.length, maxRegions));
      for (const base of message.bases) out.u8(bases.numberOf(base));
      return;
    case 'REJECT':
    case 'FAILED':
    case 'START_FAILED':
      out.u16(errorCodes.numberOf(message.code));
      out.text(message.text);
      return;
    case 'PAGES':
      out.bytes(message.body);
      return;
    case 'REGION':
      out.u32(message.id);
      if (message.byteLength === -1) out.u64(vanished);
      else out.size(message.byteLength);
      out.name(message.name);
      return;
    case 'ROUND_END':
      out.u32(message.round);
      return;
    case 'ACK':
      out.u32(message.seq);
      out.size(message.appliedBytes);
      out.size(message.rereadPages);
      return;
    case 'HASHES':
      out.u32(message.region);
      out.u8(hashLevels.numberOf(message.level));
      out.boolean(message.last);
      out.u16(atMost(message.entries.length, maxHashes));
      refuse(!ascending(message.entries.map(({ index }) => index)), 'order of the entries');
      for (const { index, hash } of message.entries) {
        out.u32(index);
        out.u64(hash);
      }
      return;
    case 'HASHES_REQUEST':
      out.u32(message.region);
      out.boolean(message.last);
      out.u8(0);
      out.u16(atMost(message.leaves.length, maxRequestedLeaves));
      refuse(!ascending(message.leaves), 'order of the leaves');
      for (const leaf of message.leaves) out.u32(leaf);
      return;
    case 'PING':
    case 'PONG':
      out.u32(message.token);
      return;
    case 'STATE':
      out.size(message.totalBytes);
      out.size(message.offset);
      atMost(message.bytes.length, maxStateChunkBytes);
      refuse(message.offset + message.bytes.length > message.totalBytes, 'offset');
      out.bytes(message.bytes);
      return;
    case 'STATE_DELTA':
      out.u8(statePurposes.numberOf(message.purpose));
      out.u8(0);
      out.u16(0);
      out.u32(message.firstUnit);
      out.size(message.totalBytes);
      out.u64(message.base);
      atMost(message.units.length, maxStateChunkBytes);
      out.bytes(message.units);
      return;
    case 'REHEARSED':
      out.milliseconds(message.loadMs);
      return;
    case 'HELD': {
      const { level, digests } = message;
      out.u32(message.region);
      out.u8(heldLevels.numberOf(level));
      out.u8(0);
      out.u16(0);
      out.u32(message.first);
      refuse(digests.length === 0 || digests.length % heldDigestBytes !== 0, 'digests');
      atMost(digests.length / heldDigestBytes, maxHeldDigests);
      out.bytes(digests);
      return;
    }
    case 'HELD_REQUEST':
      out.u32(message.region);
      out.u16(0);
      out.u16(atMost(message.ranges.length, maxHeldRanges));
      refuse(message.ranges.length === 0 || !ascending(message.ranges), 'ranges');
      for (const range of message.ranges) out.u32(range);
      return;
    case 'CHANNEL_CLOSE':
    case 'CHANNEL_CLOSED':
      refuse(channelNumber(message.channel) === 0, 'channel');
      out.u32(message.channel);
      if (message.type === 'CHANNEL_CLOSED') out.u32(message.lastAppliedSeq);
      return;
    case 'LEAD':
      out.u64(message.token);
      out.size(message.maxEpochBytes);
      out.name(message.guest);
      out.name(message.member);
      return;
    case 'FOLLOW':
      out.milliseconds(message.promiseMs);
      out.boolean(message.mayClaim);
      out.name(message.member);
      return;
    case 'EPOCH':
      out.u64(message.token);
      out.size(message.number);
      out.u32(message.finalSeq);
      out.fixed(message.digest, digestBytes);
      return;
    case 'EPOCH_ACK':
      out.u64(message.token);
      out.size(message.number);
      return;
    case 'PREPARE':
      out.size(message.generation);
      writeFinalSeqs(message.finalSeqs, message.digest, out);
      return;
    case 'READY':
    case 'COMMIT':
      out.fixed(message.digest, digestBytes);
      if (message.type === 'COMMIT' && message.revision !== undefined) out.u64(message.revision);
      return;
    case 'RUNNING':
      out.fixed(message.digest, digestBytes);
      out.milliseconds(message.verifyMs);
      out.milliseconds(message.loadMs);
      out.milliseconds(message.acquireMs);
      out.milliseconds(message.resumeMs);
      return;
    case 'ABORT':
      out.u8(abortScopes.numberOf(message.scope));
      out.u8(0);
      out.u16(errorCodes.numberOf(message.code));
      out.text(message.text);
      return;
    case 'ABORTED':
      out.u8(abortScopes.numberOf(message.scope));
      return;
    default:
      message satisfies never;
  }
}

function writeOffer(message: Offer, out: BodyWriter): void {
  const { kind, version, features } = message.identity;
  const { regions } = message;
  refuse(new Set(regions.map(({ id }) => id)).size < regions.length, 'region ids');
  refuse(
    regions.some((region) => region.byteLength > region.maxByteLength),
    'region sizes',
  );
  out.u32(message.pageSize);
  out.fixed(message.secret, secretBytes);
  out.boolean(message.handsOver);
  out.u8(atMost(features.length, maxFeatures));
  out.u16(atMost(regions.length, maxRegions));
  out.size(message.maxStateBytes);
  out.milliseconds(message.maxDowntimeMs);
  out.name(kind);
  out.name(version);
  for (const feature of features) out.name(feature);
  for (const region of regions) {
    out.u32(region.id);
    out.size(region.byteLength);
    out.size(region.maxByteLength);
    out.name(region.name);
  }
}

function atMost(count: number, max: number): number {
  if (count > max) throw new RangeError(`${count} exceeds ${max}`);
  return count;
}

function ascending(indexes: readonly number[]): boolean {
  return indexes.every((index, i) => i === 0 || index > (indexes[i - 1] ?? 0));
}

function refuse(wrong: boolean, what: string): void {
  if (wrong) throw new RangeError(`the receiver would refuse the message's ${what}`);
}

/** The control channel's stands where it stood before there were others. */
function writeFinalSeqs(finalSeqs: readonly number[], digest: Uint8Array, out: BodyWriter): void {
  refuse(atMost(finalSeqs.length, maxChannels) === 0, 'finalSeqs');
  for (const [channel, seq] of finalSeqs.entries()) {
    out.u32(seq);
    if (channel === 0) out.fixed(digest, digestBytes);
  }
}
