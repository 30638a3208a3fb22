import { FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { Offer, OfferedRegion } from '../protocol/messages.js';
import { isLoopbackHost, listenTcp } from '../transport/index.js';
import { systemClock } from './clock.js';
import type { Arrival } from './destination.js';
import { EventStream } from './event-stream.js';
import { fileJournal } from './journal.js';
import type { OpenTap } from './link.js';
import { rehearse } from './rehearsal.js';
import { type OnSessionStep, Sessions } from './sessions.js';

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

export interface ListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 (default): any free port. */
  readonly port?: number;
  /** Makes the guest that is to be filled; what it throws refuses the offer. */
  readonly accept: (offer: IncomingOffer) => Guest | Promise<Guest>;
  /** Sum of all regions' sizes that is taken. Default 1 GiB. */
  readonly maxImageBytes?: number;
  /** Default 1 MiB. */
  readonly maxStateBytes?: number;
  /** Migrations taken at a time. Default 16. */
  readonly maxSessions?: number;
  /** A file that remembers which sessions were started, so that a restarted process can still answer a source in doubt. */
  readonly journal?: string;
  /** Listen beyond this machine although nothing is authenticated or encrypted. Default false: ERR_NOT_LOOPBACK. */
  readonly insecure?: boolean;
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
  /** The operator's word where READY was given and the source stays away. */
  resolve(session: string, verdict: 'resume' | 'abandon'): void;
  /** Stops listening and gives up what is not ready yet. */
  close(): Promise<void>;
}

const GiB = 1024 * 1024 * 1024;
const MiB = 1024 * 1024;

/** Listens for migrations. ERR_IO if the address cannot be listened on. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { host = '127.0.0.1', port = 0, accept, insecure = false, journal, watch } = options;
  if (!insecure && !(await isLoopbackHost(host))) {
    throw new FerryError(
      'ERR_NOT_LOOPBACK',
      `${host} can be reached from other machines, and nothing would be authenticated or encrypted; pass insecure to do it all the same`,
    );
  }
  const events = new EventStream<ListenEvent>();
  const sessions = new Sessions({
    accept: (offer, session) => accept(incoming(offer, session)),
    limits: {
      maxImageBytes: options.maxImageBytes ?? GiB,
      maxStateBytes: options.maxStateBytes ?? MiB,
    },
    clock: systemClock,
    journal: journal === undefined ? undefined : fileJournal(journal),
    maxSessions: options.maxSessions ?? 16,
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
  const server = await listenTcp({ host, port, onChannel: (channel) => sessions.greet(channel) });
  rehearse();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      await server.close();
      await sessions.close(new FerryError('ERR_ABORTED', 'the destination was closed'));
      events.end();
    })();
    return closing;
  };
  return {
    host: server.host,
    port: server.port,
    resolve: (session, verdict) => sessions.get(session)?.resolve(verdict),
    close,
    [Symbol.asyncDispose]: close,
    [Symbol.asyncIterator]: () => events,
  };
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
