import type { RoomPromise } from '../core/promised-room.js';
import { fitGuest } from '../guests/fit-guest.js';
import type { Guest } from '../guests/guest.js';
import type { Offer, Prepare, Running } from '../protocol/messages.js';
import { type AdmissionLimits, checkOffer } from './admission.js';
import type { Clock } from './clock.js';
import type { Journal } from './journal.js';
import type { MemoryRoom } from './memory-room.js';
import { Receiver } from './receiver.js';

export interface GuestHostDeps {
  readonly session: Uint8Array;
  readonly limits: AdmissionLimits;
  readonly clock: Clock;
  readonly journal?: Journal | undefined;
  /** Where memory is promised. Default: whatever is needed is tried. */
  readonly memory?: MemoryRoom | undefined;
  /** The source may send patches. */
  readonly patches: boolean;
  /** It may compress frames. */
  readonly lz4: boolean;
  /** It takes digests of what regions held before. */
  readonly held: boolean;
  /** The guest may hold an older copy, whatever its regions say. Default false. */
  readonly older?: boolean;
  /** Channels that pages may arrive on. */
  readonly channels: number;
  /** It may say states by how they differ from rehearsed ones. */
  readonly rehearsals: boolean;
}

/**
 * The destination's guest and the copy it is filled from: made for an offer, verified, loaded, started or discarded. Calls to the guest
 * wait for whatever the copy has under way.
 */
export class GuestHost {
  readonly guest: Guest;
  readonly receiver: Receiver;
  readonly #deps: GuestHostDeps;
  readonly #parts = { verifyMs: 0, loadMs: 0, acquireMs: 0 };
  readonly #memory: RoomPromise | undefined;
  #holdsResources = false;

  private constructor(
    deps: GuestHostDeps,
    guest: Guest,
    receiver: Receiver,
    memory: RoomPromise | undefined,
  ) {
    this.#deps = deps;
    this.guest = guest;
    this.receiver = receiver;
    this.#memory = memory;
    if (memory === undefined) return;
    const bookkeeping = Receiver.neededBytes(guest.regions, deps);
    memory.left = () => bookkeeping + receiver.engine.untouchedBytes;
  }

  /** Throws the FerryError to refuse the offer with; nothing is left of the guest then. */
  static async admit(
    deps: GuestHostDeps,
    offer: Offer,
    accept: () => Guest | Promise<Guest>,
  ): Promise<GuestHost> {
    checkOffer(offer, deps.limits);
    const guest = await accept();
    let memory: RoomPromise | undefined;
    try {
      await guest.adopt?.(offer.regions);
      memory = deps.memory?.take(neededMemory(deps, guest, offer));
      await fitGuest(guest, offer);
      return new GuestHost(deps, guest, new Receiver({ ...deps, guest, offer }), memory);
    } catch (error) {
      if (memory !== undefined) deps.memory?.release(memory);
      await guest.discard?.();
      throw error;
    }
  }

  /** What is really here, re-read, as a digest. */
  async verify(prepare: Prepare): Promise<Uint8Array> {
    const { clock } = this.#deps;
    const from = clock.now();
    const digest = await this.receiver.verify(prepare);
    this.#parts.verifyMs = clock.now() - from;
    return digest;
  }

  /** Loads the state and takes outside resources: everything that can fail before the promise is made. */
  load(): Promise<void> {
    return this.receiver.afterAll(async () => {
      const { clock } = this.#deps;
      const from = clock.now();
      await this.guest.loadState(this.receiver.state.bytes);
      const loadedAt = clock.now();
      this.#parts.loadMs = loadedAt - from;
      await this.#hold();
      this.#parts.acquireMs = clock.now() - loadedAt;
    });
  }

  /** Loads a state that will not be the last one. Milliseconds; undefined where the guest cannot, or refuses it: it was only a rehearsal. */
  rehearse(state: Uint8Array): Promise<number | undefined> {
    return this.receiver.afterAll(async () => {
      if (this.guest.rehearsable !== true) return undefined;
      const { clock } = this.#deps;
      const from = clock.now();
      try {
        await this.guest.loadState(state);
      } catch {
        return undefined;
      }
      return clock.now() - from;
    });
  }

  /** Undoes `load`. */
  retreat(): Promise<void> {
    return this.receiver.afterAll(async () => {
      this.receiver.state.drop();
      await this.#letGo();
    });
  }

  /** The source is back before COMMIT. Once everything that came before is done: undoes `load`, and begins channels and rehearsals anew. Gives the seq of the control channel that was applied last. */
  restart(): Promise<number> {
    const { receiver } = this;
    receiver.endHeld();
    return receiver.afterAll(async () => {
      const lastAppliedSeq = receiver.channels.finalSeq(0);
      receiver.channels.restart();
      receiver.state.restart();
      receiver.engine.clearRing();
      await this.#letGo();
      return lastAppliedSeq;
    });
  }

  /** Lets go of outside resources, until `start`. */
  release(): Promise<void> {
    return this.receiver.afterAll(() => this.#letGo());
  }

  /** The one way to run: what was released is taken again, it is durably noted, then the guest's first instruction. Throws if none ran. */
  async start(prepare: Prepare): Promise<Running> {
    const { clock, journal, session } = this.#deps;
    const from = clock.now();
    if (this.guest.acquire !== undefined) await this.receiver.afterAll(() => this.#hold());
    try {
      await journal?.started(session, prepare.digest);
      await this.guest.resume();
    } catch (error) {
      await journal?.notStarted(session).catch(() => {
        // Then a restarted process will say RUNNING, and the source stays paused: better than two that run.
      });
      throw error;
    }
    this.receiver.close();
    this.#giveBackMemory();
    return {
      type: 'RUNNING',
      digest: prepare.digest,
      ...this.#parts,
      resumeMs: clock.now() - from,
    };
  }

  /** Nothing more arrives. Gives the guest as it is by then. */
  cede(): Promise<Guest> {
    this.receiver.close();
    return this.receiver.afterAll(async () => {
      this.#giveBackMemory();
      return this.guest;
    });
  }

  /** Nothing of the guest stays here. */
  discard(): Promise<void> {
    this.receiver.close();
    return this.receiver.afterAll(async () => {
      await this.#letGo()
        .finally(() => this.guest.discard?.())
        .finally(() => this.#giveBackMemory());
    });
  }

  #giveBackMemory(): void {
    if (this.#memory !== undefined) this.#deps.memory?.release(this.#memory);
  }

  async #hold(): Promise<void> {
    if (this.#holdsResources || this.guest.acquire === undefined) return;
    this.#holdsResources = true;
    await this.guest.acquire();
  }

  async #letGo(): Promise<void> {
    if (!this.#holdsResources) return;
    this.#holdsResources = false;
    await this.guest.release?.();
  }
}

/** Bytes that filling `guest` will take: our own bookkeeping, and memory that nothing was written to yet. What is written already is taken already. */
function neededMemory(deps: GuestHostDeps, guest: Guest, offer: Offer): number {
  const fresh = guest.regions.filter(
    (region) => deps.older !== true && region.fresh === true && region.memory !== undefined,
  );
  const offered = new Map(offer.regions.map(({ id, byteLength }) => [id, byteLength]));
  const untouched = fresh.reduce((sum, { id }) => sum + (offered.get(id) ?? 0), 0);
  return Receiver.neededBytes(guest.regions, deps) + untouched;
}
