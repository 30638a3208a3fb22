import { asFerryError, FerryError } from '../errors.js';
import { Fence } from '../lease/fence.js';
import { EventStream } from '../migration/event-stream.js';
import type { TrustOptions } from '../migration/trust.js';
import type { Offer } from '../protocol/messages.js';
import type { ArrivingGuest } from '../snapshot/arriving-guest.js';
import { recentOf } from '../snapshot/recent.js';
import { followedGuest } from '../snapshot/store-destination.js';
import type { Store } from '../snapshot/types.js';
import type { Channel } from '../transport/index.js';
import { admitOwner } from './admit-owner.js';
import type { StoreStandbyEvent } from './events.js';
import { inRange } from './in-range.js';
import { type MemberOptions, type ResolvedMember, resolveMember } from './protect-options.js';
import type { Epoch } from './standby.js';
import { StandbyDoor } from './standby-door.js';
import type { StandbyOptions } from './standby-options.js';
import { StandbySession } from './standby-session.js';

const GiB = 2 ** 30;
const MiB = 2 ** 20;
const mostMs = 2 ** 40;
/** Older snapshots are removed so often in the time that they are kept. */
const prunes = 10;

export interface StoreStandbyOptions
  extends TrustOptions,
    Pick<MemberOptions, 'name' | 'member' | 'lease' | 'maxEpochBytes'>,
    Pick<StandbyOptions, 'host' | 'port' | 'tokens' | 'maxImageBytes' | 'maxStateBytes'> {
  /** Gets snapshots called `name`. The caller's to close. */
  readonly store: Store;
  /** Where the copy is, in plain. Default: `arriving` in the store; an encrypted one has none. */
  readonly stage?: string;
  /** How far back there is a snapshot for each moment, milliseconds, from 1 on. Older ones of that name are removed. */
  readonly keepMs: number;
  /** From one snapshot of a guest that writes to the next, milliseconds, from 1 on. Default 10,000. */
  readonly everyMs?: number;
}

/** The copy that is followed, as of its last whole epoch. */
interface Copy {
  readonly session: StandbySession;
  readonly guest: ArrivingGuest;
  epoch: Epoch;
}

