import { FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { Channel } from '../transport/channel.js';
import type { PrimaryEvent } from './events.js';
import { FollowerSession } from './follower-session.js';
import type { ResolvedMember } from './protect-options.js';
import type { SharedTracker } from './shared-tracker.js';

/** A standby that is connected. */
export interface Connected {
  readonly session: FollowerSession;
  /** Epochs that it has not acknowledged: when each was cut, and when all of it had left here. */
  readonly unanswered: Map<number, { readonly cutAt: number; readonly leftAt: number }>;
  /** The last epoch it acknowledged; 0: none. */
  acknowledged: number;
}

/** Epochs that one who only keeps them has at most on their way. */
const mostKept = 2;

/** It got no epoch yet: the next one makes its copy whole. */
export function hasNothing({ acknowledged, unanswered }: Connected): boolean {
  return acknowledged + unanswered.size === 0;
}

/** It was not sent `epoch`, the last one. */
export function lacks({ acknowledged, unanswered }: Connected, epoch: number): boolean {
  return Math.max(acknowledged, ...unanswered.keys()) < epoch;
}

export interface FollowersDeps {
  readonly guest: Guest;
  readonly tracker: SharedTracker;
  readonly options: ResolvedMember;
  readonly token: bigint;
  /** The guest was copied to it: the next epoch makes its copy whole. */
  readonly ready: (follower: Connected) => void;
  /** One that may take over has epoch `number`, which left here at `leftAt`. */
  readonly acknowledged: (follower: Connected, number: number, leftAt: number) => void;
  readonly lost: (follower: Connected, error: FerryError) => void;
  readonly tell: (event: PrimaryEvent) => void;
}

/** The standbys that are connected and have the guest, or are about to. */
export class Followers {
  readonly #deps: FollowersDeps;
  readonly #connected = new Set<Connected>();
  /** Being greeted, or copied to. */
  readonly #arriving = new Set<FollowerSession>();

  constructor(deps: FollowersDeps) {
    this.#deps = deps;
  }

  /** Those that get epochs. */
  get all(): readonly Connected[] {
    return [...this.#connected];
  }

  /** Those of them that may take over, or are about to: outputs wait for them. */
  get heirs(): readonly Connected[] {
    return this.all.filter(({ session }) => session.mayClaim);
  }

  /** Those that get the next epoch. Who only keeps them, and is slower than they come, gets with a later one what it brings. */
  get due(): readonly Connected[] {
    return this.all.filter(
      ({ session, unanswered }) => session.mayClaim || unanswered.size < mostKept,
    );
  }

  /** Whether somebody is there of whom nobody knows yet who it is. */
  get isGreeting(): boolean {
    return [...this.#arriving].some(({ member }) => member === '');
  }

  find(member: string): Connected | undefined {
    return this.all.find(({ session }) => session.member === member);
  }

  /** Greets who is at the other end, copies the guest to it, and keeps it until its connection ends. Rejects with why it did. */
  async serve(channel: Channel): Promise<void> {
    const { guest, tracker, options, token, tell } = this.#deps;
    let end: (error: FerryError) => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      end = reject;
    });
    ended.catch(() => {});
    const session: FollowerSession = new FollowerSession(channel, {
      ...{ guest, token, tracker: tracker.view() },
      ...{ name: options.name, member: options.member },
      ...{ maxEpochBytes: options.maxEpochBytes, cpuShare: options.cpuShare },
      acknowledged: (number) => this.#onAcknowledged(follower, number),
      compared: (pages) => tell({ type: 'compared', member: session.member, ...pages }),
      lost: end,
    });
    const follower: Connected = { session, unanswered: new Map(), acknowledged: 0 };
    this.#arriving.add(session);
    try {
      await Promise.race([session.greet(), ended]);
      if (this.find(session.member) !== undefined) {
        throw new FerryError('ERR_BUSY', `${session.member} is followed already`);
      }
      await Promise.race([session.join(), ended]);
      this.#connected.add(follower);
      this.#deps.ready(follower);
      await ended;
    } catch (error) {
      if (this.#connected.delete(follower)) this.#deps.lost(follower, error as FerryError);
      throw error;
    } finally {
      this.#arriving.delete(session);
      await session.close();
    }
  }

  /** Ends its connection: `lost` is told. */
  cut({ session }: Connected, error: FerryError): void {
    session.fail(error);
  }

  /** Ends all connections, those of whom nobody knows yet who they are too. */
  cutAll(error: FerryError): void {
    for (const session of this.#arriving) session.fail(error);
    for (const { session } of this.#connected) session.fail(error);
  }

  #onAcknowledged(follower: Connected, number: number): void {
    const { leftAt } = follower.unanswered.get(number) ?? {};
    // Of what was never sent nothing can be had.
    if (leftAt === undefined || !Number.isFinite(leftAt)) return;
    for (const each of follower.unanswered.keys()) {
      if (each <= number) follower.unanswered.delete(each);
    }
    follower.acknowledged = Math.max(follower.acknowledged, number);
    if (follower.session.mayClaim) this.#deps.acknowledged(follower, number, leftAt);
  }
}
