// The check of a patch before anything of its frame is carried out. It needs no memory contents: only the patch, and how much there is to
// copy from.
import { pageBytes } from './page';
import {
  copiedShift,
  fromEarlier,
  fromElsewhere,
  fromLast,
  leastCopied,
  literalsShift,
  manyCopied,
  manyLiterals,
} from './patch';
import { readVarint } from './varint';

/**
 * Whether the `bytes` at `patch` are a patch of the page at byte `place` of a region of `regionBytes` (whole pages), with a ring of
 * `ringBytes`. Reads nothing else.
 */
export function patchCheck(
  patch: usize,
  bytes: usize,
  place: i64,
  regionBytes: i64,
  ringBytes: i64,
): bool {
  const end = patch + bytes;
  let at: usize = 0;
  let last: i64 = 0;
  let earlier: i64 = 0;
  if (bytes === 0) return false;
  while (patch < end) {
    const token = <u32>load<u8>(patch);
    patch += 1;
    let literals = (token >> literalsShift) & manyLiterals;
    if (literals === manyLiterals) {
      const read = readVarint(patch, end);
      if (read === 0) return false;
      patch = <usize>(read >> 32);
      literals = <u32>read;
      if (literals > <u32>pageBytes) return false;
      literals += manyLiterals;
    }
    if (<usize>literals > pageBytes - at || <usize>literals > end - patch) return false;
    patch += literals;
    at += literals;
    // Literals at the end of the patch; what follows them in the page stays.
    const from = token & fromElsewhere;
    const copiedCode = token >> copiedShift;
    if (patch === end && from === 0 && copiedCode === 0 && literals > 0) return true;

    let copied = copiedCode + leastCopied;
    if (copied === manyCopied) {
      const read = readVarint(patch, end);
      if (read === 0) return false;
      patch = <usize>(read >> 32);
      if (<u32>read > <u32>pageBytes) return false;
      copied += <u32>read;
    }
    if (<usize>copied > pageBytes - at) return false;
    let displacement: i64 = 0;
    if (from === fromLast) {
      displacement = last;
    } else if (from === fromEarlier) {
      displacement = earlier;
      earlier = last;
      last = displacement;
    } else if (from === fromElsewhere) {
      const read = readVarint(patch, end);
      if (read === 0) return false;
      patch = <usize>(read >> 32);
      const zigzag = <u32>read;
      displacement = last + <i64>(<i32>(zigzag >> 1) ^ -(<i32>(zigzag & 1)));
      earlier = last;
      last = displacement;
    }
    // Below 2^44, and changed by less than 2^31 at most 4096 times: no overflow.
    const source = place + <i64>at + displacement;
    if (source < -ringBytes || source + <i64>copied > (source < 0 ? 0 : regionBytes)) return false;
    at += copied;
  }
  return true;
}
