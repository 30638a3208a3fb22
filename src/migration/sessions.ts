import { asFerryError, FerryError } from '../errors.js';
import type { Hello, Message } from '../protocol/messages.js';
import { negotiateVersion, oldestVersion, protocolVersion } from '../protocol/version.js';
import type { Channel } from '../transport/channel.js';
import type { Clock } from './clock.js';
import { type DestinationDeps, DestinationDriver } from './destination.js';
import type { DestinationEvent, DestinationState } from './destination-states.js';
import type { Invitation } from './invitation.js';
import { Link, type OpenTap } from './link.js';
import { ownerOf, type SessionOwner } from './session-owner.js';

/** Sees every event a session's machine is fed and the state it leads to. */
export type OnSessionStep = (
  session: string,
  event: DestinationEvent,
  state: DestinationState,
) => void;

export interface SessionsDeps extends Omit<DestinationDeps, 'session' | 'owner' | 'onStep'> {
  /** Sessions receiving at a time. */
  readonly maxSessions: number;
  /** A connection that never became part of a session ended, and why. */
  readonly onStranger?: (error: FerryError, from: string) => void;
  /** A session ended and its last connection is closed; `orderly`: by both sides' will. */
  readonly onEnded?: (session: string, orderly: boolean) => void;
  readonly tap?: OpenTap | undefined;
  readonly onStep?: OnSessionStep | undefined;
  /** What a proved source may use to open sessions. Default: as many as it likes. */
  readonly invitation?: Invitation | undefined;
}

const helloTimeoutMs = 5000;
const offerTimeoutMs = 5000;
/** Ended sessions that can still be asked how they ended. */
const mostRemembered = 1024;
/** Connections that have not said HELLO yet. */
const mostStrangers = 64;

