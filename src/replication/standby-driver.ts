import { asFerryError, FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { Fence, type TokenStore } from '../lease/fence.js';
import { renewed } from '../lease/holding.js';
import { doorLimits } from '../migration/door-limits.js';
import { EventStream } from '../migration/event-stream.js';
import { checkPlace, credentialsOf } from '../migration/trust.js';
import { helloAreaBytes } from '../protocol/limits.js';
import type { Offer } from '../protocol/messages.js';
import {
  type Channel,
  Doorkeeper,
  listenTcp,
  listenTls,
  type TcpListener,
} from '../transport/index.js';
import type { StandbyEvent } from './events.js';
import { Primary } from './primary-driver.js';
import { claim, newClaim } from './protect.js';
import {
  inRange,
  type MemberOptions,
  type ResolvedMember,
  resolveMember,
} from './protect-options.js';
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
import { StandbySession, type StandbySessionDeps } from './standby-session.js';

const GiB = 2 ** 30;
const MiB = 2 ** 20;
/** The engine is asked at least so often in a lease's time. */
const looks = 8;
const mostConnections = 4;

export interface StandbyOptions extends MemberOptions {
  /** Makes an empty guest for what a primary offers, paused; what it throws refuses it. */
  readonly accept: (offer: Offer) => Guest | Promise<Guest>;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 (default): any free port. */
  readonly port?: number;
  /** How long each acknowledgement promises not to claim, milliseconds, 0 to 600,000: so long the primary goes on without the engine. Default 0. */
  readonly promiseMs?: number;
  /** Who claims first where several may: each rank waits so many milliseconds after it could, 0 to 600,000. Default 0. */
  readonly rankMs?: number;
  /** Where the highest token seen is kept when the process ends. Default: nowhere. */
  readonly tokens?: TokenStore;
  /** Sum of all regions' sizes that is taken. Default 1 GiB. */
  readonly maxImageBytes?: number;
  /** Default 1 MiB. */
  readonly maxStateBytes?: number;
}

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
  #server: TcpListener | undefined;
  #door: Doorkeeper | undefined;
  /** The one that is led. */
  #session: StandbySession | undefined;
  #isOver = false;
  /** Epochs that arrived while it claimed. */
  readonly #held: { readonly epoch: Epoch; readonly isFirst: boolean }[] = [];
  #looking: Promise<void> | undefined;
  #mayAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #unwatch: () => void = () => {};

  private constructor(options: StandbyOptions, resolved: ResolvedMember, fence: Fence) {
    this.#options = options;
    this.#resolved = resolved;
    this.#fence = fence;
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
    const resolved = resolveMember(options);
    inRange('promiseMs', options.promiseMs ?? 0, 0, 600_000);
    inRange('rankMs', options.rankMs ?? 0, 0, 600_000);
    const fence = await Fence.open(options.tokens ?? forgetful());
    const standby = new Standby(options, resolved, fence);
    await standby.#listen();
    return standby;
  }

  get host(): string {
    return this.#server?.host ?? '';
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** What it has whole. */
  get copy(): { readonly token: bigint; readonly epoch: number } | undefined {
    return this.#state.copy;
  }

  /** Follows nobody any more, and never claims. Idempotent. */
  async close(): Promise<void> {
    await this.#stop();
    await this.#session?.discard();
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
    const credentials = credentialsOf(trust);
    await checkPlace(host, credentials, trust.insecure ?? false);
    this.#door = new Doorkeeper(doorLimits(mostConnections, 1));
    const entrance = {
      ...{ host, port, door: this.#door, areaBytes: helloAreaBytes },
      onChannel: (channel: Channel) => this.#greet(channel),
      onRefused: () => {},
    };
    this.#server = await (credentials === undefined
      ? listenTcp(entrance)
      : listenTls({ ...entrance, credentials }));
    this.#unwatch = lease.watch(name, () => this.#look());
    this.#again();
  }

  #greet(channel: Channel): void {
    if (this.#isOver || this.#state.isClaiming) {
      channel.destroy();
      return;
    }
    const { accept, promiseMs = 0, maxImageBytes = GiB, maxStateBytes = MiB } = this.#options;
    const { name, member, maxEpochBytes } = this.#resolved;
    const deps: StandbySessionDeps = {
      ...{ name, member, promiseMs, maxImageBytes, maxStateBytes, maxEpochBytes },
      accept: async (offer) => {
        await this.#checkSpare();
        await this.#takePlace(session);
        return accept(offer);
      },
      admit: (token) => this.#admit(token),
      arrived: (epoch, isFirst) => this.#arrived(epoch, isFirst),
      lost: (lost, error) => this.#lost(lost, error),
    };
    const session: StandbySession = new StandbySession(channel, deps);
  }

  /** Only who owns the guest leads: a token that nobody has would shut out who has. */
  async #admit(token: bigint): Promise<void> {
    const { lease, name } = this.#resolved;
    const { record } = await lease.read(name);
    if (record === undefined || token > record.generation) {
      throw new FerryError('ERR_FENCED', `nobody owns generation ${token}`);
    }
    await this.#fence.admit(record.generation);
    await this.#fence.admit(token);
  }

  /** ERR_BUSY while it may have to go on with the copy that is here: its primary drops it first. */
  async #checkSpare(): Promise<void> {
    if (this.#state.copy === undefined) return;
    const { lease, name, member } = this.#resolved;
    const { record } = await lease.read(name);
    if (record?.inSync.includes(member) !== true) return;
    throw new FerryError('ERR_BUSY', `${member} is in sync with what is here`);
  }

  /** Another primary, or the same one again, is followed from here on: what there was of the one before is gone. */
  async #takePlace(session: StandbySession): Promise<void> {
    const before = this.#session;
    if (before === session) return;
    this.#session = session;
    this.#held.length = 0;
    // Whatever it was in sync with, it has nothing whole until this one's first epoch.
    this.#state = { ...this.#state, copy: undefined };
    await before?.discard();
  }

  #arrived(epoch: Epoch, isFirst: boolean): boolean {
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
      this.#events.push({ type: 'following', epoch: epoch.number, token: epoch.token });
      return true;
    }
    const reception = receive(this.#state, epoch, now, promiseMs);
    if (reception.type !== 'acknowledged') return false;
    this.#state = reception.state;
    return true;
  }

  #lost(session: StandbySession, { code, message }: FerryError): void {
    if (session !== this.#session) return;
    this.#events.push({ type: 'lost', code, message });
    this.#look();
  }

  /** Asks the engine soon, whatever happens. */
  #again(ms: number = this.#resolved.lease.ttlMs / looks): void {
    clearTimeout(this.#timer);
    if (!this.#isOver) this.#timer = setTimeout(() => this.#look(), Math.max(1, ms));
  }

  #look(): void {
    if (this.#isOver || this.#state.isClaiming) return;
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
  }

  async #lookOnce(): Promise<void> {
    const { lease, name } = this.#resolved;
    try {
      const view = await lease.read(name);
      const now = performance.now();
      if (this.#isOver || !mayClaim(this.#state, view, now)) {
        this.#mayAt = undefined;
        return;
      }
      const { rankMs = 0 } = this.#options;
      this.#mayAt ??= now;
      if (now < this.#mayAt + rankMs) {
        this.#again(this.#mayAt + rankMs - now);
        return;
      }
      await this.#claim(view);
    } catch {
      // Without an answer nobody knows whether the owner is alive.
    } finally {
      if (!this.#isOver) this.#again();
    }
  }

  async #claim(view: Parameters<typeof takeover>[1]): Promise<void> {
    const taking = takeover(this.#state, view, newClaim());
    this.#state = taking.state;
    this.#events.push({ type: 'claiming' });
    const rehearsed = this.#session?.rehearse().catch(() => {
      // If it cannot be loaded that is told when it has to be.
    });
    const won = await claim(this.#resolved, taking.swap);
    await rehearsed;
    if (won === undefined) {
      this.#state = outrun(this.#state);
      this.#events.push({ type: 'outrun' });
      // What came meanwhile is as if it came now.
      const held = this.#held.splice(0);
      const known = held.filter(({ epoch, isFirst }) => this.#arrived(epoch, isFirst));
      const last = known.at(-1);
      if (last !== undefined) this.#session?.acknowledge(last.epoch);
      return;
    }
    const { lease } = this.#resolved;
    const { record } = taking.swap;
    const holding = renewed({ token: record.generation, until: 0 }, won.askedAt, lease.ttlMs);
    try {
      await this.#start({ record, revision: won.state.revision, holding });
    } catch (error) {
      // It owns what it cannot run: another one that is in sync can.
      const { code, message } = asFerryError(error, 'ERR_START_FAILED');
      this.#events.push({ type: 'failed', code, message });
      this.#events.end();
      this.#refuse(error);
      await lease.resign(this.#resolved.name, record.generation).catch(() => {});
    }
  }

  /** The guest is this member's: what was acknowledged is applied, and it runs. */
  async #start(ownership: Omit<ConstructorParameters<typeof Primary>[2], 'epoch'>): Promise<void> {
    const session = this.#session;
    const copy = this.#state.copy;
    await this.#stop();
    await session?.end();
    await this.#fence.admit(ownership.record.generation);
    const guest = await session?.promote();
    if (guest === undefined || copy === undefined) throw new RangeError('there is no copy');
    const epoch = this.#state.copy?.epoch ?? copy.epoch;
    this.#events.push({ type: 'promoted', token: ownership.record.generation, epoch });
    this.#events.end();
    this.#promote(new Primary(guest, this.#resolved, { ...ownership, epoch }));
  }

  async #stop(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#unwatch();
    await this.#server?.close();
    this.#door?.close(new FerryError('ERR_ABORTED', 'the standby was closed'));
  }
}

/** Listens for the owner of a guest, follows it, and takes over when nobody owns it any more. ERR_IO if it cannot listen there; RangeError and TypeError for options. */
export function standby(options: StandbyOptions): Promise<Standby> {
  return Standby.open(options);
}

function forgetful(): TokenStore {
  return { load: async () => 0n, save: async () => {} };
}
