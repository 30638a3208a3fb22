import { Arena } from '../core/arena.js';

/** XBZRLE works on pages; shorter stretches are allowed. */
const maxBytes = 4096;
/** The kernel encodes this much at a time. */
const windowBytes = 64;
/** No delta of a page is longer: 2049 runs of two 2-byte lengths, and 4096 literals. */
const maxDeltaBytes = 16_384;

interface Workspace {
  readonly arena: Arena;
  readonly previous: number;
  readonly next: number;
  readonly delta: number;
}

let workspace: Workspace | undefined;

/** Made at the first call: importing this module costs nothing. */
function getWorkspace(): Workspace {
  if (workspace === undefined) {
    const arena = new Arena(2 * maxBytes + maxDeltaBytes + 1024);
    const previous = arena.alloc(maxBytes);
    const next = arena.alloc(maxBytes);
    workspace = { arena, previous, next, delta: arena.alloc(maxDeltaBytes) };
  }
  return workspace;
}

/** Equal bytes at the end of both pages are in no delta. */
function place(area: Uint8Array, page: Uint8Array): void {
  area.set(page);
  area.fill(0, page.length);
}

function checkBytes(name: string, value: Uint8Array): void {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name} must be a Uint8Array`);
}

function checkLength(name: string, { length }: Uint8Array): void {
  if (length > maxBytes || length % 8 !== 0) {
    throw new RangeError(`${name} has ${length} bytes: not a multiple of 8 up to ${maxBytes}`);
  }
}

/**
 * Encodes how `next` differs from `previous` into `out`. Both have the same length, a multiple of 8 up to 4096.
 * Returns bytes written; 0 if they are equal; -1 if `out` is too short for the delta, which is then untouched.
 * Grammar: docs/protocol.md, section 4; the bytes are those of QEMU's xbzrle.
 */
export function encodeXbzrle(previous: Uint8Array, next: Uint8Array, out: Uint8Array): number {
  checkBytes('previous', previous);
  checkBytes('next', next);
  checkBytes('out', out);
  checkLength('previous', previous);
  if (next.length !== previous.length) {
    throw new RangeError(`next has ${next.length} bytes, previous ${previous.length}`);
  }
  const space = getWorkspace();
  const { arena } = space;
  const length = Math.ceil(next.length / windowBytes) * windowBytes;
  place(arena.bytes(space.previous, length), previous);
  place(arena.bytes(space.next, length), next);
  const capacity = Math.min(out.length, maxDeltaBytes);
  const { kernels } = arena;
  const bytes = kernels.xbzrleEncode(space.previous, space.next, length, space.delta, capacity);
  if (bytes > 0) out.set(arena.bytes(space.delta, bytes));
  return bytes;
}

/**
 * Changes `page`, which holds the previous content, into the next by `delta`. Returns the end of the last literal as an offset into the
 * page (0 for the empty delta); -1 if the delta is malformed for a page of this length, which is then untouched.
 */
export function decodeXbzrle(delta: Uint8Array, page: Uint8Array): number {
  checkBytes('delta', delta);
  checkBytes('page', page);
  checkLength('page', page);
  if (delta.length > maxDeltaBytes) return -1;
  const space = getWorkspace();
  const { arena } = space;
  const target = arena.bytes(space.next, page.length);
  arena.bytes(space.delta, delta.length).set(delta);
  target.set(page);
  const end = arena.kernels.xbzrleDecode(space.delta, delta.length, space.next, page.length);
  if (end > 0) page.set(target);
  return end;
}
