import { usedShare } from './holding.js';
import { type OpenRenewal, openRenewal, type Renewal } from './renewal.js';

/** What both threads see, each a cell of 64 bits; times are microseconds of the machine's monotone clock. */
export const cell = {
  /** 1: the guest may run, and another member could have it. */
  armed: 0,
  /** Until when the guest may run, as its own thread knows it. */
  until: 1,
  /** The event loop of the guest's thread turned last. */
  beat: 2,
  /** When the last renewal that was confirmed had been asked for by the keeper. */
  renewed: 3,
} as const;

export const cells = 4;

export interface KeeperSetup {
  readonly shared: SharedArrayBuffer;
  readonly ttlMs: number;
  readonly hangMs: number;
}

/** A lease is renewed so often in its time. */
const renewals = 4;
/** Of a lease's time: how late the guest's own thread may be with stopping it. What is not used of a lease is twice as much. */
const graceShare = 0.05;
/** The clock is read so often in a lease's time. */
const looks = 100;

/** Microseconds of the machine's monotone clock: the same in all threads. */
export function nowUs(): bigint {
  return process.hrtime.bigint() / 1000n;
}

/** The keeper's program. What it returns takes leases to renew; `lost`: one ran out, or is another's, and is not renewed any more. */
export function keep(
  { shared, ttlMs, hangMs }: KeeperSetup,
  lost: () => void,
): (renewal: Renewal) => void {
  const state = new BigInt64Array(shared);
  const us = (ms: number): bigint => BigInt(Math.round(ms * 1000));
  let open: OpenRenewal | undefined;
  let isAsking = false;
  let askedAt = 0n;

  const renew = async (renewal: OpenRenewal): Promise<void> => {
    isAsking = true;
    askedAt = nowUs();
    try {
      if (await renewal.renew()) Atomics.store(state, cell.renewed, askedAt);
      else if (open === renewal) {
        open = undefined;
        await renewal.close();
        lost();
      }
    } catch {
      // Whatever the engine does not say: what is held runs out by itself.
    } finally {
      isAsking = false;
    }
  };

  const look = (): void => {
    const now = nowUs();
    const isPast = (until: bigint): boolean => now > until + us(graceShare * ttlMs);
    const byLease = Atomics.load(state, cell.renewed) + us(usedShare * ttlMs);
    const byGuest = Atomics.load(state, cell.until);
    if (Atomics.load(state, cell.armed) === 1n && isPast(byLease) && isPast(byGuest)) {
      // Its thread does not stop it: nothing else can.
      process.kill(process.pid, 'SIGKILL');
    }
    const isDue = !isAsking && now - askedAt >= us(ttlMs / renewals);
    const turns = now - Atomics.load(state, cell.beat) <= us(hangMs);
    if (open !== undefined && isDue && turns) void renew(open);
  };
  setInterval(look, Math.max(1, ttlMs / looks));
  return (renewal) => {
    void open?.close();
    open = openRenewal(renewal);
    askedAt = nowUs();
  };
}
