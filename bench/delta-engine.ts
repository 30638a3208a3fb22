// What pageferry makes of two states of one memory: whole frames, from the engines that ship.
import { randomFillSync } from 'node:crypto';
import { ApplyEngine } from '../src/codec/apply.js';
import { CaptureEngine } from '../src/codec/capture.js';
import { MarksTracker } from '../src/memory/marks.js';
import { HashTracker } from '../src/memory/scan-trackers.js';
import { changedPages } from './delta-peers.js';

const pageBytes = 4096;
const headerBytes = 40;
const wholeRound = { maxPayloadBytes: 512 << 10, maxPages: 32_768 };
const indexAtOnce = 4096;
/** As many as the ring holds: 8 MiB. */
const ringPages = 2048;

/** One round that brings a memory from one state to another. */
export interface DeltaRound {
  /** All frames, their headers included. */
  readonly bytes: number;
  readonly pages: number;
  /** Finding what changed, if the tracker does not say, and encoding it. */
  readonly captureMs: number;
  /** Checking and applying the frames at the other end. */
  readonly applyMs: number;
}

interface Frame {
  readonly body: Uint8Array;
  readonly tableBytes: number;
  readonly rawBytes: number;
}

async function applyFrame(apply: ApplyEngine, frame: Frame): Promise<void> {
  await apply.apply(frame.body, frame.tableBytes, frame.rawBytes);
}

/** A region that is a WebAssembly.Memory. */
function newRegion(id: number, byteLength: number) {
  const pages = Math.ceil(byteLength / 65_536);
  const linear = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const bytes = new Uint8Array(linear.buffer, 0, byteLength);
  const region = {
    id,
    name: `memory ${id}`,
    byteLength,
    maxByteLength: byteLength,
    memory: () => bytes,
    linearMemory: () => linear,
    read: (offset: number, into: Uint8Array) => {
      into.set(bytes.subarray(offset, offset + into.length));
      return into.length;
    },
    write: (offset: number, from: Uint8Array) => bytes.set(from, offset),
    grow: () => {},
  };
  return { region, bytes };
}

/**
 * Sends `before` whole and then, in one round, what makes it `after`, as a migration over a slow link does: patches on, all pages indexed,
 * each frame compressed or none, changes found by the hashes of a WebAssembly.Memory, or marked. The ring is full by then, of what another region held. Error unless the
 * other end has `after` in the end.
 */
export async function deltaRound(
  before: Uint8Array,
  after: Uint8Array,
  { tracker, lz4 = false }: { readonly tracker: 'hash' | 'marks'; readonly lz4?: boolean },
): Promise<DeltaRound> {
  const secret = randomFillSync(new Uint8Array(192));
  const sizes = [before.length, ringPages * pageBytes];
  const source = sizes.map((bytes, id) => newRegion(id, bytes));
  const destination = sizes.map((bytes, id) => newRegion(id, bytes));
  const [memory, other] = source;
  const [copy] = destination;
  if (memory === undefined || other === undefined || copy === undefined) throw new Error();
  const regions = source.map(({ region }) => region);
  const marks = new MarksTracker(regions);
  const capture = new CaptureEngine(regions, tracker === 'hash' ? new HashTracker() : marks, {
    secret,
    shadowBytes: before.length + other.bytes.length,
    baseCacheBytes: 0,
    patches: true,
    lz4,
  });
  for (const { id } of regions) capture.setBase(id, 'zero');
  const apply = new ApplyEngine(
    destination.map(({ region }) => region),
    { secret, patches: true, lz4 },
  );
  const send = async (): Promise<void> => {
    const { frames } = await captureRound(capture, () => indexAll(capture));
    for (const frame of frames) await applyFrame(apply, frame);
  };

  memory.bytes.set(before);
  await send();
  // What the other region holds then nothing will be found in, and to look for it is held against later tries.
  capture.tryPatches(0);
  randomFillSync(other.bytes);
  marks.mark(other.region.id, 0, other.bytes.length);
  await send();
  for (let at = 0; at < other.bytes.length; at += 16) other.bytes[at] = ~(other.bytes[at] ?? 0);
  marks.mark(other.region.id, 0, other.bytes.length);
  await send();
  capture.tryPatches(64);

  const clean = await captureRound(capture);
  if (clean.frames.length > 0) throw new Error('pages that nobody changed were sent');
  memory.bytes.set(after);
  for (const at of changedPages(before, after)) marks.mark(memory.region.id, at, pageBytes);
  const changed = await captureRound(capture);
  const from = performance.now();
  for (const frame of changed.frames) await applyFrame(apply, frame);
  const applyMs = performance.now() - from;
  if (Buffer.compare(copy.bytes, after) !== 0) throw new Error('it arrived as another');
  return {
    bytes: changed.frames.reduce((sum, { body }) => sum + headerBytes + body.length, 0),
    pages: changed.pages,
    captureMs: changed.ms,
    applyMs,
  };
}

/** As a migration does while a frame is on a slow link. */
function indexAll(capture: CaptureEngine): void {
  while (capture.indexPages(indexAtOnce) > 0);
}

interface Round {
  readonly frames: readonly Frame[];
  readonly pages: number;
  readonly ms: number;
}

/** Everything that is dirty, as frames of their own memory; `ms` without making those copies. */
async function captureRound(capture: CaptureEngine, onFrame = () => {}): Promise<Round> {
  const frames: Frame[] = [];
  let pages = 0;
  let ms = 0;
  for (let exhausted = false, isFirst = true; !exhausted; isFirst = false) {
    const from = performance.now();
    if (isFirst) capture.takeDirty();
    const next = await capture.capture(wholeRound);
    const frame = next.frame && (capture.compressor?.compress(next.frame) ?? next.frame);
    ms += performance.now() - from;
    exhausted = next.exhausted;
    if (frame === undefined) continue;
    const { bytes, tableBytes, rawBytes, pageCount } = frame;
    pages += pageCount;
    frames.push({ body: bytes.slice(headerBytes), tableBytes, rawBytes });
    frame.release();
    onFrame();
  }
  return { frames, pages, ms };
}
