import { CaptureEngine } from '../src/codec/capture.js';
import { MarksTracker } from '../src/memory/marks.js';
import { CompareTracker, HashTracker } from '../src/memory/scan-trackers.js';
import type { DirtyTracker } from '../src/memory/tracker.js';
import { median, result, type Suite } from './harness.js';
import { makeImage } from './image.js';
import { encodeXbzrle, isSamePage } from './plain-js.js';

const pageBytes = 4096;
const imageBytes = 64 * 2 ** 20;
const pages = imageBytes / pageBytes;
const rounds = 9;

/** A memory, and something that turns what changed in it since the last call into bytes to be sent. */
interface Contender {
  readonly memory: Uint8Array;
  mark?(page: number): void;
  /** Returns the bytes to be sent. */
  capture(): Promise<number> | number;
}

export const suite: Suite = {
  question:
    'How fast do the changed pages of 64 MiB become frames, with 8 bytes changed in each? (Ours also hash each page.)',
  async *run() {
    const contenders = new Map<string, Contender>([
      ['marks', engine('marks')],
      ['hash', engine('hash')],
      ['compare', engine('compare')],
      ['plain JavaScript', javascript(isSamePage)],
      ['Buffer.compare', javascript(sameByBuffer)],
    ]);
    for (const contender of contenders.values()) await contender.capture();
    for (const percent of [1, 10, 50]) {
      const times = new Map<string, number[]>([...contenders.keys()].map((name) => [name, []]));
      for (let round = 0; round < rounds; round++) {
        for (const [name, contender] of contenders) {
          change(contender, percent, round);
          const start = performance.now();
          await contender.capture();
          times.get(name)?.push(performance.now() - start);
        }
      }
      const speed = (name: string) => imageBytes / median(times.get(name) ?? []) / 1e6;
      for (const name of ['marks', 'hash', 'compare']) {
        yield result(`capture/${name}-${percent}%-dirty`, 'GB/s', 'higher', speed(name), {
          'plain JavaScript': speed('plain JavaScript'),
          'Buffer.compare': speed('Buffer.compare'),
        });
      }
    }
  },
};

/** Changes 8 bytes in each of `percent` of the pages, evenly spread. */
function change({ memory, mark }: Contender, percent: number, round: number): void {
  const step = 100 / percent;
  for (let at = 0; at < pages; at += step) {
    const page = Math.floor(at);
    const offset = page * pageBytes + ((page * 64 + round * 8) % (pageBytes - 8));
    for (let byte = offset; byte < offset + 8; byte++) memory[byte] = (memory[byte] ?? 0) ^ 0x55;
    mark?.(page);
  }
}

/** The capture engine over a WebAssembly memory; a shadow of the whole but where hashes decide. */
function engine(kind: 'marks' | 'hash' | 'compare'): Contender {
  const linear = new WebAssembly.Memory({ initial: imageBytes / 65536 });
  const memory = new Uint8Array(linear.buffer);
  memory.set(makeImage(imageBytes, 0.25));
  const region = {
    id: 0,
    name: kind,
    byteLength: imageBytes,
    maxByteLength: imageBytes,
    memory: () => memory,
    linearMemory: () => linear,
    read: () => 0,
    write: () => {},
    grow: () => {},
  };
  const marks = new MarksTracker([region]);
  const trackers: Record<typeof kind, DirtyTracker> = {
    marks,
    hash: new HashTracker(),
    compare: new CompareTracker(),
  };
  const capture = new CaptureEngine([region], trackers[kind], {
    secret: makeImage(192, 0),
    shadowBytes: kind === 'hash' ? 0 : imageBytes,
    baseCacheBytes: 0,
  });
  return {
    memory,
    mark: (page) => marks.mark(0, page * pageBytes, 8),
    async capture() {
      capture.takeDirty();
      let bytes = 0;
      for (let exhausted = false; !exhausted; ) {
        const next = await capture.capture({ maxPayloadBytes: 512 << 10, maxPages: pages });
        bytes += next.frame?.bodyBytes ?? 0;
        next.frame?.release();
        exhausted = next.exhausted;
      }
      return bytes;
    },
  };
}

type IsSame = (memory: Uint8Array, shadow: Uint8Array, offset: number) => boolean;

function sameByBuffer(memory: Uint8Array, shadow: Uint8Array, offset: number): boolean {
  const end = offset + pageBytes;
  return Buffer.compare(memory.subarray(offset, end), shadow.subarray(offset, end)) === 0;
}

/** The same work in JavaScript, but for the hash: compare with the shadow, XBZRLE or raw into a frame, update the shadow. */
function javascript(isSame: IsSame): Contender {
  const memory = makeImage(imageBytes, 0.25);
  const shadow = new Uint8Array(imageBytes);
  const frame = new Uint8Array(512 << 10);
  return {
    memory,
    capture() {
      let sent = 0;
      let at = 0;
      for (let offset = 0; offset < imageBytes; offset += pageBytes) {
        if (isSame(memory, shadow, offset)) continue;
        if (at + pageBytes + 8 > frame.length) {
          sent += at;
          at = 0;
        }
        const page = memory.subarray(offset, offset + pageBytes);
        const before = shadow.subarray(offset, offset + pageBytes);
        const payload = frame.subarray(at + 8, at + 8 + pageBytes);
        let bytes = encodeXbzrle(before, page, payload);
        if (bytes < 0) {
          payload.set(page);
          bytes = pageBytes;
        }
        at += 8 + bytes;
        before.set(page);
      }
      return sent + at;
    },
  };
}
