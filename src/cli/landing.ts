import type { BundleDestination, BundleOutcome } from '../bundle/arriving-bundle.js';
import { bundleDestination } from '../bundle/bundle-destination.js';
import { bundleKind } from '../bundle/bundle-guest.js';
import type { Commands } from '../bundle/commission.js';
import type { ImageFormat } from '../bundle/image-format.js';
import { sweepStaging } from '../bundle/staging.js';
import { FerryError } from '../errors.js';
import type { FileDestination } from '../guests/file-destination.js';
import { fileDestination } from '../guests/file-destination.js';
import { pathInFolder } from '../guests/file-name.js';
import { sweepPartial } from '../guests/partial-file.js';
import type { IncomingOffer } from '../migration/listen.js';
import type { StoreDestination } from '../snapshot/store-destination.js';
import type { SnapshotInfo } from '../snapshot/types.js';
import type { Base } from './base.js';
import type { Inbox } from './inbox.js';

export interface LandingOptions extends Commands {
  readonly out?: string;
  readonly outDir?: string;
  /** Where everything becomes a snapshot. */
  readonly inbox?: Inbox;
  readonly maxImage: number;
  /** How long what arrived of an image that did not complete is kept, milliseconds; absent: not at all. */
  readonly keepMs?: number;
  readonly base?: Base;
  /** Images may be longer than the disk has room for. */
  readonly sparse?: true;
  /** Bundles take the place of others of their name. */
  readonly replace?: true;
  /** What disk images in bundles become. */
  readonly convert?: ImageFormat;
}

type Landed = FileDestination | BundleDestination | StoreDestination;

interface Place {
  readonly path: string;
  readonly guest: Landed;
}

/** How long COMMIT may still take to arrive when a receiver is to end. */
const promiseMs = 3000;

/** Where images come down: makes a place for each offer and clears away what did not complete. */
export class Landing {
  readonly #options: LandingOptions;
  readonly #places = new Map<string, Place>();
  /** Sessions whose source was told READY and whose fate is not known yet. */
  readonly #promised = new Set<string>();
  #onKept: () => void = () => {};

  constructor(options: LandingOptions) {
    this.#options = options;
  }

  /** A place for what is offered. Throws what refuses it. */
  async make(offer: IncomingOffer): Promise<Landed> {
    const { inbox } = this.#options;
    if (inbox !== undefined) {
      const guest = await inbox.take(offer, this.#options);
      this.#places.set(offer.session, { path: inbox.path, guest });
      return guest;
    }
    if (offer.kind === bundleKind) return this.#makeBundle(offer);
    const { session, kind, regions } = offer;
    const [region, ...others] = regions;
    if (kind !== 'file' || region === undefined || others.length > 0) {
      throw new FerryError(
        'ERR_INCOMPATIBLE',
        `files and bundles are received here, not a guest "${kind}"`,
      );
    }
    const path = this.#pathFor(region.name);
    const { keepMs } = this.#options;
    const base = await this.#options.base?.ofFile(region.name);
    const guest = await fileDestination(path, {
      byteLength: region.byteLength,
      // What a peer says it may grow to costs memory: our own limit bounds it.
      maxByteLength: Math.min(region.maxByteLength, this.#options.maxImage),
      name: region.name,
      keepPartial: keepMs !== undefined,
      // What an ended process left is compared before it is used: its age matters to who wants it removed.
      reuseMs: keepMs ?? Number.POSITIVE_INFINITY,
      ...(base === undefined ? {} : { base }),
      sparse: this.#options.sparse === true,
    });
    this.#places.set(session, { path, guest });
    return guest;
  }

  async #makeBundle(offer: IncomingOffer): Promise<BundleDestination> {
    const { outDir, sparse, base, ...options } = this.#options;
    if (outDir === undefined) {
      throw new FerryError(
        'ERR_INCOMPATIBLE',
        'one file is received here: --out-dir takes bundles',
      );
    }
    const guest = await bundleDestination(offer, {
      ...options,
      outDir,
      sparse: sparse === true,
      ...(base === undefined ? {} : { baseOf: base.ofBundle }),
    });
    this.#places.set(offer.session, { path: guest.place, guest });
    return guest;
  }

  /** What became of a bundle; undefined for a file. */
  outcomeOf(session: string): BundleOutcome | undefined {
    const guest = this.#places.get(session)?.guest;
    return guest !== undefined && 'outcome' in guest ? guest.outcome : undefined;
  }

  /** What was made of it; undefined where nothing is stored, or not yet. */
  snapshotOf(session: string): SnapshotInfo | undefined {
    const guest = this.#places.get(session)?.guest;
    return guest !== undefined && 'snapshot' in guest ? guest.snapshot : undefined;
  }

  pathOf(session: string): string {
    return this.#places.get(session)?.path ?? '';
  }

  /** Why what is in its place may not outlive a crash of the machine; undefined if it will. */
  unsynced(session: string): FerryError | undefined {
    const guest = this.#places.get(session)?.guest;
    return guest !== undefined && 'unsynced' in guest ? guest.unsynced : undefined;
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
      setTimeout(() => void sweep(place, keepMs).catch(() => {}), keepMs + 1000).unref();
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

/** Removes what was kept of it, unless it is in use again. */
async function sweep({ path, guest }: Place, keepMs: number): Promise<void> {
  if ('sweep' in guest) await guest.sweep?.(keepMs);
  else if ('outcome' in guest) await sweepStaging(path, keepMs);
  else await sweepPartial(path, keepMs);
}
