/** A reproducible source of numbers. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** 0 to 2^32 - 1 (xorshift32). */
  u32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  below(limit: number): number {
    return this.u32() % limit;
  }

  bytes(length: number): Uint8Array {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let index = 0; index < words.length; index++) words[index] = this.u32();
    return new Uint8Array(words.buffer, 0, length);
  }
}

/** The generator of one input of many. Seeds that follow each other have nothing in common (the finalizer of MurmurHash3). */
export function randomOf(seed: number): Random {
  let hash = (seed ^ (seed >>> 16)) >>> 0;
  hash = Math.imul(hash, 0x85eb_ca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2_ae35);
  hash ^= hash >>> 16;
  return new Random(hash);
}

/** Changes one page of memory the way programs do: a few words, a stretch, everything, a fill, zeros; or not at all. */
export function scribble(random: Random, page: Uint8Array): void {
  const { length } = page;
  switch (random.below(8)) {
    case 0:
      page.fill(0);
      return;
    case 1: {
      const pattern = random.bytes(8);
      for (let at = 0; at < length; at++) page[at] = pattern[at % 8] ?? 0;
      return;
    }
    case 2:
      page.set(random.bytes(length));
      return;
    case 3: {
      const from = random.below(length);
      page.set(random.bytes(random.below(length - from) + 1).subarray(0, length - from), from);
      return;
    }
    case 4:
      for (let at = random.below(2); at < length; at += 2) page[at] = random.u32();
      return;
    case 5:
      return;
    default:
      for (let edits = random.below(12); edits >= 0; edits--) {
        page[random.below(length)] = random.u32();
      }
  }
}
