import { FerryError, type FerryErrorCode } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { Fence } from '../lease/fence.js';
import { helloAreaBytes, maxChannels } from '../protocol/limits.js';
import type { Offer, OfferedRegion } from '../protocol/messages.js';
import {
  type Channel,
  type Credentials,
  Doorkeeper,
  listenTcp,
  listenTls,
  type TcpListener,
  type Visit,
} from '../transport/index.js';
import { systemClock } from './clock.js';
import { type Arrival, defaultMaxConnections, defaultMaxOutageMs } from './destination.js';
import { doorLimits } from './door-limits.js';
import { EventStream } from './event-stream.js';
import { defaultInvitation, Invitation } from './invitation.js';
import { fileJournal } from './journal.js';
import { checkLease, type MigrationLease } from './lease-options.js';
import type { OpenTap } from './link.js';
import { systemMemory } from './memory-room.js';
import { rehearse } from './rehearsal.js';
import { type OnSessionStep, Sessions } from './sessions.js';
import { checkPlace, credentialsOf, type TrustOptions } from './trust.js';

/** What a source offers, before anything is made for it. Texts are the peer's: escape them before you print them. */
export interface IncomingOffer {
  /** 32 hex digits; what every later event calls it. */
  readonly session: string;
  readonly kind: string;
  readonly version: string;
  readonly features: readonly string[];
  readonly handsOver: boolean;
  /** Sum of the regions' sizes. */
  readonly byteLength: number;
  readonly regions: readonly OfferedRegion[];
}

export interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface ListenOptions extends TrustOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 (default): any free port. */
  readonly port?: number;
  /** Where else to listen, for sources with several connections. Default none. */
  readonly addresses?: readonly ListenAddress[];
  /** Makes the guest that is to be filled; what it throws refuses the offer. */
  readonly accept: (offer: IncomingOffer) => Guest | Promise<Guest>;
  /** Sum of all regions' sizes that is taken. Default 1 GiB. */
  readonly maxImageBytes?: number;
  /** Default 1 MiB. */
  readonly maxStateBytes?: number;
  /**
   * Bytes that one migration may make this side write, all its connections together: pages as what they become, regions as they grow, states.
   * Above 0, up to Infinity. Default: 64 times what the offered regions may grow to, and 1 TiB.
   */
  readonly maxSessionBytes?: number;
  /**
   * Takes offers for which there is less free memory than they may need: bookkeeping, and regions in memory that say they are `fresh`. Default
   * false: they are refused with ERR_NO_CAPACITY, where it is known how much is free (Linux, control groups included).
   */
  readonly overcommit?: boolean;
  /** Migrations taken at a time. Default 16. */
  readonly maxSessions?: number;
  /** How long what arrived is kept for a source whose connection was lost before COMMIT, milliseconds. Default 60,000. */
  readonly maxOutageMs?: number;
  /** Connections one migration may have, 1 to 16. Default 8. */
  readonly maxConnections?: number;
  /** A file that remembers which sessions were started, so that a restarted process can still answer a source in doubt. */
  readonly journal?: string;
  /** Migrations that may complete with the `token`, 1 to Infinity. Default 1. */
  readonly tokenUses?: number;
  /** How long the `token` lets migrations begin, milliseconds, up to Infinity. Default 15 minutes. */
  readonly tokenTtlMs?: number;
  /** The one guest taken here has an owner record: it is claimed before it starts, and its lease is renewed until this is closed. Default: none. */
  readonly lease?: MigrationLease;
  /** Watches every session from inside, for recordings. @internal */
  readonly watch?: { readonly tap?: OpenTap; readonly onStep?: OnSessionStep };
}

export type ListenEvent =
  | {
      readonly type: 'offered';
      readonly session: string;
      readonly from: string;
      readonly offer: IncomingOffer;
    }
  /** The connection is lost before COMMIT; what is here is kept for the source to come back to. */
  | {
      readonly type: 'interrupted';
      readonly session: string;
      readonly code: FerryErrorCode;
      readonly message: string;
    }
  /** The source is back; it was away for so long. */
  | { readonly type: 'resumed'; readonly session: string; readonly outageMs: number }
  | { readonly type: 'in-doubt'; readonly session: string; readonly message: string }
  | { readonly type: 'arrived'; readonly arrival: Arrival }
  | { readonly type: 'failed'; readonly session: string; readonly error: FerryError }
  /** A connection that belongs to no session ended: nothing was offered on it. */
  | { readonly type: 'stranger'; readonly from: string; readonly error: FerryError }
  /** The session is over and its last connection closed; not `orderly`: cut, so that the source may come back and ask how it ended. */
  | { readonly type: 'ended'; readonly session: string; readonly orderly: boolean };

/** A destination. Iterate it for what happens (one loop). */
export interface Listener extends AsyncDisposable, AsyncIterable<ListenEvent> {
  readonly host: string;
  readonly port: number;
  /** Every place that is listened at, `host` and `port` first. */
  readonly addresses: readonly ListenAddress[];
  /** The operator's word where READY was given and the source stays away. */
  resolve(session: string, verdict: 'resume' | 'abandon'): void;
  /** Stops listening and gives up what is not ready yet. */
  close(): Promise<void>;
}

