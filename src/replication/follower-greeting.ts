import { FerryError } from '../errors.js';
import type { Link } from '../migration/link.js';
import { ownerOf, proofFor } from '../migration/session-owner.js';
import type { Accept, Message, Offer } from '../protocol/messages.js';
import { capability, protocolVersion } from '../protocol/version.js';

/** Who leads, and what. */
export interface Leader {
  /** Of the guest's record. */
  readonly name: string;
  readonly member: string;
  readonly token: bigint;
  readonly maxEpochBytes: number;
}

/** Of the standby: its id in the record, and for how long each acknowledgement promises not to claim. */
export interface Following {
  readonly member: string;
  readonly promiseMs: number;
  /** False: it only keeps what it is sent. */
  readonly mayClaim: boolean;
}

/** The primary's side of a greeting: one question after the other, each with its answer. */
export class Greeting {
  readonly #link: Link;
  readonly #session: Uint8Array;
  #take: ((message: Message) => void) | undefined;
  #refuse: (error: FerryError) => void = () => {};
  #ended: FerryError | undefined;

  constructor(link: Link, session: Uint8Array) {
    this.#link = link;
    this.#session = session;
  }

  /** Says who leads, and learns who follows. Rejects with what the standby refuses it with. */
  async introduce({ name, member, token, maxEpochBytes }: Leader): Promise<Following> {
    const { peer } = this.#link;
    const session = this.#session;
    const claim = { session, attempt: 1, channel: 0, role: 'replica' } as const;
    this.#link.send({
      type: 'HELLO',
      minVersion: protocolVersion,
      maxVersion: protocolVersion,
      ...claim,
      capabilities: capability.held,
      proof: proofFor(ownerOf(peer, session), peer, claim),
    });
    await this.#hear('HELLO_ACK');
    this.#link.send({ type: 'LEAD', token, maxEpochBytes, guest: name, member });
    return this.#hear('FOLLOW');
  }

  /** What the standby has of each offered region. */
  async offer(offer: Offer): Promise<Accept['bases']> {
    this.#link.send(offer);
    const { bases } = await this.#hear('ACCEPT');
    if (bases.length === offer.regions.length) return bases;
    const what = `${bases.length} bases of ${offer.regions.length}`;
    throw new FerryError('ERR_UNEXPECTED_MESSAGE', what);
  }

  /** Whether the message is the answer that is waited for. */
  take(message: Message): boolean {
    const take = this.#take;
    take?.(message);
    return take !== undefined;
  }

  /** No answer comes any more. */
  end(error: FerryError): void {
    this.#ended = error;
    this.#refuse(error);
  }

  #hear<T extends Message['type']>(type: T): Promise<Extract<Message, { type: T }>> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      this.#take = (message) => {
        this.#take = undefined;
        if (message.type === type) resolve(message as Extract<Message, { type: T }>);
        else reject(refusal(message));
      };
      this.#refuse = reject;
    });
  }
}

/** What is heard from a standby that says `message` where it should not. */
export function refusal(message: Message): FerryError {
  if (message.type === 'REJECT' || message.type === 'FAILED') {
    return new FerryError(message.code, `the standby says: ${message.text}`);
  }
  return new FerryError('ERR_UNEXPECTED_MESSAGE', `${message.type} from a standby`);
}
