/** Where an object is: the number of its pack (1 to 65535, given by the catalog) and its ordinal there, in 32 bits. 0: nowhere, the page is zeros. */
export function placeOf(pack: number, ordinal: number): number {
  return ((pack << 16) | ordinal) >>> 0;
}

export function packOf(place: number): number {
  return place >>> 16;
}

export function ordinalOf(place: number): number {
  return place & 0xffff;
}
