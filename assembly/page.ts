/** Bytes of a page, everywhere in this program. */
export const pageBytes: usize = 4096;
