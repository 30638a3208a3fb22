import type { TokenStore } from '../lease/fence.js';
import { checkMember } from '../lease/owner-record.js';
import type { LeaseProvider } from '../lease/provider.js';

/** Whose record decides where a migrated guest runs. The same `provider` and `name` at both ends, a `member` of its own at each. */
export interface MigrationLease {
  readonly provider: LeaseProvider;
  /** Of the guest: see `LeaseProvider`. */
  readonly name: string;
  /** Of this process, in this life: 1 to 48 letters, digits, ".", "_", "-"; "#" and up to 16 hex digits that tell lives apart. */
  readonly member: string;
  /** Where a destination keeps the highest token it has seen when its process ends. Default: nowhere. */
  readonly tokens?: TokenStore;
}

/** RangeError or TypeError for what names no guest, no member or no engine. */
export function checkLease(lease: MigrationLease | undefined): void {
  if (lease === undefined) return;
  checkMember(lease.name, lease.member);
  if (!(lease.provider?.ttlMs > 0)) throw new TypeError('lease.provider is no LeaseProvider');
}