/** Timers end at 2^31 ms. */
const longestOutageMs = 1_000_000_000;
const GiB = 1024 * 1024 * 1024;
const MiB = 1024 * 1024;
const defaultMaxSessions = 16;
/** Listens for migrations. ERR_IO if an address cannot be listened on. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { host = '127.0.0.1', port = 0, accept, insecure = false, journal, watch } = options;
  const { maxConnections = defaultMaxConnections, maxSessions = defaultMaxSessions } = options;
  const { maxOutageMs = defaultMaxOutageMs, maxSessionBytes } = options;
  if (!Number.isInteger(maxConnections) || maxConnections < 1 || maxConnections > maxChannels) {
    throw new RangeError(`maxConnections must be 1 to ${maxChannels}, got ${maxConnections}`);
  }
  if (!(maxOutageMs > 0 && maxOutageMs <= longestOutageMs)) {
    throw new RangeError(
      `maxOutageMs must be above 0 and at most ${longestOutageMs}, got ${maxOutageMs}`,
    );
  }
  if (maxSessionBytes !== undefined && !(maxSessionBytes > 0)) {
    throw new RangeError(`maxSessionBytes must be above 0, got ${maxSessionBytes}`);
  }
  const places = [{ host, port }, ...(options.addresses ?? [])];
  const credentials = credentialsOf(options);
  const invitation = invitationOf(options);
  for (const place of places) await checkPlace(place.host, credentials, insecure);
  checkLease(options.lease);
  const closed = new AbortController();
  const lease = options.lease && {
    options: options.lease,
    fence: await Fence.open(options.lease.tokens),
    closed: closed.signal,
  };
  const events = new EventStream<ListenEvent>();
  const sessions = new Sessions({
    accept: (offer, session) => accept(incoming(offer, session)),
    limits: {
      maxImageBytes: options.maxImageBytes ?? GiB,
      maxStateBytes: options.maxStateBytes ?? MiB,
      maxSessionBytes,
    },
    clock: systemClock,
    memory: options.overcommit === true ? undefined : systemMemory,
    journal: journal === undefined ? undefined : fileJournal(journal),
    maxSessions,
    maxConnections,
    maxOutageMs,
    invitation,
    lease,
    tap: watch?.tap,
    onStep: watch?.onStep,
    emit: (notice) =>
      events.push(
        notice.type === 'offered'
          ? { ...notice, offer: incoming(notice.offer, notice.session) }
          : notice,
      ),
    onArrival: (arrival) => events.push({ type: 'arrived', arrival }),
    onFailure: (error, session) => events.push({ type: 'failed', session, error }),
    onStranger: (error, from) => events.push({ type: 'stranger', from, error }),
    onEnded: (session, orderly) => events.push({ type: 'ended', session, orderly }),
  });
  const door = new Doorkeeper(doorLimits(maxSessions, maxConnections));
  const servers = await listenAt(places, {
    credentials,
    door,
    areaBytes: helloAreaBytes,
    onChannel: (channel, visit) => sessions.greet(channel, visit),
    onRefused: (error, from) => events.push({ type: 'stranger', from, error }),
  });
  const [first = { host, port }] = servers;
  rehearse();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      await Promise.all(servers.map((server) => server.close()));
      const reason = new FerryError('ERR_ABORTED', 'the destination was closed');
      const ended = sessions.close(reason);
      door.close(reason);
      closed.abort(reason);
      await ended;
      events.end();
    })();
    return closing;
  };
  return {
    host: first.host,
    port: first.port,
    addresses: servers.map((server) => ({ host: server.host, port: server.port })),
    resolve: (session, verdict) => sessions.get(session)?.resolve(verdict),
    close,
    [Symbol.asyncDispose]: close,
    [Symbol.asyncIterator]: () => events,
  };
}

interface Entrance {
  readonly credentials: Credentials | undefined;
  readonly door: Doorkeeper;
  readonly areaBytes: number;
  readonly onChannel: (channel: Channel, visit: Visit) => void;
  readonly onRefused: (error: FerryError, from: string) => void;
}

/** Listens at all of the places or at none. */
async function listenAt(
  places: readonly ListenAddress[],
  entrance: Entrance,
): Promise<TcpListener[]> {
  const servers: TcpListener[] = [];
  try {
    for (const { host, port } of places) servers.push(await open({ host, port }, entrance));
    return servers;
  } catch (error) {
    for (const server of servers) await server.close();
    throw error;
  }
}

function open(place: ListenAddress, { credentials, ...rest }: Entrance): Promise<TcpListener> {
  return credentials === undefined
    ? listenTcp({ ...place, ...rest })
    : listenTls({ ...place, ...rest, credentials });
}

/** Undefined where there is no token. RangeError. */
function invitationOf(options: ListenOptions): Invitation | undefined {
  const { uses, ttlMs } = defaultInvitation;
  const { token, tokenUses = uses, tokenTtlMs = ttlMs } = options;
  if (
    !(tokenUses >= 1) ||
    !(Number.isInteger(tokenUses) || tokenUses === Number.POSITIVE_INFINITY)
  ) {
    throw new RangeError(
      `tokenUses must be a whole number from 1 on, or Infinity, got ${tokenUses}`,
    );
  }
  if (!(tokenTtlMs > 0)) throw new RangeError(`tokenTtlMs must be above 0, got ${tokenTtlMs}`);
  return token === undefined
    ? undefined
    : new Invitation(systemClock, { uses: tokenUses, ttlMs: tokenTtlMs });
}

function incoming(offer: Offer, session: string): IncomingOffer {
  return {
    session,
    kind: offer.identity.kind,
    version: offer.identity.version,
    features: offer.identity.features,
    handsOver: offer.handsOver,
    byteLength: offer.regions.reduce((sum, region) => sum + region.byteLength, 0),
    regions: offer.regions,
  };
}
