import { asFerryError, FerryError } from '../errors.js';
import { askedAreaBytes, firstAreaBytes } from '../protocol/limits.js';
import type { Hello, Message } from '../protocol/messages.js';
import { negotiateVersion, oldestVersion, protocolVersion } from '../protocol/version.js';
import type { Channel } from '../transport/channel.js';
import type { Visit } from '../transport/doorkeeper.js';
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

export interface SessionsDeps
  extends Omit<DestinationDeps, 'session' | 'owner' | 'recorded' | 'onStep'> {
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

/** Every session of one listener: greets connections and hands them to the session they name. */
export class Sessions {
  readonly #deps: SessionsDeps;
  readonly #clock: Clock;
  readonly #sessions = new Map<string, DestinationDriver>();
  readonly #strangers = new Set<Link>();
  #connections = 0;
  /** Connections of those who asked for a session that nobody here knows, and what ends them; they have a moment to read the answer. */
  readonly #answered = new Map<Link, () => void>();
  #closed = false;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
    this.#clock = deps.clock;
  }

  /** Takes a connection nobody knows yet; `visit`: who keeps count of it, where somebody does. */
  greet(channel: Channel, visit?: Visit): void {
    if (this.#closed) {
      channel.destroy();
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
          return this.#onHello(link, message, visit);
        },
        onClosed: (error) => {
          forget();
          this.#deps.onStranger?.(error, link.remote);
        },
      },
      this.#deps.tap?.(this.#connections),
    );
    const drop = (reason: FerryError): void => {
      const isMute = this.#strangers.has(link);
      forget();
      this.#answered.get(link)?.();
      link.destroy(reason);
      if (isMute) this.#deps.onStranger?.(reason, link.remote);
    };
    const cancel = this.#clock.after(Math.max(0, helloTimeoutMs - (visit?.ageMs ?? 0)), () => {
      drop(new FerryError('ERR_PEER_TIMEOUT', `no HELLO within ${helloTimeoutMs} ms`));
    });
    if (visit !== undefined) visit.onDismissed = drop;
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
    for (const link of [...this.#strangers, ...this.#answered.keys()]) link.destroy(error);
    this.#strangers.clear();
    for (const forget of [...this.#answered.values()]) forget();
    const ending: Promise<unknown>[] = [];
    for (const driver of this.#sessions.values()) {
      driver.cancel(error);
      if (driver.phase === 'aborted') ending.push(driver.ended);
    }
    await Promise.all(ending);
  }

  #onHello(link: Link, message: Message, visit: Visit | undefined): void | Promise<void> {
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
    if (message.role === 'replica') {
      this.#refuse(link, new FerryError('ERR_UNSUPPORTED', 'no standby listens here'));
      return;
    }
    const id = Buffer.from(message.session).toString('hex');
    const known = this.#sessions.get(id);
    if (known?.isNothing === true) {
      return known.gone.then(() => this.#onHello(link, message, visit));
    }
    if (message.role === 'pages') return this.#attachPages(known, link, message, visit);
    if (known !== undefined) return this.#attach(known, link, message, visit);
    if (message.role === 'ask') return this.#answerFromJournal(link, message);
    if (message.attempt > 1) return this.#openAgain(id, link, message, visit);
    this.#open(id, link, message, visit);
  }

  /** There was a session, which an earlier process took with it. If it did not start the guest, the source begins anew. */
  async #openAgain(id: string, link: Link, hello: Hello, visit: Visit | undefined): Promise<void> {
    if ((await this.#deps.journal?.find(hello.session)) !== undefined) {
      return this.#answerFromJournal(link, hello);
    }
    const known = this.#sessions.get(id);
    if (known !== undefined) return this.#attach(known, link, hello, visit);
    if (link.open) this.#open(id, link, hello, visit);
  }

  #open(id: string, link: Link, hello: Hello, visit: Visit | undefined): void {
    const active = [...this.#sessions.values()].filter((driver) => isActive(driver)).length;
    if (this.#closed || active >= this.#deps.maxSessions) {
      this.#refuse(link, new FerryError('ERR_BUSY', `${active} migrations are already under way`));
      return;
    }
    let giveBack = (): void => {};
    let owner: SessionOwner | undefined;
    try {
      owner = ownerOf(link.peer, hello.session);
      // What a later attempt proves, it proves to who is gone; the session is of who opens it here.
      if (hello.attempt === 1) owner?.check(link.peer, hello);
      giveBack = this.#deps.invitation?.take(active) ?? giveBack;
      welcome(link, visit);
    } catch (error) {
      giveBack();
      this.#refuse(link, asFerryError(error, 'ERR_AUTH'));
      return;
    }
    const driver = new DestinationDriver({
      ...this.#deps,
      session: hello.session,
      owner,
      recorded: this.#deps.tap !== undefined,
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
    driver.gone.then(() => {
      if (driver.isNothing) this.#sessions.delete(id);
    });
    driver.ended.then(() => {
      cancel();
      if (driver.phase !== 'running') giveBack();
    });
  }

  #attach(
    driver: DestinationDriver,
    link: Link,
    hello: Hello,
    visit: Visit | undefined,
  ): void | Promise<void> {
    try {
      driver.checkOwner(link, hello);
      welcome(link, visit);
    } catch (error) {
      // The session goes on with the connection it has.
      this.#refuse(link, asFerryError(error, 'ERR_AUTH'));
      return;
    }
    if (hello.role === 'main' && driver.lostBeforeAdmission(hello)) {
      return driver.gone.then(() => this.#onHello(link, hello, undefined));
    }
    return driver.attach(link, hello);
  }

  /** A page channel that is refused is its own loss; the session goes on. */
  #attachPages(
    driver: DestinationDriver | undefined,
    link: Link,
    hello: Hello,
    visit: Visit | undefined,
  ): void {
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
      welcome(link, visit);
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
      onClosed: () => forget(),
    };
    const cancel = this.#clock.after(helloTimeoutMs, () => {
      forget();
      link.close();
    });
    const forget = (): void => {
      cancel();
      this.#answered.delete(link);
    };
    this.#answered.set(link, forget);
    link.receiveInto(new Uint8Array(askedAreaBytes));
    link.send({
      type: 'HELLO_ACK',
      version: protocolVersion,
      standing: digest !== undefined ? 'running' : 'unknown',
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

/** A connection is of a session from here on, and its frames may be larger. ERR_BUSY: no more can be. */
function welcome(link: Link, visit: Visit | undefined): void {
  visit?.join();
  link.receiveInto(new Uint8Array(firstAreaBytes));
}

function isActive(driver: DestinationDriver): boolean {
  return (
    driver.phase !== 'running' && driver.phase !== 'aborted' && driver.phase !== 'start-failed'
  );
}
