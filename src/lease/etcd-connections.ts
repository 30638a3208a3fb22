import { Agent as PlainAgent, request as plainRequest } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';

/** No answer, and no line of one that goes on, is longer: bytes. */
const mostBytes = 2 ** 20;

/** What `https:` endpoints are checked by, and what they are shown: PEM. */
export interface EtcdTls {
  /** Authorities that may have signed the endpoints' certificates; those of Node where there are none. */
  readonly ca?: string | undefined;
  /** This process's certificate, and its key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Name in the endpoints' certificates, where it is not the one in their URL. */
  readonly servername?: string | undefined;
}

export interface Question {
  readonly url: URL;
  readonly token: string | undefined;
  readonly body: unknown;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** An answer on its way: its status once it is whole. */
export interface Following {
  readonly done: Promise<number>;
  end(): void;
}

/**
 * The connections of one process to the members of an engine, kept for later questions. With `node:https`, as global `fetch` takes client certificates and authorities only through a
 * package. Follows no redirects.
 */
export class EtcdConnections {
  readonly #plain: PlainAgent = new PlainAgent({ keepAlive: true });
  readonly #secure: SecureAgent;
  readonly #open: Set<(error: Error) => void> = new Set();
  #isClosed = false;

  constructor({ ca, cert, key, servername }: EtcdTls) {
    const given = { ca, cert, key, servername };
    const known = Object.entries(given).filter(([, value]) => value !== undefined);
    this.#secure = new SecureAgent({
      ...Object.fromEntries(known),
      keepAlive: true,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
    });
  }

  /** The whole answer. Error: there is none within `timeoutMs`, or it is longer than 1 MiB. */
  async ask(question: Question, timeoutMs: number): Promise<Answer> {
    let text = '';
    const { done } = this.#send(question, timeoutMs, 'at all', (chunk) => {
      text += chunk;
      if (text.length > mostBytes) throw new Error('an answer of more than 1 MiB');
    });
    return { status: await done, text };
  }

  /** An answer that goes on, line by line. `done` rejects where nothing came for `idleMs`, resolves where it ended. */
  follow(question: Question, idleMs: number, onLine: (line: string) => void): Following {
    let rest = '';
    return this.#send(question, idleMs, 'between', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > mostBytes) throw new Error('a line of more than 1 MiB');
      for (const line of lines) if (line !== '') onLine(line);
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const fail of this.#open) fail(new Error('closed'));
    this.#plain.destroy();
    this.#secure.destroy();
  }

  #send(
    { url, token, body }: Question,
    timeoutMs: number,
    waits: 'at all' | 'between',
    onChunk: (chunk: string) => void,
  ): Following {
    if (this.#isClosed) throw new Error('closed');
    const bytes = Buffer.from(JSON.stringify(body));
    const isSecure = url.protocol === 'https:';
    const request = (isSecure ? secureRequest : plainRequest)(url, {
      agent: isSecure ? this.#secure : this.#plain,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': bytes.byteLength,
        // A member that has lost the others ends what it cannot answer for.
        'grpc-metadata-hasleader': 'true',
        ...(token === undefined ? {} : { authorization: token }),
      },
    });
    const { promise, resolve, reject } = deferred();
    // Destroying it may be heard of by nobody: an answer that switches protocols has no end of its own.
    const fail = (error: Error): void => {
      reject(error);
      request.destroy();
    };
    this.#open.add(fail);
    const timer = setTimeout(() => {
      fail(new Error(`nothing within ${Math.round(timeoutMs)} ms`));
    }, timeoutMs);
    request.on('error', fail);
    request.on('response', (response) => {
      response.setEncoding('utf8');
      response.on('error', fail);
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.on('data', (chunk: string) => {
        if (waits === 'between') timer.refresh();
        try {
          onChunk(chunk);
        } catch (error) {
          fail(error as Error);
        }
      });
    });
    request.end(bytes);
    const done = promise.finally(() => {
      clearTimeout(timer);
      this.#open.delete(fail);
    });
    return { done, end: () => fail(new Error('ended')) };
  }
}

function deferred(): {
  readonly promise: Promise<number>;
  resolve(status: number): void;
  reject(error: Error): void;
} {
  let resolve: (status: number) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<number>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
