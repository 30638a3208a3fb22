import { FerryError } from '../errors.js';
import type { FileDestination } from '../guests/file-destination.js';
import { fileDestination } from '../guests/file-destination.js';
import { pathInFolder } from '../guests/file-name.js';
import type { IncomingOffer } from '../migration/listen.js';

export interface LandingOptions {
  readonly out?: string;
  readonly outDir?: string;
  readonly maxImage: number;
  readonly keepPartial?: true;
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
    const guest = await fileDestination(path, {
      byteLength: region.byteLength,
      // What a peer says it may grow to costs memory: our own limit bounds it.
      maxByteLength: Math.min(region.maxByteLength, this.#options.maxImage),
      name: region.name,
      keepPartial: this.#options.keepPartial === true,
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
    this.#places.delete(session);
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
