// A program for AssemblyScript whose threads work all the time in one shared memory: each on a part of its own, and all of them on the cells. All its state is in memory:
// globals belong to each thread's instance.

const base: usize = (__heap_base + 65535) & ~65535;
const partBytes: usize = 1 << 20;
const cells: u64 = 1 << 16;
const parts: usize = base + ((<usize>cells) << 3);

function partOf(thread: u32): usize {
  return parts + <usize>thread * partBytes;
}

/** One piece of work of a thread: unaligned stores, some across pages, fills, copies, and sums that all threads add to. The first one asks for more memory now and then. */
export function work(thread: u32): void {
  const part = partOf(thread);
  let x = load<u64>(part);
  if (x === 0) x = 0x9e3779b97f4a7 * <u64>(thread + 1);
  for (let piece = 0; piece < 64; piece++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    const at = part + 4096 + <usize>((x >> 8) % <u64>(partBytes - 8192));
    switch (<u32>x & 7) {
      case 0:
        memory.fill(at, <u8>(x >> 3), 300);
        break;
      case 1:
        memory.copy(at, part + 4096 + <usize>((x >> 30) % <u64>(partBytes - 8192)), 500);
        break;
      case 2:
        store<f64>(at, <f64>(x >> 12));
        break;
      default:
        store<u64>(at, x);
    }
    atomic.add<u64>(base + ((<usize>((x >> 20) % cells)) << 3), x);
  }
  const steps = load<u32>(part + 8) + 1;
  if (thread === 0 && steps % 256 === 0 && memory.grow(1) >= 0) {
    store<u64>(((<usize>memory.size()) << 16) - 8, x);
  }
  store<u64>(part, x);
  store<u32>(part + 8, steps);
}

/** How many pieces a thread has done. */
export function done(thread: u32): u32 {
  return load<u32>(partOf(thread) + 8);
}

/** Of all there is. */
export function sum(): u64 {
  let digest: u64 = 0x811c9dc5;
  const end = (<usize>memory.size()) << 16;
  for (let at = base; at < end; at += 8) digest = (digest ^ load<u64>(at)) * 0x100000001b3;
  return digest;
}
