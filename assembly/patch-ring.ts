// The ring: what pages held that were replaced not long ago. Source and destination push the same pages in the same order, so that a
// patch may take bytes from there which the memory itself has no more. Push number n stands in page n modulo `ringPages`, a power of two;
// before it is full the rest of it is zeros at both ends.
import { copyPage } from './copy';
import { pageBytes } from './page';
import { patchFilled, patchPushes, patchPushOf, patchRing, patchRingPages } from './patch-state';

/** Where push number `push` stands. */
function ringPage(state: usize, push: u32): usize {
  const mask = load<u32>(state, patchRingPages) - 1;
  return load<usize>(state, patchRing) + <usize>(push & mask) * pageBytes;
}

export function ringBytes(state: usize): u32 {
  return load<u32>(state, patchRingPages) * <u32>pageBytes;
}

/** Keeps the page at `page`, the oldest one giving way. */
export function pushPage(state: usize, page: usize): void {
  const pushes = load<u32>(state, patchPushes);
  copyPage(ringPage(state, pushes), page);
  store<u32>(state, pushes + 1, patchPushes);
  const filled = load<u32>(state, patchFilled);
  if (filled < load<u32>(state, patchRingPages)) store<u32>(state, filled + 1, patchFilled);
}

/** As `pushPage`, and remembers that this is what `page` (4096-aligned) held: `replacedPage` finds it. */
export function pushReplaced(state: usize, page: usize): void {
  const entry = load<usize>(state, patchPushOf) + (page / pageBytes) * 4;
  store<u32>(entry, load<u32>(state, patchPushes) + 1);
  pushPage(state, page);
}

/** Where the ring has what the page at `page` held before it was last replaced; 0 if it has not. */
export function replacedPage(state: usize, page: usize): usize {
  const push = load<u32>(load<usize>(state, patchPushOf) + (page / pageBytes) * 4);
  if (push === 0) return 0;
  // Pushes since then. Where the ring was rewound it may not have come to this push again.
  const since: u32 = load<u32>(state, patchPushes) - push;
  return since >= load<u32>(state, patchFilled) ? 0 : ringPage(state, push - 1);
}

/** How many bytes before the ring's newest end the byte at `address` of it stands: 1 to `ringBytes`. */
export function ringDistance(state: usize, address: usize): u32 {
  const offset = <u32>(address - load<usize>(state, patchRing));
  const end = load<u32>(state, patchPushes) * <u32>pageBytes;
  return ((end - offset - 1) & (ringBytes(state) - 1)) + 1;
}

/** The inverse of `ringDistance`. */
export function ringAddress(state: usize, distance: u32): usize {
  const end = load<u32>(state, patchPushes) * <u32>pageBytes;
  return load<usize>(state, patchRing) + <usize>((end - distance) & (ringBytes(state) - 1));
}
