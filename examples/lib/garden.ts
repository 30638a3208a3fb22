// A program for AssemblyScript that keeps its state wherever a program can: in memory that grows, in globals that nobody exports, in a table of functions.

const base: usize = (__heap_base + 65535) & ~65535;
let end: usize = base;
let steps: u32 = 0;
let digest: u64 = 0x9e3779b9;
let random: u32 = 1;
let warmth: f64 = 0.5;

type Work = (at: usize, value: u64) => void;

function plant(at: usize, value: u64): void {
  store<u64>(at, value);
  store<u8>(at + 4095, <u8>value);
}

/** Across the end of a page. */
function water(at: usize, value: u64): void {
  if (at + 4100 <= end) store<u64>(at + 4093, value);
  warmth = warmth * 0.75 + <f64>(<u32>value) / 4294967296.0;
  store<f64>(at + 16, warmth);
}

function copy(at: usize, value: u64): void {
  memory.copy(base + <usize>(value % <u64>(end - base - 4096)), at, 1000);
}

function clear(at: usize, value: u64): void {
  memory.fill(at, <u8>value, 64);
}

const works: StaticArray<Work> = [plant, water, copy, clear];

function next(): u32 {
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  return random;
}

/** One piece of work. Every 64th asks for more memory, up to 8 MiB. */
export function step(): void {
  if (steps % 64 === 0 && end - base < 8 << 20) {
    end += 65536;
    const pages = <i32>((end + 65535) >> 16) - memory.size();
    if (pages > 0) memory.grow(pages);
  }
  for (let piece = 0; piece < 4; piece++) {
    const at = base + (<usize>next() % ((end - base - 4096) >> 3)) * 8;
    const value = ((<u64>next()) << 32) | next();
    works[next() % 4](at, value);
    digest = (digest ^ value) * 0x100000001b3;
  }
  steps++;
}

export function stepsDone(): u32 {
  return steps;
}

/** Of all there is: memory, and what is kept besides. */
export function sum(): u64 {
  let total: u64 = digest + steps + random + reinterpret<u64>(warmth);
  for (let at = base; at < end; at += 8) total = (total ^ load<u64>(at)) * 0x100000001b3;
  return total;
}

/** The copies of a program are not to go on with the same random numbers. */
export function reseed(seed: u32): void {
  random = seed | 1;
}
