import { FerryError } from '../../errors.js';
import type { DirtyBitmap } from '../../memory/bitmap.js';
import type { Region } from '../../memory/region.js';
import type { DirtyTracker } from '../../memory/tracker.js';
import type { GlueState, OfferedGlueRegion } from '../wasm/glue.js';
import { GuestClock, type MonotonicNow, processNow } from './clock.js';
import { FileRegion } from './file-region.js';
import { FileTable, type Numbered } from './file-table.js';
import { type ImageDeps, imageOf, putImage } from './image.js';
import { followedImports } from './imports.js';
import type { ShimFile, ShimOpenFile, ShimPreopen, WasiCall, WasiHost, WasiShim } from './shim.js';
import { decodeWasiState, encodeWasiState } from './state.js';
import { type Survey, survey } from './survey.js';

export interface WasiGlueOptions {
  /** The shim's `WASI`, with the descriptors that the program begins with. */
  readonly wasi: WasiHost;
  /** The shim itself: `import * as shim from '@bjorn3/browser_wasi_shim'`. */
  readonly shim: WasiShim;
  /**
   * Descriptors that stay with the host, which has one of each name at both ends: what a program wrote to stdout stays where it was written. A
   * `ConsoleStdout` that is not named here has its number for a name.
   */
  readonly host?: Readonly<Record<string, object>>;
  /** The clock of this process that the program's monotonic clock goes by, nanoseconds. Default: `performance.now()`. */
  readonly now?: MonotonicNow;
}

/** Descriptors, files and clock of a program that `@bjorn3/browser_wasi_shim` runs, as glue for `wasmGuest`. */
export interface WasiGlue extends Required<Omit<GlueState, 'grow' | 'hostFunctions'>> {
  /** What the program imports as `wasi_snapshot_preview1`: the shim's functions, followed. */
  readonly imports: Record<string, WasiCall>;
  /** To be called after the host itself wrote into the data of a file. Data that it replaced are noticed. */
  wrote(file: ShimFile): void;
}

/** To be made before the program starts, so that both ends number alike what both begin with. */
export function wasiGlue(options: WasiGlueOptions): WasiGlue {
  return new FollowedWasi(options);
}

class FollowedWasi implements WasiGlue {
  readonly imports: Record<string, WasiCall>;
  readonly tracker: DirtyTracker;
  readonly #deps: ImageDeps;
  readonly #hostNames = new Map<object, string>();
  readonly #table: FileTable;
  readonly #clock: GuestClock;

  constructor({ wasi, shim, host = {}, now = processNow }: WasiGlueOptions) {
    const hostNames = this.#hostNames;
    for (const [name, object] of Object.entries(host)) hostNames.set(object, name);
    wasi.fds.forEach((object, descriptor) => {
      if (object?.constructor === shim.ConsoleStdout && !hostNames.has(object)) {
        hostNames.set(object, String(descriptor));
      }
    });
    const byName = new Map([...hostNames].map(([object, name]) => [name, object] as const));
    if (byName.size !== hostNames.size) {
      throw new TypeError('two descriptors of the host have one name');
    }
    const table = new FileTable(() => new shim.File(new Uint8Array()));
    this.#table = table;
    this.#deps = { wasi, shim, table, host: byName, preopens: new Map<string, ShimPreopen>() };
    this.#clock = new GuestClock(now);
    this.tracker = {
      exact: true,
      start: () => this.#start(),
      take: takeMarks,
      stop: () => table.unfollow(),
    };
    this.imports = followedImports({
      wasi,
      clock: this.#clock,
      openFile: (descriptor) => openFileOf(wasi.fds[descriptor], shim),
      regionOf: (file) => table.regionOf(file),
      called: () => table.settle(),
    });
    this.#numbered(this.#look());
  }

  #look(): Survey {
    return survey(this.#deps.wasi, this.#deps.shim, this.#hostNames);
  }

  #numbered(found: Survey): Numbered {
    for (const it of found.opened) {
      if (it.kind === 'preopen') this.#deps.preopens.set(it.object.prestat_name, it.object);
    }
    return this.#table.number(found);
  }

  #start(): void {
    this.#table.settle();
    for (const region of this.#numbered(this.#look()).files.values()) region.clearMarks();
    this.#table.follow();
  }

  identity(): string {
    return `wasi ${JSON.stringify([...this.#deps.host.keys()].sort())}`;
  }

  check(): readonly string[] {
    return this.#look().problems;
  }

  regions(): readonly Region[] {
    const { arriving } = this.#table;
    return [...(arriving ?? this.#numbered(this.#look()).files).values()];
  }

  wrote(file: ShimFile): void {
    this.#table.regionOf(file)?.markAll();
  }

  save(): Uint8Array {
    const found = this.#look();
    if (found.problems.length > 0) {
      throw new FerryError('ERR_UNSUPPORTED', `this cannot travel: ${found.problems.join('; ')}`);
    }
    this.#numbered(found);
    return encodeWasiState(imageOf(this.#deps, found, this.#clock.read()));
  }

  load(bytes: Uint8Array): void {
    const state = decodeWasiState(bytes);
    putImage(this.#deps, this.#numbered(this.#look()), state);
    this.#clock.set(state.clock);
  }

  adopt(offered: readonly OfferedGlueRegion[]): void {
    this.#table.adopt(this.#numbered(this.#look()).files, offered);
  }

  reshape(id: number, name: string, byteLength: number): void {
    this.#table.reshape(id, name, byteLength);
  }
}

function takeMarks(region: Region, into: DirtyBitmap): void {
  if (region instanceof FileRegion) region.takeMarks(into);
  else into.setRange(0, into.bits);
}

function openFileOf(object: object | undefined, shim: WasiShim): ShimOpenFile | undefined {
  return object instanceof shim.OpenFile ? object : undefined;
}
