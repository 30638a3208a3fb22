// What a holder makes its provider with.
import { EtcdLeases } from 'pageferry/lease';

export const make = async (options) => new EtcdLeases(options);
