import type { Guest } from '../guests/guest.js';
import { checkOffer } from '../migration/admission.js';
import { systemClock } from '../migration/clock.js';
import { GuestHost } from '../migration/guest-host.js';
import { systemMemory } from '../migration/memory-room.js';
import type { Offer } from '../protocol/messages.js';

export interface CopyOptions {
  readonly maxImageBytes: number;
  readonly maxStateBytes: number;
  /** Gives a guest that stands still and may hold an older copy, where there is one; nobody else has it then. ERR_BUSY where it is needed. */
  readonly older?: () => Promise<Guest | undefined>;
  /** Makes an empty guest for what is offered. */
  readonly accept: (offer: Offer) => Guest | Promise<Guest>;
}

/** What a standby fills: the guest that is here already, where it fits what is offered, else an empty one. `held`: the primary takes digests of what is here. */
export async function admitCopy(
  { maxImageBytes, maxStateBytes, older, accept }: CopyOptions,
  offer: Offer,
  session: Uint8Array,
  held: boolean,
): Promise<GuestHost> {
  const limits = { maxImageBytes, maxStateBytes, maxSessionBytes: Number.POSITIVE_INFINITY };
  const deps = {
    ...{ session, limits, clock: systemClock, memory: systemMemory },
    ...{ patches: false, lz4: false, held, channels: 1, rehearsals: false },
  };
  // What would be refused anyway costs nothing that is here.
  checkOffer(offer, limits);
  const here = await older?.();
  if (here !== undefined) {
    try {
      return await GuestHost.admit({ ...deps, older: true }, offer, () => here);
    } catch {
      // Of another shape or program, and gone by now.
    }
  }
  return GuestHost.admit(deps, offer, () => accept(offer));
}
