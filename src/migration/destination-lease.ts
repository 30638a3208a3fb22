import { FerryError } from '../errors.js';
import type { Fence } from '../lease/fence.js';
import { handedOver } from '../lease/owner-record.js';
import { newClaim } from '../lease/settle.js';
import type { LeaseView } from '../lease/swap.js';
import type { Follow, Lead } from '../protocol/messages.js';
import type { MigrationLease } from './lease-options.js';
import { Ownership } from './ownership.js';

/** What all sessions of a listener share. */
export interface ListenerLease {
  readonly options: MigrationLease;
  readonly fence: Fence;
  /** The listener was closed: leases are renewed no more. */
  readonly closed: AbortSignal;
}

/** The destination's part in the owner record, in one session: who leads there, and the claim that COMMIT asks for. */
export class DestinationLease {
  readonly #shared: ListenerLease;
  readonly #ownership: Ownership;
  #lead: Lead | undefined;
  #seen: LeaseView | undefined;

  /** `doubt`: the engine does not answer while it claims. */
  constructor(shared: ListenerLease, doubt: () => void) {
    this.#shared = shared;
    this.#ownership = new Ownership(shared.options);
    this.#ownership.onDoubt = doubt;
  }

  /** Whether its source said whose the guest is. */
  get isLed(): boolean {
    return this.#lead !== undefined;
  }

  /** Its own token; undefined before it claimed. */
  get token(): bigint | undefined {
    return this.#ownership.owned?.record.generation;
  }

  /** Takes the source for the owner it says it is: what is so the claim finds out. ERR_FENCED for a lower token than was seen, ERR_INCOMPATIBLE for another guest. */
  async follow(lead: Lead): Promise<Follow> {
    const { token, guest } = lead;
    const { options, fence } = this.#shared;
    const { provider, name, member } = options;
    if (guest !== name) {
      throw new FerryError('ERR_INCOMPATIBLE', `${guest} is offered, and ${name} is expected`);
    }
    await fence.admit(token);
    this.#lead = lead;
    // In the pause it need not be read then, if nothing changes.
    provider.read(name).then(
      (view) => {
        this.#seen = view;
      },
      () => {},
    );
    return { type: 'FOLLOW', promiseMs: 0, mayClaim: true, member };
  }

  /**
   * Claims the guest against `revision`, or, on an operator's word, whatever the record says once nobody is alive. Resolves when it is this member's; rejects where it never will be, with
   * ERR_FENCED if it is another's. Once the engine was asked for it, it is asked until that is decided.
   */
  async claim(revision: bigint | undefined): Promise<void> {
    const { options, fence, closed } = this.#shared;
    const { provider, member, name } = options;
    const { token = 0n, member: source } = this.#lead ?? {};
    await fence.admit(token);
    const isSeen = revision !== undefined && this.#seen?.revision === revision;
    const view = (isSeen ? this.#seen : undefined) ?? (await provider.read(name));
    const { record } = view;
    const isNamed = record?.owner === source && record?.generation === token;
    const isRight = revision === undefined || (view.revision === revision && isNamed);
    if (record === undefined || !isRight) throw this.#fenced(view);
    const lost = await this.#ownership.take({
      expected: view.revision,
      record: handedOver(record, member, newClaim()),
      unlessAlive: revision === undefined,
    });
    if (lost !== undefined) throw this.#fenced(lost);
    await fence.admit(this.token ?? token);
    this.#ownership.keep(() => {
      // Another owns it, or the lease ran out: whoever leads from here on sees to that.
    });
    closed.addEventListener('abort', () => this.#ownership.end(closed.reason), { once: true });
    if (closed.aborted) this.#ownership.end(closed.reason);
  }

  /** What was claimed does not run here: others may have it at once. */
  async resign(): Promise<void> {
    if (this.token === undefined) return;
    this.#ownership.end(new FerryError('ERR_START_FAILED', 'it does not run here'));
    const { provider, name } = this.#shared.options;
    await provider.resign(name, this.token).catch(() => {
      // It ends by itself in its time.
    });
  }

  #fenced({ record }: LeaseView): FerryError {
    const { name } = this.#shared.options;
    return new FerryError('ERR_FENCED', `${record?.owner ?? 'nobody'} owns ${name}`);
  }
}