/** Every session of one listener: greets connections and hands them to the session they name. */
export class Sessions {
  readonly #deps: SessionsDeps;
  readonly #clock: Clock;
  readonly #sessions = new Map<string, DestinationDriver>();
  readonly #strangers = new Set<Link>();
  #connections = 0;
  /** Connections of those who asked for a session that nobody here knows; they have a moment to read the answer. */
  readonly #answered = new Set<Link>();
  #closed = false;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
    this.#clock = deps.clock;
  }

  /** Takes a connection nobody knows yet. */
  greet(channel: Channel): void {
    if (this.#closed || this.#strangers.size >= mostStrangers) {
      channel.destroy(new FerryError('ERR_BUSY', 'too many connections that say nothing'));
      return;
    }
    this.#connections += 1;
    const link: Link = new Link(
      channel,
      this.#clock,
      undefined,
      {
        onMessage: (message) => {
          forget();
          return this.#onHello(link, message);
        },
        onClosed: (error) => {
          forget();
          this.#deps.onStranger?.(error, link.remote);
        },
      },
      this.#deps.tap?.(this.#connections),
    );
    const cancel = this.#clock.after(helloTimeoutMs, () => {
      forget();
      const late = new FerryError('ERR_PEER_TIMEOUT', `no HELLO within ${helloTimeoutMs} ms`);
      link.destroy(late);
      this.#deps.onStranger?.(late, link.remote);
    });
    const forget = (): void => {
      cancel();
      this.#strangers.delete(link);
    };
    this.#strangers.add(link);
  }

  get(session: string): DestinationDriver | undefined {
    return this.#sessions.get(session);
  }

  /** Cancels what is under way; resolves when every session without a promise to keep has let go. */
  async close(error: FerryError): Promise<void> {
    this.#closed = true;
    for (const link of [...this.#strangers, ...this.#answered]) link.destroy(error);
    this.#strangers.clear();
    this.#answered.clear();
    const ending: Promise<unknown>[] = [];
    for (const driver of this.#sessions.values()) {
      driver.cancel(error);
      if (driver.phase === 'aborted') ending.push(driver.ended);
    }
    await Promise.all(ending);
  }

  #onHello(link: Link, message: Message): void | Promise<void> {
    if (message.type !== 'HELLO') {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', `${message.type} before HELLO`);
    }
    if (negotiateVersion(message.minVersion, message.maxVersion) === undefined) {
      this.#refuse(
        link,
        new FerryError(
          'ERR_VERSION',
          `the source speaks versions ${message.minVersion} to ${message.maxVersion}, this side ${oldestVersion} to ${protocolVersion}`,
        ),
      );
      return;
    }
    const id = Buffer.from(message.session).toString('hex');
    const known = this.#sessions.get(id);
    if (message.role === 'pages') return this.#attachPages(known, link, message);
    if (known !== undefined) return this.#attach(known, link, message);
    if (message.role === 'ask') return this.#answerFromJournal(link, message);
    this.#open(id, link, message);
  }

  #open(id: string, link: Link, hello: Hello): void {
    const active = [...this.#sessions.values()].filter((driver) => isActive(driver)).length;
    if (this.#closed || active >= this.#deps.maxSessions) {
      this.#refuse(link, new FerryError('ERR_BUSY', `${active} migrations are already under way`));
      return;
    }
    let giveBack = (): void => {};
    let owner: SessionOwner | undefined;
    try {
      owner = ownerOf(link.peer, hello.session);
      owner?.check(link.peer, hello);
      giveBack = this.#deps.invitation?.take(active) ?? giveBack;
    } catch (error) {
      this.#refuse(link, asFerryError(error, 'ERR_AUTH'));
      return;
    }
    const driver = new DestinationDriver({
      ...this.#deps,
      session: hello.session,
      owner,
      onStep: (event, state) => this.#deps.onStep?.(id, event, state),
    });
    this.#remember(id, driver);
    driver.onClosed = (orderly) => {
      if (!isActive(driver)) this.#deps.onEnded?.(id, orderly);
    };
    driver.attach(link, hello);
    const cancel = this.#clock.after(offerTimeoutMs, () => {
      if (driver.phase !== 'awaiting-offer') return;
      driver.cancel(new FerryError('ERR_PEER_TIMEOUT', `no OFFER within ${offerTimeoutMs} ms`));
    });
    driver.ended.then(() => {
      cancel();
      if (driver.phase !== 'running') giveBack();
    });
  }

  #attach(driver: DestinationDriver, link: Link, hello: Hello): void | Promise<void> {
    try {
      driver.checkOwner(link, hello);
    } catch (error) {
      // The session goes on with the connection it has.
      this.#refuse(link, asFerryError(error, 'ERR_AUTH'));
      return;
    }
    return driver.attach(link, hello);
  }

  /** A page channel that is refused is its own loss; the session goes on. */
  #attachPages(driver: DestinationDriver | undefined, link: Link, hello: Hello): void {
    if (driver?.phase === 'interrupted') {
      // Of an attempt that is over, which its source will find out by itself.
      link.destroy();
      return;
    }
    try {
      if (driver === undefined) {
        throw new FerryError('ERR_UNEXPECTED_MESSAGE', 'pages of a session that nobody here knows');
      }
      driver.checkOwner(link, hello);
      driver.attachPages(link, hello);
    } catch (error) {
      this.#refuse(link, asFerryError(error, 'ERR_UNEXPECTED_MESSAGE'));
    }
  }

  #remember(id: string, driver: DestinationDriver): void {
    for (const [oldest, candidate] of this.#sessions) {
      if (this.#sessions.size < mostRemembered) break;
      if (!isActive(candidate)) this.#sessions.delete(oldest);
    }
    this.#sessions.set(id, driver);
  }

  /** Nobody here knows the session, but an earlier process may have noted that it started it. */
  async #answerFromJournal(link: Link, hello: Hello): Promise<void> {
    const digest = await this.#deps.journal?.find(hello.session);
    link.handlers = {
      onMessage: (message) => {
        if (message.type === 'ABORT') link.send({ type: 'ABORTED', scope: message.scope });
      },
      onClosed: () => {
        cancel();
        this.#answered.delete(link);
      },
    };
    this.#answered.add(link);
    const cancel = this.#clock.after(helloTimeoutMs, () => {
      this.#answered.delete(link);
      link.close();
    });
    link.send({
      type: 'HELLO_ACK',
      version: protocolVersion,
      standing: digest === undefined ? 'unknown' : 'running',
      capabilities: 0,
      lastAppliedSeq: 0,
    });
    if (digest !== undefined) {
      link.send({ type: 'RUNNING', digest, verifyMs: 0, loadMs: 0, acquireMs: 0, resumeMs: 0 });
    }
  }

  #refuse(link: Link, error: FerryError): void {
    link.send({ type: 'REJECT', code: error.code, text: error.message });
    link.close();
    this.#deps.onStranger?.(error, link.remote);
  }
}

function isActive(driver: DestinationDriver): boolean {
  return (
    driver.phase !== 'running' && driver.phase !== 'aborted' && driver.phase !== 'start-failed'
  );
}
