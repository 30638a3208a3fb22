import { ask } from '../lease/settle.js';
import type { PrimaryEvent } from './events.js';
import type { Followers } from './followers.js';
import { add, changed, drop, type PrimaryState } from './primary.js';
import { fenced, type ResolvedMember } from './protect-options.js';

export interface MembershipDeps {
  readonly options: ResolvedMember;
  readonly followers: Followers;
  /** The owner's state, and what becomes of it. */
  readonly state: () => PrimaryState;
  readonly become: (state: PrimaryState) => void;
  /** Somebody is still looked for who may have been in sync before. */
  readonly isSought: () => boolean;
  readonly isOver: () => boolean;
  /** The lease was renewed by what was asked for at `askedAt`. */
  readonly held: (askedAt: number) => void;
  readonly tell: (event: PrimaryEvent) => void;
  /** A change was decided. */
  readonly decided: () => void;
  readonly failed: (error: unknown) => void;
}

/** Who is in sync: drops and adds members of the owner record, one change after the other, each until the engine has decided it. */
export class Membership {
  readonly #deps: MembershipDeps;
  readonly #since = performance.now();
  /** To be dropped once the change under way is decided. */
  readonly #gone = new Set<string>();
  #isAsking = false;

  constructor(deps: MembershipDeps) {
    this.#deps = deps;
  }

  /** Its connection is lost. */
  lost(member: string): void {
    this.#gone.add(member);
    this.evaluate();
  }

  /** It acknowledges. */
  heard(member: string): void {
    this.#gone.delete(member);
    this.evaluate();
  }

  /** Asks for the next change of the record that is due, if there is none under way. */
  evaluate(): void {
    const { state, followers, isOver, isSought, failed, options } = this.#deps;
    if (isOver()) return;
    this.#cutSilent();
    // After a failover: who was in sync and is not there, or has to be copied to first. Nobody is waited for who cannot acknowledge anyway.
    if (!isSought() || performance.now() - this.#since > options.patienceMs) {
      for (const { member } of state().followers) {
        if (followers.find(member) === undefined) this.#gone.add(member);
      }
    }
    if (state().change === undefined) this.#propose();
    if (state().change !== undefined && !this.#isAsking) this.#settle().catch(failed);
  }

  /** Who only keeps epochs has no more than two on their way, and may take its time. */
  #cutSilent(): void {
    const { followers, options } = this.#deps;
    const { patienceMs } = options;
    const now = performance.now();
    for (const follower of followers.heirs) {
      const oldest = Math.min(...[...follower.unanswered.values()].map(({ cutAt }) => cutAt));
      if (now - oldest > patienceMs) {
        followers.cut(follower, fenced(`silent for ${patienceMs} ms`));
      }
    }
  }

  #propose(): void {
    const { state, become, followers } = this.#deps;
    for (const member of this.#gone) {
      become(drop(state(), member));
      if (state().change !== undefined) return;
    }
    this.#gone.clear();
    for (const { session, acknowledged } of followers.heirs) {
      if (acknowledged === 0) continue;
      become(add(state(), session.member, acknowledged));
      if (state().change !== undefined) return;
    }
  }

  /** Asks the engine until the change is decided. */
  async #settle(): Promise<void> {
    this.#isAsking = true;
    const { state, become, options, isOver, held, decided } = this.#deps;
    const before = state().record.inSync;
    try {
      for (let { change } = state(); change !== undefined && !isOver(); { change } = state()) {
        const answer = await ask(options.lease, options.name, change);
        const { event, askedAt } = answer;
        become(changed(state(), event));
        if (event.type === 'answered' && event.outcome.type === 'won') held(askedAt);
      }
    } finally {
      this.#isAsking = false;
    }
    this.#tell(before);
    decided();
  }

  #tell(before: readonly string[]): void {
    const { state, followers, tell } = this.#deps;
    const { record, isFenced } = state();
    if (isFenced) return;
    for (const member of record.inSync) {
      if (before.includes(member)) continue;
      const epoch = followers.find(member)?.acknowledged ?? 0;
      tell({ type: 'joined', member, epoch });
    }
    for (const member of before) {
      if (!record.inSync.includes(member)) tell({ type: 'dropped', member });
    }
  }
}
