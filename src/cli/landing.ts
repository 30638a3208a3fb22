import { stat } from 'node:fs/promises';
import { FerryError } from '../errors.js';
import type { FileDestination } from '../guests/file-destination.js';
import { fileDestination } from '../guests/file-destination.js';
import { pathInFolder } from '../guests/file-name.js';
import { sweepPartial } from '../guests/partial-file.js';
import type { IncomingOffer } from '../migration/listen.js';

export interface LandingOptions {
  readonly out?: string;
  readonly outDir?: string;
  readonly maxImage: number;
  /** How long what arrived of an image that did not complete is kept, milliseconds; absent: not at all. */
  readonly keepMs?: number;
  /** An older image, or a folder of them under their own names. */
  readonly base?: string;
  /** Images may be longer than the disk has room for. */
  readonly sparse?: true;
}

/** Of a folder the file of that name in it. */
async function baseFor(base: string, name: string): Promise<string> {
  return (await stat(base)).isDirectory() ? pathInFolder(base, name) : base;
}

/** How long COMMIT may still take to arrive when a receiver is to end. */
const promiseMs = 3000;

/** Where images come down: makes a place for each offer and clears away what did not complete. */
export class Landing {
  readonly #options: LandingOptions;
  readonly #places = new Map<string, { readonly path: string; readonly guest: FileDestination }>();
  /** Sessions whose source was told READY and whose fate is not known yet. */
  readonly #promised = new Set<string>();
  #onKept: () => void = () => {};

  constructor(options: LandingOptions) {
    this.#options = options;
  }

  /** A place for what is offered. Throws what refuses it. */
  async make({ session, kind, regions }: IncomingOffer): Promise<FileDestination> {
    const [region, ...others] = regions;
    if (kind !== 'file' || region === undefined || others.length > 0) {
      throw new FerryError('ERR_INCOMPATIBLE', `files are received here, not a guest "${kind}"`);
    }
    const path = this.#pathFor(region.name);
    const { keepMs, base } = this.#options;
    const guest = await fileDestination(path, {
      byteLength: region.byteLength,
      // What a peer says it may grow to costs memory: our own limit bounds it.
      maxByteLength: Math.min(region.maxByteLength, this.#options.maxImage),
      name: region.name,
      keepPartial: keepMs !== undefined,
      // What an ended process left is compared before it is used: its age matters to who wants it removed.
      reuseMs: keepMs ?? Number.POSITIVE_INFINITY,
      ...(base === undefined ? {} : { base: await baseFor(base, region.name) }),
      sparse: this.#options.sparse === true,
    });
    this.#places.set(session, { path, guest });
    return guest;
  }

  pathOf(session: string): string {
    return this.#places.get(session)?.path ?? '';
  }

  /** Why what is in its place may not outlive a crash of the machine; undefined if it will. */
  unsynced(session: string): FerryError | undefined {
    return this.#places.get(session)?.guest.unsynced;
  }

  /** Tells where a session stands. */
  saw(session: string, phase: string): void {
    if (phase === 'ready' || phase === 'starting') this.#promised.add(session);
    else this.#promised.delete(session);
    if (this.#promised.size === 0) this.#onKept();
  }

  /** The session is over and reported. */
  forget(session: string): void {
    const place = this.#places.get(session);
    this.#places.delete(session);
    const { keepMs = Number.POSITIVE_INFINITY } = this.#options;
    if (place?.guest.isKept === true && keepMs !== Number.POSITIVE_INFINITY) {
      const sweep = (): void => void sweepPartial(place.path, keepMs).catch(() => {});
      setTimeout(sweep, keepMs + 1000).unref();
    }
  }

  /** Waits a moment for promises to be called in, then removes whatever is not in its place. */
  async clear(): Promise<void> {
    if (this.#promised.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, promiseMs);
        this.#onKept = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    await Promise.allSettled([...this.#places.values()].map(({ guest }) => guest.discard()));
  }

  #pathFor(name: string): string {
    const { out, outDir } = this.#options;
    if (out !== undefined) return out;
    return pathInFolder(outDir ?? '.', name);
  }
}
