import { createHash } from 'node:crypto';

/** What source and destination must agree on, byte for byte, before the guest may run at the destination. */
export interface Transcript {
  readonly session: Uint8Array;
  /** Counts the switchovers of this session from 1. */
  readonly generation: number;
  readonly regions: readonly {
    readonly id: number;
    readonly byteLength: number;
    readonly root: bigint;
  }[];
  /** seq of the last PAGES, REGION or STATE frame of each channel. */
  readonly finalSeqs: readonly number[];
  readonly state: Uint8Array;
}

const label = new TextEncoder().encode('pageferry transcript 1');

/** SHA-256 of the transcript, 32 bytes (docs/protocol.md, section 6). */
export function digestOf(transcript: Transcript): Uint8Array {
  const regions = [...transcript.regions].sort((a, b) => a.id - b.id);
  const bytes = Buffer.alloc(8 + 4 + regions.length * 20 + 4 + transcript.finalSeqs.length * 4 + 8);
  let at = bytes.writeBigUInt64LE(BigInt(transcript.generation), 0);
  at = bytes.writeUInt32LE(regions.length, at);
  for (const region of regions) {
    at = bytes.writeUInt32LE(region.id, at);
    at = bytes.writeBigUInt64LE(BigInt(region.byteLength), at);
    at = bytes.writeBigUInt64LE(region.root, at);
  }
  at = bytes.writeUInt32LE(transcript.finalSeqs.length, at);
  for (const seq of transcript.finalSeqs) at = bytes.writeUInt32LE(seq, at);
  bytes.writeBigUInt64LE(BigInt(transcript.state.length), at);
  return createHash('sha256')
    .update(label)
    .update(transcript.session)
    .update(bytes)
    .update(createHash('sha256').update(transcript.state).digest())
    .digest();
}

/** Whether two digests are the same 32 bytes. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
