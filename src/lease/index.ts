/** `pageferry/lease`: who owns a guest, and for how long: what an engine must do, and those there are. */
export { type EmbeddedLeaseOptions, embeddedLease } from './embedded.js';
export { EtcdLeases } from './etcd.js';
export type { EtcdTls } from './etcd-connections.js';
export type { EtcdOptions } from './etcd-options.js';
export { Fence, type TokenStore } from './fence.js';
export type { OwnerRecord } from './owner-record.js';
export type { LeaseProvider } from './provider.js';
export type { LeaseView, Swap, SwapOutcome } from './swap.js';
export { fileTokens } from './token-file.js';
