import { type BigIntStats, fstatSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** What changes when a file does. */
export interface FileFingerprint {
  readonly byteLength: number;
  readonly modifiedNs: bigint;
  readonly changedNs: bigint;
  readonly device: bigint;
  readonly inode: bigint;
}

/** Longest tick of the clock that stamps files (CONFIG_HZ=100). Two writes within one may carry the same time. */
const stampTickMs = 10;

function toFingerprint(stats: BigIntStats): FileFingerprint {
  return {
    byteLength: Number(stats.size),
    modifiedNs: stats.mtimeNs,
    changedNs: stats.ctimeNs,
    device: stats.dev,
    inode: stats.ino,
  };
}

export function fingerprintOf(fd: number): FileFingerprint {
  return toFingerprint(fstatSync(fd, { bigint: true }));
}

/** A fingerprint that no later write can leave as it is: waits out the tick of a write made just now. */
export async function settledFingerprintOf(fd: number): Promise<FileFingerprint> {
  const first = fingerprintOf(fd);
  const ageMs = Date.now() - Number(first.changedNs / 1_000_000n);
  if (ageMs < 0 || ageMs > stampTickMs) return first;
  await sleep(stampTickMs + 1);
  return fingerprintOf(fd);
}

/** What of the open file's fingerprint is no longer as in `before`: "size 5 -> 3", or undefined if all is. */
export function changeSince(before: FileFingerprint, fd: number): string | undefined {
  const now = fingerprintOf(fd);
  if (now.byteLength !== before.byteLength) return `size ${before.byteLength} -> ${now.byteLength}`;
  if (now.modifiedNs !== before.modifiedNs) return 'modification time';
  return now.changedNs === before.changedNs ? undefined : 'change time';
}

/** True while `path` still leads to the file of `fingerprint`. */
export async function leadsTo(path: string, fingerprint: FileFingerprint): Promise<boolean> {
  const stats = await stat(path, { bigint: true });
  return stats.ino === fingerprint.inode && stats.dev === fingerprint.device;
}
