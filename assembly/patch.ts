// The grammar of patches, which docs/protocol.md, section 4, describes: what encoder, check and builder share.
//
//   patch      = step+
//   step       = token [varint] literal* [varint] [varint]
//   token      = u8: bits 0-1 where the copied bytes come from, bits 2-4 number of literals, bits 5-7 bytes copied

/** Where a step's copied bytes come from: the same place of the page, as far off as in the last step that named a displacement, as far
 * off as in the one before that, or as far off as the step says. */
export const fromSame: u32 = 0;
export const fromLast: u32 = 1;
export const fromEarlier: u32 = 2;
export const fromElsewhere: u32 = 3;

export const literalsShift: u32 = 2;
/** This number of literals, or more: a varint says how many more. */
export const manyLiterals: u32 = 7;
export const copiedShift: u32 = 5;
export const leastCopied: u32 = 4;
/** So many bytes copied, or more: a varint says how many more. */
export const manyCopied: u32 = 11;

/** Deltas longer than this leave the page they replace in the ring, and are worth trying to patch. */
export const ringedDeltaBytes: u32 = 128;
