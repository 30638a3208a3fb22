import { asFerryError, FerryError } from '../errors.js';
import { channelNumber, nextChannelId } from '../protocol/channel-id.js';
import type { ChannelClosed, Message, Reject } from '../protocol/messages.js';
import { capability } from '../protocol/version.js';
import type { Clock } from './clock.js';
import { isLinkFault } from './link-fault.js';
import type { ResolvedOptions } from './options.js';
import { Reopening } from './reopening.js';
import type { SourceConnections } from './source-connections.js';
import type { Transfer } from './transfer.js';

export interface PageChannelsDeps {
  readonly clock: Clock;
  readonly options: Pick<ResolvedOptions, 'connections' | 'maxOutageMs' | 'maxReconnects'>;
  readonly links: SourceConnections;
  /** From 0 to 1. */
  readonly random: () => number;
  /** What the pages are of; undefined before ACCEPT. */
  readonly transfer: () => Transfer | undefined;
  /** Whether the destination takes page channels now. */
  readonly mayOpen: () => boolean;
  /** The destination does not take a page channel. */
  readonly onRefused: (message: Reject) => void;
  /** A page channel is lost by itself: the destination is to be asked how far it got. */
  readonly onLost: (id: number) => void;
  /** A page channel could not be opened or broke, and not by itself: the attempt is over. */
  readonly onBroken: (error: FerryError) => void;
}

/** How long a page channel may take from its beginning to its HELLO_ACK. */
const greetingTimeoutMs = 10_000;

interface PageChannel {
  /** See `channelNumber`. */
  id: number;
  state: 'connecting' | 'greeting' | 'open' | 'closing' | 'resting';
  readonly reopening: Reopening;
  cancelTimer: () => void;
}

/**
 * The source's page channels: opened when the destination has accepted. One that is lost is closed by itself, and opened once more after a while, where
 * both ends can do that; else it is lost together with the attempt.
 */
export class PageChannels {
  readonly #deps: PageChannelsDeps;
  /** By number, those of the attempt under way. */
  #channels: ReadonlyMap<number, PageChannel> = new Map();
  #reroutes = false;

  constructor(deps: PageChannelsDeps) {
    this.#deps = deps;
  }

  /** Opens all of them. `capabilities`: what both ends can do. ERR_UNSUPPORTED if that leaves them out. */
  open(capabilities: number): void {
    const { connections } = this.#deps.options;
    if (connections === 1) return;
    if ((capabilities & capability.channels) === 0) {
      throw new FerryError('ERR_UNSUPPORTED', 'the destination takes pages on one connection only');
    }
    this.#reroutes = (capabilities & capability.reroutes) !== 0;
    const numbers = Array.from({ length: connections - 1 }, (_, at) => at + 1);
    this.#channels = new Map(
      numbers.map((number) => [
        number,
        {
          id: number,
          state: 'resting',
          reopening: new Reopening(this.#deps),
          cancelTimer: () => {},
        },
      ]),
    );
    for (const channel of this.#channels.values()) this.#connect(channel);
  }

  /** Nothing more is to be sent on them. */
  close(): void {
    for (const { cancelTimer } of this.#channels.values()) cancelTimer();
    this.#channels = new Map();
    this.#deps.links.closePages();
  }

  onMessage(number: number, message: Message): void {
    const { links, transfer, onRefused, onBroken } = this.#deps;
    const link = links.pages(number);
    const channel = this.#channels.get(number);
    if (channel === undefined || link === undefined) return;
    const isGreeting = channel.state === 'greeting';
    // One that could not be connected at first may come when the destination receives no more.
    const isFirst = channel.id === number && channel.reopening.tries === 0;
    if (message.type === 'ACK' && channel.state === 'open') {
      channel.reopening.worked();
      transfer()?.acknowledged(number, message.seq, message.rereadPages);
    } else if (message.type === 'HELLO_ACK' && isGreeting) {
      channel.cancelTimer();
      channel.state = 'open';
      transfer()?.open(number, link);
    } else if (message.type === 'REJECT' && isGreeting && isFirst) {
      onRefused(message);
    } else if (message.type === 'REJECT' && isGreeting) {
      this.#lose(channel);
    } else {
      const what = `${message.type} on page channel ${number}`;
      onBroken(new FerryError('ERR_UNEXPECTED_MESSAGE', what));
    }
  }

  /** The connection of a page channel ended, for the reason `error`. */
  onClosed(number: number, error: FerryError): void {
    const channel = this.#channels.get(number);
    if (channel === undefined) return;
    if (this.#reroutes && isLinkFault(error)) this.#lose(channel);
    else this.#deps.onBroken(error);
  }

  /** The destination says how far a lost channel got. ERR_UNEXPECTED_MESSAGE if it was not asked, or that cannot be. */
  onChannelClosed({ channel: id, lastAppliedSeq }: ChannelClosed): void {
    const number = channelNumber(id);
    const channel = this.#channels.get(number);
    if (channel?.state !== 'closing' || channel.id !== id) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', `CHANNEL_CLOSED of channel ${id}`);
    }
    this.#deps.transfer()?.lanes.closed(number, lastAppliedSeq);
    channel.id = nextChannelId(id);
    this.#rest(channel);
  }

  #connect(channel: PageChannel): void {
    const { links, clock } = this.#deps;
    channel.state = 'connecting';
    const { id } = channel;
    const isWanted = (): boolean => channel.id === id && channel.state === 'connecting';
    channel.cancelTimer = clock.after(greetingTimeoutMs, () => {
      this.#fail(channel, new FerryError('ERR_PEER_TIMEOUT', 'no HELLO_ACK on a page channel'));
    });
    const greeted = links.openPages(id, channel.reopening.tries, isWanted, () => {
      channel.state = 'greeting';
    });
    greeted.catch((error: unknown) => {
      if (isWanted()) this.#fail(channel, asFerryError(error, 'ERR_CONNECTION_LOST'));
    });
  }

  /** It does not come to be open. */
  #fail(channel: PageChannel, error: FerryError): void {
    channel.cancelTimer();
    if (this.#channels.get(channelNumber(channel.id)) !== channel) return;
    if (!this.#reroutes || !isLinkFault(error)) this.#deps.onBroken(error);
    else if (channel.state === 'greeting') this.#lose(channel);
    else {
      this.#deps.transfer()?.lanes.unreached(channelNumber(channel.id));
      this.#rest(channel);
    }
  }

  /** The destination may have it, and pages that were sent on it. */
  #lose(channel: PageChannel): void {
    const { links, transfer, onLost } = this.#deps;
    const number = channelNumber(channel.id);
    channel.cancelTimer();
    channel.state = 'closing';
    links.dropPages(number);
    transfer()?.lanes.closing(number);
    onLost(channel.id);
  }

  /** Opens it once more after a while, as long as that is worth trying. */
  #rest(channel: PageChannel): void {
    channel.state = 'resting';
    const delayMs = channel.reopening.delayMs();
    if (delayMs !== undefined) this.#connectAfter(delayMs, channel);
  }

  #connectAfter(delayMs: number, channel: PageChannel): void {
    channel.cancelTimer = this.#deps.clock.after(delayMs, () => {
      if (this.#deps.mayOpen()) this.#connect(channel);
      else this.#connectAfter(delayMs, channel);
    });
  }
}
