import {
  type JsonRecord,
  MalformedState,
  readCount,
  readJsonState,
  readList,
  readText,
  writeJsonState,
} from '../json-state.js';
import type { PgliteInsides, PgliteResults } from './types.js';

/** An array type and the type of its elements, by their numbers in pg_type. */
type ArrayType = readonly [array: number, element: number];

const mostTypes = 65_536;
const mostChannels = 65_536;
const mostName = 256;
const most32 = 2 ** 32 - 1;

/**
 * What a session keeps in JavaScript between two queries: how it reads arrays of types that were made since it began, and who is told of notifications. The latter are functions and
 * stay where they are: the same channels must be listened to at both ends, or all of them (`hearsAll`).
 */
export class SessionState {
  readonly #session: PgliteInsides;
  readonly #initArrayTypes: PgliteInsides['_initArrayTypes'];
  readonly #hearsAll: boolean;
  #types: readonly ArrayType[] = [];
  readonly #listeners = new Map<string, Set<unknown>>();

  /** From now on: give it a session that is just being made. */
  constructor(session: PgliteInsides, hearsAll: boolean) {
    this.#session = session;
    this.#hearsAll = hearsAll;
    this.#initArrayTypes = session._initArrayTypes.bind(session);
    session._initArrayTypes = (options) => this.#watchArrayTypes(options);
    this.#watchListeners();
  }

  /** Sees which types the session finds when it looks for them. */
  #watchArrayTypes(options: { readonly force?: boolean } | undefined): Promise<void> {
    const query = this.#session.query.bind(this.#session);
    return this.#withQuery(options, async (sql) => {
      const results = await query(sql);
      this.#types = results.rows.map(({ typarray, oid }) => [Number(typarray), Number(oid)]);
      return results;
    });
  }

  /** Its first step is its one query, asked for at once. */
  #withQuery(
    options: { readonly force?: boolean } | undefined,
    query: (sql: string) => Promise<PgliteResults>,
  ): Promise<void> {
    const session: PgliteInsides = this.#session;
    const own = Object.getOwnPropertyDescriptor(session, 'query');
    session.query = query;
    try {
      return this.#initArrayTypes(options);
    } finally {
      if (own === undefined) Reflect.deleteProperty(session, 'query');
      else Object.defineProperty(session, 'query', own);
    }
  }

  #watchListeners(): void {
    const session = this.#session;
    const listen = session.listen.bind(session);
    const unlisten = session.unlisten.bind(session);
    session.listen = async (channel, callback, transaction) => {
      const name = channelName(channel);
      const stop = await listen(channel, callback, transaction);
      const callbacks = this.#listeners.get(name) ?? new Set();
      this.#listeners.set(name, callbacks.add(callback));
      return stop;
    };
    session.unlisten = async (channel, callback, transaction) => {
      const name = channelName(channel);
      const callbacks = this.#listeners.get(name);
      if (callback !== undefined) callbacks?.delete(callback);
      if (callback === undefined || callbacks?.size === 0) this.#listeners.delete(name);
      await unlisten(channel, callback, transaction);
    };
  }

  save(): Uint8Array {
    const channels = [...this.#listeners.keys()].sort();
    return writeJsonState({ types: this.#types, channels });
  }

  /** Checks a state and gives what takes it over. ERR_GUEST for what is none, and channels that nobody listens to here. */
  prepare(state: Uint8Array): () => void {
    const types = readJsonState(state, 'the state of a PGlite session', (record) => {
      this.#checkChannels(record);
      return readTypes(record);
    });
    return () => {
      if (JSON.stringify(types) === JSON.stringify(this.#types)) return;
      this.#types = types;
      const rows = types.map(([typarray, oid]) => ({ typarray, oid }));
      // It does nothing but wait for the query that is answered here.
      void this.#withQuery({ force: true }, async () => ({ rows }));
    };
  }

  #checkChannels(record: JsonRecord): void {
    const channels = readList('channels', record['channels'], mostChannels, (name) =>
      readText('a channel', name, mostName),
    );
    const deaf = channels.filter((name) => !this.#listeners.has(name));
    if (deaf.length === 0 || this.#hearsAll) return;
    throw new MalformedState(
      `nobody listens to ${deaf.map((name) => JSON.stringify(name)).join(', ')} here: listen to it before the session comes, or give \`onNotification\``,
    );
  }
}

function readTypes(record: JsonRecord): ArrayType[] {
  return readList('types', record['types'], mostTypes, (item) => {
    const [array, element] = readList('a type', item, 2, (value) => value);
    return [readCount('an array type', array, most32), readCount('its element', element, most32)];
  });
}

/** As PostgreSQL knows a channel: in small letters, unless it is quoted. */
function channelName(channel: string): string {
  const isQuoted = channel.startsWith('"') && channel.endsWith('"');
  return isQuoted ? channel.slice(1, -1) : channel.toLowerCase();
}
