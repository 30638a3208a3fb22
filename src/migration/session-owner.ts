import { createHmac, timingSafeEqual } from 'node:crypto';
import { FerryError } from '../errors.js';
import { proofBytes } from '../protocol/limits.js';
import type { Hello } from '../protocol/messages.js';
import type { ChannelPeer } from '../transport/channel.js';

/** What of HELLO a proof speaks of. */
export type Claim = Pick<Hello, 'session' | 'attempt' | 'channel' | 'role'>;

/** What stands in HELLO where the connection proves nobody. */
const noProof: Uint8Array = new Uint8Array(proofBytes);

/**
 * Whose a session is: of the end that was proved on its first connection. Each connection of the session proves, besides who its end is, that
 * it is the one that opened it, with a secret of that first connection: HMAC-SHA256(its exported secret, this connection's exported secret,
 * session, attempt, channel and role). So neither another holder of the token or of a certificate, nor anybody in the middle, takes it over.
 */
export class SessionOwner {
  readonly #identity: string;
  readonly #key: Uint8Array;

  /** `first`: the other end of the session's first connection. */
  constructor(first: ChannelPeer, session: Uint8Array) {
    this.#identity = first.identity;
    this.#key = first.exportSecret(session);
  }

  /** What a connection to `peer` has to say for `claim`. */
  prove(peer: ChannelPeer, claim: Claim): Uint8Array {
    const { session, attempt, channel, role } = claim;
    const numbers = `${attempt} ${channel} ${role}`;
    return createHmac('sha256', this.#key)
      .update(peer.exportSecret(session))
      .update(session)
      .update(numbers)
      .digest();
  }

  /** ERR_AUTH unless `peer` is who opened the session. */
  check(peer: ChannelPeer | undefined, hello: Hello): void {
    if (
      peer?.identity !== this.#identity ||
      !timingSafeEqual(this.prove(peer, hello), hello.proof)
    ) {
      throw new FerryError('ERR_AUTH', 'the session belongs to another source');
    }
  }
}

/** Of a session that begins on a connection to `peer`; undefined where nobody was proved. */
export function ownerOf(
  peer: ChannelPeer | undefined,
  session: Uint8Array,
): SessionOwner | undefined {
  return peer === undefined ? undefined : new SessionOwner(peer, session);
}

/** What HELLO says on a connection to `peer`. */
export function proofFor(
  owner: SessionOwner | undefined,
  peer: ChannelPeer | undefined,
  claim: Claim,
): Uint8Array {
  return owner === undefined || peer === undefined ? noProof : owner.prove(peer, claim);
}
