/** Whether bit `index` is set. Beyond its bits none is. */
export function hasBit(bits: Uint8Array, index: number): boolean {
  return ((bits[index >>> 3] ?? 0) & (1 << (index % 8))) !== 0;
}

/** Sets bit `index`; beyond its bits nothing happens. */
export function setBit(bits: Uint8Array, index: number): void {
  bits[index >>> 3] = (bits[index >>> 3] ?? 0) | (1 << (index % 8));
}
