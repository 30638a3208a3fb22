// Offsets of the capture job's fields: `captureJob` in src/core/kernel-exports.ts says what they are.

export const jobZeroHash: usize = 0;
export const jobPages: usize = 8;
export const jobFirstPage: usize = 12;
export const jobPageCount: usize = 16;
export const jobDirty: usize = 20;
export const jobBaseKnown: usize = 24;
export const jobShadow: usize = 28;
export const jobHashes: usize = 32;
export const jobSecret: usize = 36;
export const jobZeroPage: usize = 40;
export const jobCache: usize = 44;
export const jobCachePages: usize = 48;
export const jobRegion: usize = 52;
export const jobFrame: usize = 56;
export const jobPatch: usize = 60;
export const jobUnindexed: usize = 64;
export const jobRegionShadow: usize = 68;
export const jobRegionShadowPages: usize = 72;
export const jobRegionBaseKnown: usize = 76;
export const jobRegionHashes: usize = 80;
export const jobShadowed: usize = 84;
export const jobRegionShadowed: usize = 88;
export const jobKeeping: usize = 92;
