// What a holder makes its provider with.
import { embeddedLease } from 'pageferry/lease';

export const make = (options) => embeddedLease(options);
