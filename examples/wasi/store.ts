/**
 * A key-value store for WASI: records in a log file, an index of them in memory. Each step draws a number, asks for the time, writes both into a journal,
 * and puts, deletes or gets what the number says. A second store that is given the journal's numbers and times does the same, byte by byte:
 * what either has in memory, in its files and as its digest is equal.
 *
 * Arguments: name of the log, name of the journal, how many keys there are.
 * Log: u32 key, u32 length, u32 seed, then as many bytes, all made of the seed (none: the key is deleted). Journal: u64 nanoseconds, u64 drawn, for each step. Both files are
 * allocated ahead in pieces.
 */

import {
  args_get,
  args_sizes_get,
  clock_time_get,
  fd_allocate,
  fd_close,
  fd_pread,
  fd_pwrite,
  path_open,
  path_rename,
  random_get,
} from './wasi_snapshot_preview1';

const FOLDER: u32 = 3;
const MONOTONIC: u32 = 1;
const CREATE: u32 = 1;
const READ_WRITE: u64 = 0x142;

const MOST_ARGUMENTS: usize = 8;
const MOST_ARGUMENT_BYTES: usize = 1024;
const MOST_VALUE: u32 = 255;
const HEADER: usize = 12;
const ENTRY: usize = 16;
/** Files are allocated in pieces of this many bytes. */
const PIECE: u64 = 262144;
/** The log is written anew when it is this long and most of it is of the past. */
const LEAST_LOG: u64 = 1048576;
const NOWHERE: u32 = 0xffffffff;

const result: usize = memory.data(16, 8);
const vector: usize = memory.data(8, 8);
const entry: usize = memory.data(16, 8);
const record: usize = memory.data(HEADER + MOST_VALUE, 8);
const argumentsAt: usize = memory.data(MOST_ARGUMENTS * 4, 8);
const argumentBytes: usize = memory.data(MOST_ARGUMENT_BYTES, 8);
const newName: usize = memory.data(MOST_ARGUMENT_BYTES + 1, 8);

let keys: u32 = 0;
/** Slots of the index: u32 key + 1 or 0, u32 offset in the log or NOWHERE. */
let index: usize = 0;
let slots: u32 = 0;
let used: u32 = 0;
let log: u32 = 0;
let logEnd: u64 = 0;
let logRoom: u64 = 0;
/** Bytes of records that the index knows. */
let live: u64 = 0;
let journal: u32 = 0;
let journalEnd: u64 = 0;
let journalRoom: u64 = 0;
let steps: u32 = 0;
let digest: u32 = 0;

function must(errno: u32): void {
  if (errno !== 0) unreachable();
}

/** One step of MurmurHash3's body: `h` with `word` mixed in. */
function mix(h: u32, word: u32): u32 {
  const k = rotl<u32>(word * 0xcc9e2d51, 15) * 0x1b873593;
  return rotl<u32>(h ^ k, 13) * 5 + 0xe6546b64;
}

function textBytes(at: usize): usize {
  let end = at;
  while (load<u8>(end) !== 0) end++;
  return end - at;
}

function argument(position: u32): usize {
  return load<u32>(argumentsAt + ((<usize>position) << 2));
}

function open(path: usize, pathBytes: usize): u32 {
  must(path_open(FOLDER, 0, path, pathBytes, CREATE, READ_WRITE, 0, 0, result));
  return load<u32>(result);
}

function writeAt(descriptor: u32, from: usize, bytes: usize, offset: u64): void {
  store<u32>(vector, <u32>from);
  store<u32>(vector, <u32>bytes, 4);
  must(fd_pwrite(descriptor, vector, 1, offset, result));
  if (load<u32>(result) !== <u32>bytes) unreachable();
}

/** Reads a record, header and all. Returns its bytes. */
function readRecord(offset: u32): usize {
  store<u32>(vector, <u32>record);
  store<u32>(vector, <u32>(HEADER + MOST_VALUE), 4);
  must(fd_pread(log, vector, 1, offset, result));
  const bytes = HEADER + load<u32>(record, 4);
  if (bytes > load<u32>(result)) unreachable();
  return bytes;
}

/** Zeroed memory behind all that there is. */
function room(bytes: usize): usize {
  const pages = memory.grow(<i32>((bytes + 65535) >>> 16));
  if (pages < 0) unreachable();
  return (<usize>pages) << 16;
}

/** The slot of a key, or the empty one that it would have. */
function slotOf(key: u32): usize {
  let at = mix(0, key) & (slots - 1);
  while (true) {
    const slot = index + ((<usize>at) << 3);
    const found = load<u32>(slot);
    if (found === 0 || found === key + 1) return slot;
    at = (at + 1) & (slots - 1);
  }
}

function place(key: u32, offset: u32): void {
  const slot = slotOf(key);
  if (load<u32>(slot) === 0) used++;
  store<u32>(slot, key + 1);
  store<u32>(slot, offset, 4);
}

/** An index of twice as many slots, elsewhere in memory. */
function widen(): void {
  const old = index;
  const oldSlots = slots;
  slots = oldSlots === 0 ? 64 : oldSlots * 2;
  index = room((<usize>slots) << 3);
  used = 0;
  for (let at: u32 = 0; at < oldSlots; at++) {
    const slot = old + ((<usize>at) << 3);
    const key = load<u32>(slot);
    if (key !== 0) place(key - 1, load<u32>(slot, 4));
  }
}

