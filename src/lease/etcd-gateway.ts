import { asFerryError, FerryError } from '../errors.js';
import { type Answer, EtcdConnections, type EtcdTls, type Question } from './etcd-connections.js';

/** gRPC's code for a token that the engine does not know, or no longer: nothing was done. */
const unauthenticated = 16;

export interface EtcdAccess {
  readonly endpoints: readonly URL[];
  readonly tls: EtcdTls;
  readonly login: { readonly user: string; readonly password: string } | undefined;
}

/** What JSON has where an object should be: members may be missing, and of any kind. */
export type Said = Readonly<Record<string, unknown>>;

/**
 * Asks the members of an etcd cluster through their JSON gateways. `until`: on the clock of `performance.now`; every question has ended by then. Whatever is not an answer of the
 * engine is ERR_LEASE_UNKNOWN.
 */
export class EtcdGateway {
  readonly #access: EtcdAccess;
  readonly #connections: EtcdConnections;
  /** The endpoint that is asked first: it answered last. */
  #preferred = 0;
  #token: string | undefined;
  #cluster: string | undefined;

  constructor(access: EtcdAccess) {
    this.#access = access;
    this.#connections = new EtcdConnections(access.tls);
  }

  /** For what may happen twice: asks one endpoint after the other, each for its share of the time. */
  async ask(path: string, body: unknown, until: number): Promise<Said> {
    const { length } = this.#access.endpoints;
    const first = this.#preferred;
    let failure: unknown = new Error('no time is left');
    for (let tries = 0; tries < length && performance.now() < until; tries += 1) {
      const at = (first + tries) % length;
      const share = (until - performance.now()) / (length - tries);
      try {
        const said = await this.#attempt(at, path, body, performance.now() + share);
        this.#preferred = at;
        return said;
      } catch (error) {
        failure = error;
      }
    }
    throw unknown(path, failure);
  }

  /** For what must not happen twice: asks the endpoint that answered last, and no other. */
  async askOnce(path: string, body: unknown, until: number): Promise<Said> {
    const at = this.#preferred;
    try {
      return await this.#attempt(at, path, body, until);
    } catch (error) {
      this.#turnFrom(at);
      throw unknown(path, error);
    }
  }

  /** Follows an answer that goes on: `onResult` has each of its results. Resolves once it is over, whatever ended it: whether there were any. */
  async follow(
    path: string,
    body: unknown,
    idleMs: number,
    signal: AbortSignal,
    onResult: (result: Said) => void,
  ): Promise<boolean> {
    const at = this.#preferred;
    let isAnswered = false;
    let end = (): void => {};
    try {
      const token = await this.#tokenFrom(at, performance.now() + idleMs);
      if (signal.aborted) return false;
      const question = this.#question(at, path, body, token);
      const following = this.#connections.follow(question, idleMs, (line) => {
        const result = resultOf(line);
        isAnswered = true;
        onResult(result);
      });
      end = following.end;
      signal.addEventListener('abort', end);
      await following.done;
    } catch {
      // It said what it said: there is no more to learn from its end.
    } finally {
      signal.removeEventListener('abort', end);
    }
    if (!isAnswered && !signal.aborted) {
      this.#turnFrom(at);
      this.#token = undefined;
    }
    return isAnswered;
  }

  close(): void {
    this.#connections.close();
  }

  #turnFrom(at: number): void {
    if (this.#preferred === at) this.#preferred = (at + 1) % this.#access.endpoints.length;
  }

  async #attempt(at: number, path: string, body: unknown, until: number): Promise<Said> {
    for (let isAgain = false; ; isAgain = true) {
      const token = await this.#tokenFrom(at, until);
      const question = this.#question(at, path, body, token);
      const answer = await this.#connections.ask(question, leftUntil(until));
      if (answer.status === 200) return this.#known(objectOf(answer.text));
      const said = errorOf(answer);
      const isStale = token !== undefined && said['code'] === unauthenticated;
      if (isStale && this.#token === token) this.#token = undefined;
      if (!isStale || isAgain) throw refused(answer, said);
    }
  }

  /** `said` itself, of the cluster that everything before it was of: endpoints of two would make two owners. */
  #known(said: Said): Said {
    const cluster = Object(said['header'])['cluster_id'];
    if (typeof cluster !== 'string') throw new Error('an answer of no cluster');
    this.#cluster ??= cluster;
    if (this.#cluster !== cluster) throw new Error(`cluster ${cluster}, not ${this.#cluster}`);
    return said;
  }

  async #tokenFrom(at: number, until: number): Promise<string | undefined> {
    const { login } = this.#access;
    if (login === undefined || this.#token !== undefined) return this.#token;
    const body = { name: login.user, password: login.password };
    const question = this.#question(at, 'auth/authenticate', body, undefined);
    const answer = await this.#connections.ask(question, leftUntil(until));
    if (answer.status !== 200) throw refused(answer, errorOf(answer));
    const { token } = objectOf(answer.text);
    if (typeof token !== 'string') throw new Error('no token');
    this.#token = token;
    return token;
  }

  #question(at: number, path: string, body: unknown, token: string | undefined): Question {
    return { url: new URL(`/v3/${path}`, this.#access.endpoints[at]), token, body };
  }
}

function leftUntil(until: number): number {
  return Math.max(1, until - performance.now());
}

/** Error for text that is no JSON object. */
function objectOf(text: string): Said {
  const said: unknown = JSON.parse(text);
  if (typeof said !== 'object' || said === null) throw new Error('an answer that is no object');
  return said as Said;
}

/** What is said of an error; nothing where something else than etcd answered. */
function errorOf({ text }: Answer): Said {
  try {
    return objectOf(text);
  } catch {
    return {};
  }
}

/** The `result` of a line of an answer that goes on. */
function resultOf(line: string): Said {
  const { result } = objectOf(line);
  if (typeof result !== 'object' || result === null) throw new Error('a line without a result');
  return result as Said;
}

function refused({ status }: Answer, { message, error }: Said): Error {
  return new Error(`status ${status}: ${String(message ?? error ?? 'not of etcd').slice(0, 200)}`);
}

function unknown(path: string, cause: unknown): FerryError {
  if (cause instanceof FerryError) return cause;
  const { message } = asFerryError(cause, 'ERR_LEASE_UNKNOWN');
  return new FerryError('ERR_LEASE_UNKNOWN', `etcd, ${path}: ${message}`, { cause });
}
