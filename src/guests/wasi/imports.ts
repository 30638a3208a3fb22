import type { GuestClock } from './clock.js';
import type { FileRegion } from './file-region.js';
import type { ShimFile, ShimOpenFile, WasiCall, WasiHost } from './shim.js';

export interface ImportsDeps {
  readonly wasi: WasiHost;
  readonly clock: GuestClock;
  /** The open file behind a descriptor, if it is one in memory. */
  openFile(descriptor: number): ShimOpenFile | undefined;
  /** The region of a file, if it has one yet. */
  regionOf(file: ShimFile): FileRegion | undefined;
  /** The program is about to do something. */
  called(): void;
}

const errno = { success: 0 };
const monotonic = 1;
const clockEvent = 0;
/** A flag of a subscription: its time is a moment, not a while. */
const isMoment = 1;

/**
 * The shim's functions as the program is to import them: what is written to a file is noted, and the monotonic clock is the program's own.
 * Layouts: WASI preview 1, `witx/typenames.witx`.
 */
export function followedImports(deps: ImportsDeps): Record<string, WasiCall> {
  const { wasi, clock, called } = deps;
  const imports: Record<string, WasiCall> = {};
  for (const [name, call] of Object.entries(wasi.wasiImport)) {
    imports[name] = (...args) => {
      called();
      return call(...args);
    };
  }
  const view = (): DataView => new DataView(wasi.inst.exports.memory.buffer);
  const replace = (name: string, by: (call: WasiCall) => WasiCall): void => {
    const call = imports[name];
    if (call !== undefined) imports[name] = by(call);
  };

  replace('fd_write', (call) => (descriptor, ...args) => {
    const open = deps.openFile(descriptor);
    if (open === undefined) return call(descriptor, ...args);
    return noted(deps.regionOf(open.file), () => {
      const first = open.file_pos;
      const result = call(descriptor, ...args);
      return { result, first: Number(first), end: Number(open.file_pos) };
    });
  });
  replace('fd_pwrite', (call) => (descriptor, vectors, count, offset, writtenAt) => {
    const open = deps.openFile(descriptor);
    if (open === undefined) return call(descriptor, vectors, count, offset, writtenAt);
    return noted(deps.regionOf(open.file), () => {
      const result = call(descriptor, vectors, count, offset, writtenAt);
      const first = Number(offset);
      return { result, first, end: first + view().getUint32(writtenAt, true) };
    });
  });
  for (const name of ['fd_filestat_set_size', 'fd_allocate']) {
    replace(name, (call) => (descriptor, ...args) => {
      const open = deps.openFile(descriptor);
      if (open === undefined) return call(descriptor, ...args);
      return noted(deps.regionOf(open.file), () => {
        const before = open.file.data.byteLength;
        const result = call(descriptor, ...args);
        const after = open.file.data.byteLength;
        return { result, first: Math.min(before, after), end: Math.max(before, after) };
      });
    });
  }

  replace('clock_time_get', (call) => (id, precision, timeAt) => {
    if (id !== monotonic) return call(id, precision, timeAt);
    called();
    view().setBigUint64(timeAt, clock.read(), true);
    return errno.success;
  });
  // The shim waits as this does, without letting go of the thread, but by the process's clock.
  replace('poll_oneoff', (call) => (subscriptionAt, eventAt, count, countAt) => {
    const memory = view();
    const kind = count === 1 ? memory.getUint8(subscriptionAt + 8) : undefined;
    if (kind !== clockEvent || memory.getUint32(subscriptionAt + 16, true) !== monotonic) {
      return call(subscriptionAt, eventAt, count, countAt);
    }
    called();
    const userData = memory.getBigUint64(subscriptionAt, true);
    const time = memory.getBigUint64(subscriptionAt + 24, true);
    const flags = memory.getUint16(subscriptionAt + 40, true);
    const until = (flags & isMoment) !== 0 ? time : clock.read() + time;
    while (clock.read() < until) {
      // Nothing else can be done by a call that has to return with the time gone by.
    }
    memory.setBigUint64(eventAt, userData, true);
    memory.setUint16(eventAt + 8, errno.success, true);
    memory.setUint8(eventAt + 10, clockEvent);
    memory.setUint32(countAt, 1, true);
    return errno.success;
  });
  return imports;
}

interface Written {
  readonly result: unknown;
  /** Bytes of the file from `first` up to `end` may have changed. */
  readonly first: number;
  readonly end: number;
}

/** Notes what `write` says it wrote; everything, where it fails half way. */
function noted(region: FileRegion | undefined, write: () => Written): unknown {
  if (region === undefined) return write().result;
  const before = region.file.data;
  let written: Written;
  try {
    written = write();
  } catch (error) {
    region.markAll();
    throw error;
  }
  region.mark(before, written.first, written.end);
  return written.result;
}
