/** Bytes of a match that its token says: fewer are not worth one. */
const minMatch = 4;
/** No match begins in the last 12 bytes of a block, nor reaches its last 5. */
const lastBegin = 12;
const lastLiterals = 5;
const farthest = 65535;

/**
 * An LZ4 block that says `bytes`, as short as this format allows but for what long runs of literals cost. Takes a second for 50 KB: it looks at all that
 * stands before each byte.
 */
export function shortestLz4(bytes) {
  const matches = longestMatches(bytes);
  const end = bytes.length;
  const costs = new Float64Array(end + 1);
  const steps = new Int32Array(end);
  for (let at = end - 1; at >= 0; at--) {
    // A literal is its byte, and now and then one that says how many there are.
    costs[at] = costs[at + 1] + 1 + 1 / 32;
    for (let length = minMatch; length <= (matches[at]?.length ?? 0); length++) {
      const cost = 3 + extraBytes(length - minMatch) + costs[at + length];
      if (cost >= costs[at]) continue;
      costs[at] = cost;
      steps[at] = length;
    }
  }
  const block = [];
  let literals = 0;
  for (let at = 0; at < end; at += steps[at] || 1) {
    if (steps[at] === 0) continue;
    sequence(block, bytes.subarray(literals, at), steps[at], matches[at].distance);
    literals = at + steps[at];
  }
  sequence(block, bytes.subarray(literals));
  return Uint8Array.from(block);
}

/** By place: the longest match that begins there, the nearest of those. */
function longestMatches(bytes) {
  const places = new Map();
  const matches = [];
  for (let at = 0; at + lastBegin <= bytes.length; at++) {
    const key = bytes.subarray(at, at + minMatch).join();
    const before = places.get(key) ?? [];
    const most = bytes.length - lastLiterals - at;
    for (const place of before.toReversed()) {
      if (at - place > farthest) break;
      let length = minMatch;
      while (length < most && bytes[place + length] === bytes[at + length]) length++;
      if (length > (matches[at]?.length ?? 0)) matches[at] = { length, distance: at - place };
    }
    places.set(key, before);
    before.push(at);
  }
  return matches;
}

/** Bytes that say the rest of a length which does not fit into half a token. */
function extraBytes(length) {
  return length < 15 ? 0 : Math.floor((length - 15) / 255) + 1;
}

function sequence(block, literals, length = minMatch, distance = 0) {
  const more = length - minMatch;
  block.push((Math.min(literals.length, 15) << 4) | Math.min(more, 15));
  pushLength(block, literals.length);
  block.push(...literals);
  if (distance === 0) return;
  block.push(distance & 255, distance >> 8);
  pushLength(block, more);
}

function pushLength(block, length) {
  if (length < 15) return;
  let rest = length - 15;
  for (; rest >= 255; rest -= 255) block.push(255);
  block.push(rest);
}
