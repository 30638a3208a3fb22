export { createPglite, type PgliteGuest, type PgliteGuestOptions, receivePglite } from './guest.js';
export type { PgliteClass, PgliteResults, PgliteSession } from './types.js';
