import { asFerryError, FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { Fence } from '../lease/fence.js';
import { renewed } from '../lease/holding.js';
import { claim, newClaim } from '../lease/settle.js';
import type { LeaseView } from '../lease/swap.js';
import { EventStream } from '../migration/event-stream.js';
import type { Channel } from '../transport/index.js';
import { admitOwner } from './admit-owner.js';
import { type Decision, decided } from './decision.js';
import type { StandbyEvent } from './events.js';
import { Lookout } from './lookout.js';
import { type Ownership, Primary } from './primary-driver.js';
import type { ResolvedMember } from './protect-options.js';
import {
  begun,
  type Epoch,
  joined,
  mayClaim,
  outrun,
  receive,
  type StandbyState,
  takeover,
} from './standby.js';
import { StandbyDoor } from './standby-door.js';
import { resolveStandby, type StandbyOptions } from './standby-options.js';
import { StandbySession, type StandbySessionDeps } from './standby-session.js';
import type { Suspicion } from './suspicion.js';

const GiB = 2 ** 30;
const MiB = 2 ** 20;
const usualScrubMs = 600_000;
const usualSpillBytes = 16 * GiB;

/** Follows whoever owns the guest, and takes over when nobody does any more. Made by `standby`. */
export class Standby implements AsyncIterable<StandbyEvent>, AsyncDisposable {
  /** The guest runs here. Rejects where it was claimed, and cannot run; never settles where this was closed before. */
  readonly promoted: Promise<Primary>;
  readonly #options: StandbyOptions;
  readonly #resolved: ResolvedMember;
  readonly #fence: Fence;
  readonly #events = new EventStream<StandbyEvent>();
  #promote: (primary: Primary) => void = () => {};
  #refuse: (error: unknown) => void = () => {};
  #state: StandbyState;
  #door: StandbyDoor | undefined;
  /** See `StandbyOptions.older`; undefined once somebody led. */
  #older: Guest | undefined;
  /** The one that is led. */
  #session: StandbySession | undefined;
  #isOver = false;
  /** Epochs that arrived while it claimed. */
  readonly #held: { readonly epoch: Epoch; readonly isFirst: boolean }[] = [];
  #lookout: Lookout | undefined;
  #arrivedAt = 0;
  #mayAt: number | undefined;

  private constructor(options: StandbyOptions, resolved: ResolvedMember, fence: Fence) {
    this.#options = options;
    this.#resolved = resolved;
    this.#fence = fence;
    this.#older = options.older;
    this.#state = begun(resolved.member, fence.highest);
    this.promoted = new Promise((resolve, reject) => {
      this.#promote = resolve;
      this.#refuse = reject;
    });
    this.promoted.catch(() => {
      // Told as `failed` too.
    });
  }

  /** See `standby`. */
  static async open(options: StandbyOptions): Promise<Standby> {
    const resolved = resolveStandby(options);
    await options.older?.pause();
    await options.older?.release?.();
    const fence = await Fence.open(options.tokens);
    const standby = new Standby(options, resolved, fence);
    await standby.#listen();
    return standby;
  }

  get host(): string {
    return this.#door?.host ?? '';
  }

  get port(): number {
    return this.#door?.port ?? 0;
  }

  /** What it has whole. */
  get copy(): { readonly token: bigint; readonly epoch: number } | undefined {
    return this.#state.copy;
  }

  /** Why the owner is suspected to be dead, oldest reason first. Only the engine decides whether it is. */
  get suspicions(): readonly Suspicion[] {
    return this.#lookout?.suspicions.reasons ?? [];
  }

  /** Follows nobody any more, and never claims. Idempotent. */
  async close(): Promise<void> {
    await this.#stop();
    await this.#session?.discard();
    await this.#older?.discard?.();
    this.#older = undefined;
    this.#events.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<StandbyEvent> {
    return this.#events;
  }

  async #listen(): Promise<void> {
    const { host = '127.0.0.1', port = 0 } = this.#options;
    const { trust, lease, name } = this.#resolved;
    this.#door = await StandbyDoor.open(host, port, trust, (channel) => this.#greet(channel));
    const { heartbeats = [] } = this.#options;
    this.#lookout = new Lookout({
      ...{ lease, name, heartbeats },
      tell: (event) => this.#events.push(event),
      seen: (view) => this.#seen(view),
    });
  }

  #greet(channel: Channel): void {
    if (this.#isOver || this.#state.isClaiming) {
      channel.destroy();
      return;
    }
    const { accept, promiseMs = 0, maxImageBytes = GiB, maxStateBytes = MiB } = this.#options;
    const { scrubMs = usualScrubMs, spillFolder: folder } = this.#options;
    const { maxSpillBytes: maxBytes = usualSpillBytes } = this.#options;
    const { name, member, maxEpochBytes } = this.#resolved;
    const deps: StandbySessionDeps = {
      ...{ name, member, promiseMs, mayClaim: true, maxImageBytes, maxStateBytes, maxEpochBytes },
      older: async () => {
        await this.#checkSpare();
        return this.#takePlace(session);
      },
      accept,
      admit: (token) => admitOwner(this.#resolved, this.#fence, token),
      arrived: (epoch, isFirst) => this.#arrived(epoch, isFirst),
      scrubMs,
      spill: folder === undefined ? undefined : { folder, maxBytes },
      damaged: (pages) => this.#damaged(session, pages),
      lost: (lost, error) => this.#lost(lost, error),
    };
    const session: StandbySession = new StandbySession(channel, deps);
  }

  /** ERR_BUSY while it may have to go on with the copy that is here: its primary drops it first. */
  async #checkSpare(): Promise<void> {
    if (this.#state.copy === undefined) return;
    const { lease, name, member } = this.#resolved;
    const { record } = await lease.read(name);
    if (record?.inSync.includes(member) !== true) return;
    throw new FerryError('ERR_BUSY', `${member} is in sync with what is here`);
  }

  /** Another primary, or the same one again, is followed from here on. Gives what there is of the one before: it is compared with what that one has. */
  async #takePlace(session: StandbySession): Promise<Guest | undefined> {
    const before = this.#session;
    const older = this.#older;
    this.#session = session;
    this.#older = undefined;
    this.#held.length = 0;
    // Whatever it was in sync with, it has nothing whole until this one's first epoch.
    this.#state = { ...this.#state, copy: undefined };
    return before === undefined ? older : before.cede();
  }

  #arrived(epoch: Epoch, isFirst: boolean): boolean {
    this.#arrivedAt = performance.now();
    if (this.#state.isClaiming) {
      this.#held.push({ epoch, isFirst });
      return false;
    }
    const { promiseMs = 0 } = this.#options;
    const now = performance.now();
    if (isFirst) {
      const state = joined(this.#state, epoch, now, promiseMs);
      if (state === undefined) return false;
      this.#state = state;
      this.#lookout?.suspicions.heard('connection');
      this.#events.push({ type: 'following', epoch: epoch.number, token: epoch.token });
      return true;
    }
    const reception = receive(this.#state, epoch, now, promiseMs);
    if (reception.type !== 'acknowledged') return false;
    this.#state = reception.state;
    return true;
  }

  /** Nobody goes on with that: its primary drops it, and sends what differs. */
  #damaged(session: StandbySession, pages: number): void {
    if (session !== this.#session) return;
    this.#state = { ...this.#state, copy: undefined };
    this.#events.push({ type: 'damaged', pages });
  }

  #lost(session: StandbySession, { code, message }: FerryError): void {
    if (session !== this.#session) return;
    this.#events.push({ type: 'lost', code, message });
    this.#lookout?.suspicions.lost('connection', message);
    this.#lookout?.look();
  }

  /** What the engine says now. When it is to be asked next, if soon. */
  async #seen(view: LeaseView): Promise<number | undefined> {
    const now = performance.now();
    if (this.#isOver || !mayClaim(this.#state, view, now)) {
      this.#mayAt = undefined;
      return undefined;
    }
    const { rankMs = 0 } = this.#options;
    this.#mayAt ??= now;
    if (now < this.#mayAt + rankMs) return this.#mayAt + rankMs - now;
    await this.#inTurn(view);
    return undefined;
  }

  /** Takes over when it is its turn among others of this process, if it still may, and shall. */
  async #inTurn(seen: LeaseView): Promise<void> {
    const { queue, priority = 0 } = this.#options;
    const done = await queue?.take(priority);
    try {
      const { lease, name } = this.#resolved;
      const view = done === undefined ? seen : await lease.read(name);
      if (this.#isOver || !mayClaim(this.#state, view, performance.now())) return;
      const decision = await this.#decide(view);
      if (decision === 'promote') await this.#claim(view);
      else if (typeof decision === 'object') await this.#claim(view, decision.restored);
    } finally {
      done?.();
    }
  }

  async #decide({ record }: LeaseView): Promise<Decision> {
    const { decide } = this.#options;
    const { copy } = this.#state;
    if (decide === undefined || copy === undefined || record === undefined) return 'promote';
    const { name, member } = this.#resolved;
    const { decision, message } = await decided(decide, {
      ...{ name, member, record, ...copy, reasons: this.suspicions },
      ageMs: performance.now() - this.#arrivedAt,
    });
    if (message !== undefined) this.#events.push({ type: 'undecided', message });
    return this.#isOver ? 'wait' : decision;
  }

  /** `restored`: what runs then, instead of the copy. */
  async #claim(view: LeaseView, restored?: Guest): Promise<void> {
    const taking = takeover(this.#state, view, newClaim(), restored !== undefined);
    this.#state = taking.state;
    this.#events.push({ type: 'claiming' });
    const rehearsed = this.#session?.rehearse().catch(() => {
      // If it cannot be loaded that is told when it has to be.
    });
    const { lease, name } = this.#resolved;
    const { state, askedAt } = await claim(lease, name, taking.swap);
    await rehearsed;
    if (state.phase === 'lost') {
      this.#state = outrun(this.#state);
      this.#events.push({ type: 'outrun' });
      // What came meanwhile is as if it came now.
      const held = this.#held.splice(0);
      const known = held.filter(({ epoch, isFirst }) => this.#arrived(epoch, isFirst));
      const last = known.at(-1);
      if (last !== undefined) this.#session?.acknowledge(last.epoch);
      return;
    }
    const { record } = taking.swap;
    const holding = renewed({ token: record.generation, until: 0 }, askedAt, lease.ttlMs);
    try {
      await this.#start({ record, revision: state.revision, holding }, restored);
    } catch (error) {
      // It owns what it cannot run: another one that is in sync can.
      const { code, message } = asFerryError(error, 'ERR_START_FAILED');
      this.#events.push({ type: 'failed', code, message });
      this.#events.end();
      this.#refuse(error);
      await lease.resign(name, record.generation).catch(() => {});
    }
  }

  /** The guest is this member's: what was acknowledged is applied, and it runs. */
  async #start(ownership: Omit<Ownership, 'epoch'>, restored?: Guest): Promise<void> {
    const session = this.#session;
    const copy = this.#state.copy;
    await this.#stop();
    await session?.end();
    await this.#fence.admit(ownership.record.generation);
    if (restored !== undefined) await session?.discard();
    const guest = restored ?? (await session?.promote());
    if (guest === undefined || copy === undefined) throw new RangeError('there is no copy');
    const epoch = this.#state.copy?.epoch ?? copy.epoch;
    this.#events.push({ type: 'promoted', token: ownership.record.generation, epoch });
    this.#events.end();
    this.#promote(new Primary(guest, this.#resolved, { ...ownership, epoch }));
  }

  async #stop(): Promise<void> {
    this.#isOver = true;
    this.#lookout?.stop();
    await this.#door?.close();
  }
}

/** Listens for the owner of a guest, follows it, and takes over when nobody owns it any more. ERR_IO if it cannot listen there; RangeError and TypeError for options. */
export function standby(options: StandbyOptions): Promise<Standby> {
  return Standby.open(options);
}
