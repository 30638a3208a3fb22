/** `pageferry/replication`: a hot standby that takes over. What is guaranteed: docs/high-availability.md. */
export type { PrimaryEvent, StandbyEvent } from './events.js';
export type { Primary } from './primary-driver.js';
export { newMember, type ProtectOptions, protect } from './protect.js';
export type { MemberOptions } from './protect-options.js';
export { type Standby, type StandbyOptions, standby } from './standby-driver.js';
