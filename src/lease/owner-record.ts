import { FerryError } from '../errors.js';

/**
 * Who owns a guest. A member is one life of one process: who starts anew has lost his copy, and is another member, with another id ("NAME#LIFE"). Durable, in the engine; changed by compare-and-swap only. As bytes: JSON with these members in this order and `version` 1 before them,
 * `generation` as decimal text.
 */
export interface OwnerRecord {
  /** Id of the member that may run the guest. */
  readonly owner: string;
  /** Raised by one with each claim, from 1 to 2^64 - 1: the fencing token. */
  readonly generation: bigint;
  /** Members whose copy has everything that ever left, sorted, the owner among them: only they may claim. */
  readonly inSync: readonly string[];
  /** 32 hex digits, drawn for each claim: tells a claim of one process from another's of the same member. */
  readonly claim: string;
}

const version = 1;
const mostBytes = 4096;
const mostMembers = 16;
const lastGeneration = 2n ** 64n - 1n;
const memberPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,47}(#[0-9a-f]{1,16})?$/;
const claimPattern = /^[0-9a-f]{32}$/;

/** Whether a member can have this id: 1 to 48 letters, digits, ".", "_", "-", the first one a letter or a digit; then "#" and up to 16 hex digits, or not. */
export function isMember(id: unknown): id is string {
  return typeof id === 'string' && memberPattern.test(id);
}

/** RangeError for what names no guest, or no member. */
export function checkMember(name: string, member: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) throw new RangeError(`name ${name}`);
  if (!isMember(member)) throw new RangeError(`member ${member}`);
}

/** RangeError for what can be no record. */
export function encodeOwnerRecord(record: OwnerRecord): Uint8Array {
  const wrong = wrongRecord(record);
  if (wrong !== undefined) throw new RangeError(wrong);
  const { owner, generation, inSync, claim } = record;
  const said = { version, owner, generation: generation.toString(), inSync, claim };
  return new TextEncoder().encode(JSON.stringify(said));
}

/** ERR_LEASE_UNKNOWN for anything that `encodeOwnerRecord` does not write: who owns the guest cannot be told then. */
export function decodeOwnerRecord(bytes: Uint8Array): OwnerRecord {
  if (bytes.byteLength > mostBytes) throw unknown(`has ${bytes.byteLength} bytes`);
  let said: unknown;
  try {
    said = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw unknown('is no JSON', cause);
  }
  const { generation, owner, inSync, claim, ...rest } = Object(said) as Record<string, unknown>;
  if (typeof generation !== 'string' || !/^[1-9]\d{0,19}$/.test(generation)) {
    throw unknown('has no generation');
  }
  if (rest['version'] !== version || Object.keys(rest).length !== 1) {
    throw unknown(`has version ${String(rest['version'])}, or members that nobody knows`);
  }
  const record = { owner, generation: BigInt(generation), inSync, claim } as OwnerRecord;
  const wrong = wrongRecord(record);
  if (wrong !== undefined) throw unknown(wrong);
  return record;
}

/**
 * The record after `member` took over from whom `before` names. Who was in sync stays it: the new owner lets nothing go that they have not, or has them dropped first, and
 * if it dies at once one of them goes on.
 */
export function claimed(
  before: OwnerRecord | undefined,
  member: string,
  claim: string,
): OwnerRecord {
  const generation = (before?.generation ?? 0n) + 1n;
  return withInSync({ owner: member, generation, inSync: [], claim }, before?.inSync ?? []);
}

/** The record after `member` claimed what `before`'s owner handed over to it: that one's own copy is stale from its first instruction on. */
export function handedOver(before: OwnerRecord, member: string, claim: string): OwnerRecord {
  const { inSync, ...next } = claimed(before, member, claim);
  return { ...next, inSync: inSync.filter((each) => each === member || each !== before.owner) };
}

/** The record with other members in sync; the owner always is. */
export function withInSync(record: OwnerRecord, members: readonly string[]): OwnerRecord {
  return { ...record, inSync: [...new Set([record.owner, ...members])].sort() };
}

export function isSameRecord(one: OwnerRecord | undefined, other: OwnerRecord): boolean {
  return (
    one?.owner === other.owner &&
    one.generation === other.generation &&
    one.claim === other.claim &&
    one.inSync.join() === other.inSync.join()
  );
}

function wrongRecord({ owner, generation, inSync, claim }: OwnerRecord): string | undefined {
  if (!isMember(owner)) return 'no owner';
  if (generation < 1n || generation > lastGeneration) return `generation ${generation}`;
  if (typeof claim !== 'string' || !claimPattern.test(claim)) return 'no claim';
  if (!Array.isArray(inSync) || inSync.length > mostMembers || !inSync.every(isMember)) {
    return 'no members';
  }
  const isSorted = inSync.every((id, at) => at === 0 || (inSync[at - 1] as string) < id);
  return isSorted && inSync.includes(owner) ? undefined : 'members out of order, or no owner';
}

function unknown(what: string, cause?: unknown): FerryError {
  return new FerryError('ERR_LEASE_UNKNOWN', `the owner record ${what}`, { cause });
}