/** What a key has goes: its record is of the past. */
function forget(key: u32): void {
  const slot = slotOf(key);
  if (load<u32>(slot) === 0) return;
  const offset = load<u32>(slot, 4);
  if (offset !== NOWHERE) live -= readRecord(offset);
}

function append(bytes: usize): u32 {
  if (logEnd + bytes > logRoom) {
    must(fd_allocate(log, logRoom, PIECE));
    logRoom += PIECE;
  }
  const offset = <u32>logEnd;
  writeAt(log, record, bytes, logEnd);
  logEnd += bytes;
  return offset;
}

/** Fills the record with what `seed` makes of `length` bytes. */
function compose(key: u32, length: u32, seed: u32): void {
  store<u32>(record, key);
  store<u32>(record, length, 4);
  store<u32>(record, seed, 8);
  let state = seed;
  for (let at: u32 = 0; at < length; at++) {
    state = mix(state, at);
    store<u8>(record + HEADER + at, <u8>state);
  }
}

/** Whether the record is what `compose` makes of its seed for `key`. */
function isSound(key: u32): bool {
  const length = load<u32>(record, 4);
  let state = load<u32>(record, 8);
  for (let at: u32 = 0; at < length; at++) {
    state = mix(state, at);
    if (load<u8>(record + HEADER + at) !== <u8>state) return false;
  }
  return length > 0 && load<u32>(record) === key;
}

function put(key: u32, length: u32, seed: u32): void {
  forget(key);
  compose(key, length, seed);
  const bytes = HEADER + length;
  place(key, append(bytes));
  live += bytes;
}

function remove(key: u32): void {
  forget(key);
  compose(key, 0, 0);
  append(HEADER);
  place(key, NOWHERE);
}

function get(key: u32): void {
  const slot = slotOf(key);
  if (load<u32>(slot) === 0 || load<u32>(slot, 4) === NOWHERE) return;
  const bytes = readRecord(load<u32>(slot, 4));
  for (let at: usize = 0; at < bytes; at++) digest = mix(digest, load<u8>(record + at));
}

/** Copies what the index knows into a new log, which takes the name of the old one. */
function compact(): void {
  const name = argument(1);
  const bytes = textBytes(name);
  memory.copy(newName, name, bytes);
  store<u8>(newName + bytes, 0x7e);
  const file = open(newName, bytes + 1);
  const size = (live / PIECE + 1) * PIECE;
  must(fd_allocate(file, 0, size));
  let end: u64 = 0;
  for (let at: u32 = 0; at < slots; at++) {
    const slot = index + ((<usize>at) << 3);
    if (load<u32>(slot) === 0 || load<u32>(slot, 4) === NOWHERE) continue;
    const recordBytes = readRecord(load<u32>(slot, 4));
    writeAt(file, record, recordBytes, end);
    store<u32>(slot, <u32>end, 4);
    end += recordBytes;
  }
  must(fd_close(log));
  must(path_rename(FOLDER, newName, bytes + 1, FOLDER, name, bytes));
  log = file;
  logEnd = end;
  logRoom = size;
}

/** Opens the files and makes an index. To be called once, first. */
export function _initialize(): void {
  must(args_sizes_get(result, result + 4));
  if (load<u32>(result) !== 4 || load<u32>(result, 4) > MOST_ARGUMENT_BYTES) unreachable();
  must(args_get(argumentsAt, argumentBytes));
  log = open(argument(1), textBytes(argument(1)));
  journal = open(argument(2), textBytes(argument(2)));
  for (let at = argument(3); load<u8>(at) !== 0; at++) keys = keys * 10 + (load<u8>(at) - 48);
  if (keys === 0) unreachable();
  widen();
}

/** One operation. */
export function step(): void {
  must(clock_time_get(MONOTONIC, 0, entry));
  must(random_get(entry + 8, 8));
  if (journalEnd + ENTRY > journalRoom) {
    must(fd_allocate(journal, journalRoom, PIECE));
    journalRoom += PIECE;
  }
  writeAt(journal, entry, ENTRY, journalEnd);
  journalEnd += ENTRY;
  const drawn = load<u64>(entry, 8);
  digest = mix(mix(digest, <u32>load<u64>(entry)), <u32>drawn);
  if (used * 2 >= slots) widen();
  const key = <u32>((drawn >> 16) % keys);
  const kind = <u32>drawn & 7;
  if (kind < 5) put(key, 1 + ((<u32>drawn >> 8) % MOST_VALUE), <u32>(drawn >> 32));
  else if (kind < 6) remove(key);
  else get(key);
  if (logEnd > LEAST_LOG && logEnd > live * 2) compact();
  steps++;
}

export function getSteps(): u32 {
  return steps;
}

export function getDigest(): u32 {
  return digest;
}

/** Records of the index that are not in the log as they were written. */
export function damaged(): u32 {
  let wrong: u32 = 0;
  for (let at: u32 = 0; at < slots; at++) {
    const slot = index + ((<usize>at) << 3);
    const key = load<u32>(slot);
    if (key === 0 || load<u32>(slot, 4) === NOWHERE) continue;
    readRecord(load<u32>(slot, 4));
    if (!isSound(key - 1)) wrong++;
  }
  return wrong;
}
