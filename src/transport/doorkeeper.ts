import type { Socket } from 'node:net';
import { FerryError } from '../errors.js';
import { networkOf } from './network.js';
import { addressOf } from './socket-channel.js';

/** How many connections a listener keeps, all its addresses together. */
export interface DoorLimits {
  /** Those that belong to no session. */
  readonly strangers: number;
  /** Of these, those from one address; IPv6: from one /64. */
  readonly strangersPerAddress: number;
  /** Those that belong to sessions. */
  readonly members: number;
}

const noLimits: DoorLimits = {
  strangers: Number.POSITIVE_INFINITY,
  strangersPerAddress: Number.POSITIVE_INFINITY,
  members: Number.POSITIVE_INFINITY,
};

/** One accepted connection. */
export interface Visit {
  /** Where it comes from: "127.0.0.1:4711". */
  readonly from: string;
  /** Milliseconds since it was accepted. */
  readonly ageMs: number;
  /** Ends it when it has to make room. At first its socket is destroyed. */
  onDismissed: (reason: FerryError) => void;
  /** It belongs to a session from now on, and makes room for nobody. ERR_BUSY: no more can. */
  join(): void;
}

/**
 * Decides over connections before anything is read from them or made for them. When there are too many strangers the oldest of the address
 * that has most of them makes room: so neither who opens many and says nothing, nor who does so from many addresses, keeps a source out,
 * which says who it is within a round trip or three. Members have places of their own.
 */
export class Doorkeeper {
  readonly #limits: DoorLimits;
  /** Strangers by network, in the order they came. */
  readonly #strangers = new Map<string, Set<Entry>>();
  #strangerCount = 0;
  #members = 0;

  constructor(limits: DoorLimits = noLimits) {
    this.#limits = limits;
  }

  /** A connection was accepted. Call `follow` with the socket that has it. */
  admit(accepted: Socket): Entry {
    const { strangers, strangersPerAddress } = this.#limits;
    const network = networkOf(accepted.remoteAddress ?? '');
    const own = this.#strangers.get(network)?.size ?? 0;
    if (own >= strangersPerAddress) this.#dismissOldest(network);
    else if (this.#strangerCount >= strangers) this.#dismissOldest(this.#fullest());
    const entry = new Entry(this, network, addressOf(accepted));
    const beside = this.#strangers.get(network) ?? new Set();
    this.#strangers.set(network, beside.add(entry));
    this.#strangerCount += 1;
    return entry;
  }

  /** Throws ERR_BUSY. */
  join(entry: Entry): void {
    if (this.#members >= this.#limits.members) {
      throw new FerryError('ERR_BUSY', `${this.#members} connections of sessions are open`);
    }
    if (this.#forget(entry)) this.#members += 1;
  }

  left(entry: Entry): void {
    if (!this.#forget(entry) && entry.isMember) this.#members -= 1;
  }

  /** Ends all strangers. */
  close(reason: FerryError): void {
    for (const beside of [...this.#strangers.values()]) {
      for (const entry of [...beside]) {
        this.#forget(entry);
        entry.onDismissed(reason);
      }
    }
  }

  #fullest(): string {
    let [fullest, most] = ['', 0];
    for (const [network, { size }] of this.#strangers) {
      if (size > most) [fullest, most] = [network, size];
    }
    return fullest;
  }

  #dismissOldest(network: string): void {
    const [oldest] = this.#strangers.get(network) ?? [];
    if (oldest === undefined) return;
    this.#forget(oldest);
    oldest.onDismissed(new FerryError('ERR_BUSY', 'said nothing, and made room for others'));
  }

  /** Whether it was a stranger. */
  #forget(entry: Entry): boolean {
    const beside = this.#strangers.get(entry.network);
    if (beside?.delete(entry) !== true) return false;
    if (beside.size === 0) this.#strangers.delete(entry.network);
    this.#strangerCount -= 1;
    return true;
  }
}

class Entry implements Visit {
  readonly network: string;
  readonly from: string;
  readonly #door: Doorkeeper;
  readonly #since: number = performance.now();
  #socket: Socket | undefined;
  #isMember = false;
  onDismissed: (reason: FerryError) => void = () => this.#socket?.destroy();

  constructor(door: Doorkeeper, network: string, from: string) {
    this.#door = door;
    this.network = network;
    this.from = from;
  }

  get ageMs(): number {
    return performance.now() - this.#since;
  }

  get isMember(): boolean {
    return this.#isMember;
  }

  /** Its place is free again once `socket` has closed. */
  follow(socket: Socket): void {
    this.#socket = socket;
    socket.once('close', () => this.#door.left(this));
  }

  join(): void {
    if (this.#isMember) return;
    this.#door.join(this);
    this.#isMember = true;
  }
}

export type { Entry as DoorEntry };
