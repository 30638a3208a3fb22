/** `pageferry/replication`: a hot standby that takes over. What is guaranteed: docs/high-availability.md. */
export type { Decide, Decision, DecisionContext } from './decision.js';
export type { PrimaryEvent, StandbyEvent, StoreStandbyEvent } from './events.js';
export type { HealthOptions } from './health.js';
export type { Primary } from './primary-driver.js';
export type { HealthProbe } from './probes.js';
export { PromotionQueue } from './promotion-queue.js';
export { newMember, type ProtectOptions, protect } from './protect.js';
export type { MemberOptions, Promotion } from './protect-options.js';
export { type Standby, standby } from './standby-driver.js';
export type { StandbyOptions } from './standby-options.js';
export { type StoreStandby, type StoreStandbyOptions, storeStandby } from './store-standby.js';
export type { Suspicion } from './suspicion.js';