/** Made by `storeStandby`. */
export class StoreStandby implements AsyncIterable<StoreStandbyEvent>, AsyncDisposable {
  readonly #options: StoreStandbyOptions;
  readonly #resolved: ResolvedMember;
  readonly #fence: Fence;
  readonly #everyMs: number;
  readonly #events = new EventStream<StoreStandbyEvent>();
  #door: StandbyDoor | undefined;
  /** The one that is led. */
  #session: StandbySession | undefined;
  #copy: Copy | undefined;
  /** The last snapshot. */
  #last: { readonly copy: Copy; readonly epoch: Epoch; readonly snapshot: number } | undefined;
  /** One snapshot, or prune, at a time. */
  #storing: Promise<void> = Promise.resolve();
  #isStoring = false;
  #storedAt = Number.NEGATIVE_INFINITY;
  #prunedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  private constructor(options: StoreStandbyOptions, resolved: ResolvedMember, fence: Fence) {
    this.#options = options;
    this.#resolved = resolved;
    this.#fence = fence;
    inRange('keepMs', options.keepMs, 1, mostMs);
    this.#everyMs = inRange('everyMs', options.everyMs ?? 10_000, 1, mostMs);
  }

  static async open(options: StoreStandbyOptions): Promise<StoreStandby> {
    const resolved = resolveMember(options);
    const fence = await Fence.open(options.tokens);
    const made = new StoreStandby(options, resolved, fence);
    if (options.store.encrypted && options.stage === undefined) {
      throw new FerryError('ERR_UNSUPPORTED', 'an encrypted store needs a stage outside of it');
    }
    const { host = '127.0.0.1', port = 0 } = options;
    made.#door = await StandbyDoor.open(host, port, resolved.trust, (channel) =>
      made.#greet(channel),
    );
    return made;
  }

  get host(): string {
    return this.#door?.host ?? '';
  }

  get port(): number {
    return this.#door?.port ?? 0;
  }

  /** What it has whole is stored first. Idempotent. */
  async close(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    await this.#door?.close();
    await this.#letGo(this.#session);
    this.#events.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<StoreStandbyEvent> {
    return this.#events;
  }

  #greet(channel: Channel): void {
    if (this.#isOver) {
      channel.destroy();
      return;
    }
    const { maxImageBytes = GiB, maxStateBytes = MiB } = this.#options;
    const { name, member, maxEpochBytes } = this.#resolved;
    let guest: ArrivingGuest | undefined;
    const session: StandbySession = new StandbySession(channel, {
      ...{ name, member, maxImageBytes, maxStateBytes, maxEpochBytes },
      ...{ promiseMs: 0, mayClaim: false },
      accept: async (offer) => {
        guest = await this.#accept(session, offer);
        return guest;
      },
      admit: (token) => admitOwner(this.#resolved, this.#fence, token),
      arrived: (epoch) => this.#arrived(session, guest, epoch),
      lost: (lost, error) => {
        if (lost !== this.#session) return;
        this.#failed('lost', error);
        void this.#storeNow();
      },
    });
  }

  /** Another primary, or the same one again: what there is of the one before is stored, and goes. */
  async #accept(session: StandbySession, offer: Offer): Promise<ArrivingGuest> {
    const before = this.#session;
    this.#session = session;
    await this.#letGo(before);
    const { store, stage, maxImageBytes = GiB, maxStateBytes = MiB } = this.#options;
    const { name } = this.#resolved;
    const limits = { maxImage: maxImageBytes, maxStateBytes };
    const place = stage === undefined ? {} : { stage };
    return followedGuest(store, offer.identity, { name, ...limits, ...place });
  }

  async #letGo(session: StandbySession | undefined): Promise<void> {
    await session?.end();
    await this.#storeNow();
    await session?.discard();
    if (this.#copy?.session === session) this.#copy = undefined;
  }

  #arrived(session: StandbySession, guest: ArrivingGuest | undefined, epoch: Epoch): boolean {
    if (session !== this.#session || guest === undefined) return false;
    if (this.#copy?.session === session) {
      this.#copy.epoch = epoch;
    } else {
      this.#copy = { session, guest, epoch };
      this.#events.push({ type: 'following', epoch: epoch.number, token: epoch.token });
    }
    this.#schedule();
    return true;
  }

  get #isBehind(): boolean {
    const copy = this.#copy;
    return copy?.session.isWhole === true && this.#last?.epoch !== copy.epoch;
  }

  #schedule(): void {
    if (this.#isOver || this.#isStoring || this.#timer !== undefined) return;
    const leftMs = this.#storedAt + this.#everyMs - performance.now();
    this.#timer = setTimeout(() => void this.#storeNow(), Math.max(0, leftMs));
  }

  /** Resolves when what is here whole is stored, or could not be. */
  #storeNow(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#storing = this.#storing.then(async () => {
      if (this.#copy === undefined || !this.#isBehind) return;
      this.#isStoring = true;
      await this.#store(this.#copy);
      await this.#prune();
      this.#isStoring = false;
      if (this.#isBehind) this.#schedule();
    });
    return this.#storing;
  }

  async #store(copy: Copy): Promise<void> {
    this.#storedAt = performance.now();
    const { session, guest } = copy;
    const last = this.#last;
    // Where this one fails nobody knows what of the copy is stored.
    this.#last = undefined;
    let letGo = (): void => {};
    let { epoch } = copy;
    const metadata = { epoch: 0, token: '' };
    try {
      // As the store has it now: a prune may have moved its pages.
      const from =
        last?.copy === copy
          ? { from: await this.#options.store.find(`${last.snapshot}`) }
          : undefined;
      const { snapshot, pages, pauseMs } = await guest.checkpoint(
        {
          pause: async () => {
            letGo = await session.hold();
            if (!session.isWhole) throw new FerryError('ERR_ABORTED', 'an epoch was left half');
            ({ epoch } = copy);
            metadata.epoch = epoch.number;
            metadata.token = `${epoch.token}`;
          },
          resume: async () => letGo(),
          saveState: async () => session.state,
        },
        { ...from, metadata },
      );
      this.#last = { copy, epoch, snapshot: snapshot.counter };
      const { number, token } = epoch;
      const stored = { snapshot: snapshot.counter, epoch: number, token, pages, pauseMs };
      this.#events.push({ type: 'stored', ...stored });
    } catch (error) {
      this.#failed('unstored', error);
    }
  }

  async #prune(): Promise<void> {
    const { store, keepMs } = this.#options;
    const now = performance.now();
    if (now - this.#prunedAt < keepMs / prunes) return;
    this.#prunedAt = now;
    const since = Date.now() - keepMs;
    try {
      const { removedSnapshots: snapshots } = await store.prune({
        keep: (all) => recentOf(all, this.#resolved.name, since),
      });
      if (snapshots.length > 0) this.#events.push({ type: 'pruned', snapshots });
    } catch (error) {
      this.#failed('unpruned', error);
    }
  }

  #failed(type: 'lost' | 'unstored' | 'unpruned', error: unknown): void {
    const { code, message } = asFerryError(error, 'ERR_IO');
    this.#events.push({ type, code, message });
  }
}

/**
 * Follows whoever owns a guest, and makes snapshots of whole epochs. It never claims, and nobody waits for it. As `standby` where it cannot listen; ERR_UNSUPPORTED for an encrypted store without
 * a `stage`.
 */
export function storeStandby(options: StoreStandbyOptions): Promise<StoreStandby> {
  return StoreStandby.open(options);
}
