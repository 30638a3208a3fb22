// What capture and apply share about run tables. docs/protocol.md, section 4.

export const kindZero: u32 = 0;
export const kindFill: u32 = 1;
export const kindDelta: u32 = 2;
export const kindPatch: u32 = 4;
export const kindRaw: u32 = 5;

/** In a run's second varint, below its page count: 3 bits of kind, and whether a region id follows. */
export const kindMask: u32 = 7;
export const regionChanged: u32 = 8;
export const countShift: u32 = 4;

export const fillBytes: usize = 8;
/** A delta, or a patch, is this length field and so many bytes; from 4094 on raw is no longer. */
export const deltaLengthBytes: usize = 2;
export const maxDeltaBytes: usize = 4093;

/** Most pages of a frame. */
export const maxFramePages: u32 = 32768;
