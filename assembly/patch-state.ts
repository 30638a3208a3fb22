// Offsets of the fields that the patch kernels keep between calls: `patchState` in src/core/kernel-exports.ts says what they are.

export const patchTable: usize = 0;
export const patchSlots: usize = 4;
export const patchBlockBits: usize = 8;
export const patchLooks: usize = 12;
export const patchRing: usize = 20;
export const patchRingPages: usize = 24;
export const patchPushes: usize = 28;
export const patchFilled: usize = 32;
export const patchPushOf: usize = 36;
export const patchScratch: usize = 40;
export const patchTrying: usize = 44;
export const patchCredit: usize = 48;
export const patchRest: usize = 52;
