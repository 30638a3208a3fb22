import { FerryError } from '../errors.js';
import { claimed, handedOver, type OwnerRecord } from '../lease/owner-record.js';
import { newClaim } from '../lease/settle.js';
import type { Lead } from '../protocol/messages.js';
import type { MigrationLease } from './lease-options.js';
import { type Owned, Ownership } from './ownership.js';

/** Who owns a guest behind COMMIT: this source once more, its destination, or somebody else. */
export type Owner = 'us' | 'destination' | 'another';

export interface SourceLeaseDeps {
  readonly options: MigrationLease;
  /** Somebody else owns the guest. */
  readonly fenced: (error: FerryError) => void;
  /** The engine does not answer who has the guest. */
  readonly doubt: () => void;
}

/** Who may run the guest by this record: what was handed back is the source's to claim, as what changed only in who is in sync. */
export function ownerOf(
  record: OwnerRecord | undefined,
  member: string,
  to: {
    readonly member: string | undefined;
    /** What it claims with. */
    readonly token: bigint;
    readonly handedBack: boolean;
  },
): Owner {
  if (record?.owner === member) return 'us';
  if (record?.owner !== to.member || record?.generation !== to.token) return 'another';
  return to.handedBack ? 'us' : 'destination';
}

/** The source's part in the owner record: owns the guest, keeps the lease, and reclaims where the destination did not answer. */
export class SourceLease {
  readonly #deps: SourceLeaseDeps;
  readonly #ownership: Ownership;
  /** A change of the record that is under way. */
  #last: Promise<void> = Promise.resolve();
  #fenced: FerryError | undefined;
  #isCommitted = false;
  /** Who follows: the destination's member; undefined until it said so. */
  destination: string | undefined;

  constructor(deps: SourceLeaseDeps) {
    this.#deps = deps;
    this.#ownership = new Ownership(deps.options);
    this.#ownership.onDoubt = deps.doubt;
  }

  /** The record as this source has it. Call behind `begin`. */
  get #owned(): Owned {
    const { owned } = this.#ownership;
    if (owned === undefined) throw new TypeError('nothing is owned here yet');
    return owned;
  }

  /** Who owns the guest instead, once that is known. */
  get fenced(): FerryError | undefined {
    return this.#fenced;
  }

  /** Undefined where the guest may go on; else it has to wait: it may if that resolves to true. */
  mayGoOn(): Promise<boolean> | undefined {
    return this.#ownership.covers(0, false) ? undefined : this.#ownership.lasts();
  }

  readonly revision = (): bigint => this.#owned.revision;
  readonly covers = (pauseMs: number): boolean => this.#ownership.covers(pauseMs);

  get lead(): Lead {
    const { name: guest, member } = this.#deps.options;
    const token = this.#owned.record.generation;
    return { type: 'LEAD', token, maxEpochBytes: 0, guest, member };
  }

  /** Owns the guest, that nobody owned or this member, and keeps it. ERR_FENCED where another does; ERR_LEASE_UNKNOWN. */
  async begin(): Promise<void> {
    const { provider, name, member } = this.#deps.options;
    const { record, revision } = await provider.read(name);
    if (record !== undefined && record.owner !== member) throw this.#owns(record.owner);
    const askedAt = performance.now();
    if (record !== undefined && (await provider.renew(name, record.generation))) {
      this.#ownership.adopt({ record, revision }, askedAt);
    } else {
      const next = record ?? claimed(undefined, member, newClaim());
      const isNew = record === undefined;
      const swap = { expected: revision, record: next, unlessAlive: isNew };
      const view = await this.#ownership.take(swap);
      if (view !== undefined) throw this.#owns(view.record?.owner);
    }
    this.#keep();
  }

  /**
   * Claims what it committed, where the destination has not. `handedBack`: the destination said that it runs nothing of it, whether it had claimed or not. Asks until that is decided.
   */
  async reclaim(handedBack: boolean): Promise<Owner> {
    await this.#last;
    const { member } = this.#deps.options;
    const token = this.#owned.record.generation + 1n;
    for (let before = this.#owned; ; ) {
      const record = handedOver(before.record, member, newClaim());
      const swap = { expected: before.revision, record, unlessAlive: false };
      const view = await this.#ownership.take(swap);
      if (view === undefined) {
        this.#isCommitted = false;
        this.#keep();
        return 'us';
      }
      const owner = ownerOf(view.record, member, { member: this.destination, token, handedBack });
      if (owner !== 'us' || view.record === undefined) return owner;
      before = { record: view.record, revision: view.revision };
    }
  }

  /** COMMIT leaves: the record is the destination's to change. */
  committed(): void {
    this.#isCommitted = true;
    this.#ownership.leave();
  }

  /** Nothing more is asked or renewed. */
  end(): void {
    this.#ownership.end(new FerryError('ERR_ABORTED', 'the migration is over'));
  }

  #keep(): void {
    this.#ownership.keep(() => {
      this.#last = this.#revive();
    });
  }

  /** The lease ran out: it is had back where nobody claimed meanwhile. */
  async #revive(): Promise<void> {
    const { record, revision } = this.#owned;
    try {
      const swap = { expected: revision, record, unlessAlive: false };
      const view = await this.#ownership.take(swap);
      if (view === undefined && !this.#isCommitted) this.#keep();
      else if (view !== undefined) this.#lose(view.record?.owner);
    } catch {
      // Over before the engine answered.
    }
  }

  #lose(owner: string | undefined): void {
    if (this.#isCommitted) return;
    this.#fenced = this.#owns(owner);
    this.#ownership.end(this.#fenced);
    this.#deps.fenced(this.#fenced);
  }

  #owns(owner = 'nobody'): FerryError {
    return new FerryError('ERR_FENCED', `${owner} owns ${this.#deps.options.name}`);
  }
}
