import type { Target } from './target.js';

/**
 * The smallest input like `input` that still fails, as far as it is found in `forMs` milliseconds: stretches are taken out or cleared, long
 * ones first.
 */
export async function shrink(target: Target, input: Uint8Array, forMs = 8000): Promise<Uint8Array> {
  let smallest = input;
  const end = performance.now() + forMs;
  const keep = async (candidate: Uint8Array): Promise<boolean> => {
    if ((await failureOf(target, candidate)) === undefined) return false;
    smallest = candidate;
    return true;
  };
  for (let stretch = smallest.length; stretch >= 1; stretch = Math.floor(stretch / 2)) {
    for (let at = 0; at < smallest.length && performance.now() < end; ) {
      const behind = smallest.subarray(at + stretch);
      if (await keep(Buffer.concat([smallest.subarray(0, at), behind]))) continue;
      const cleared = new Uint8Array(smallest);
      cleared.fill(0, at, at + stretch);
      if (Buffer.compare(cleared, smallest) !== 0) await keep(cleared);
      at += stretch;
    }
  }
  return Uint8Array.from(smallest);
}

/** What is wrong with the input on its own, as after a start; undefined if nothing is. */
export async function failureOf(target: Target, input: Uint8Array): Promise<Error | undefined> {
  target.reset?.();
  try {
    await target.run(input);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
