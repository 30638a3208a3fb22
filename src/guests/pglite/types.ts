/**
 * The parts of @electric-sql/pglite that are used here: structural, as the package is an optional peer. Seen in 0.5; what is not public there is checked when a session opens.
 */

export interface PgliteResults {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** A session: what `PGlite.create` makes. */
export interface PgliteSession {
  query(sql: string, params?: unknown[], options?: object): Promise<PgliteResults>;
  exec(sql: string): Promise<unknown>;
  close(): Promise<void>;
  /** What the glue of its program exports. */
  readonly Module: object;
  readonly parsers: Record<number, unknown>;
}

/** What of a session is not public. */
export interface PgliteInsides extends PgliteSession {
  listen(channel: string, callback: unknown, transaction?: unknown): Promise<unknown>;
  unlisten(channel: string, callback?: unknown, transaction?: unknown): Promise<void>;
  onNotification(callback: (channel: string, payload: string) => void): unknown;
  execProtocolRawSync(message: Uint8Array): Uint8Array;
  _initArrayTypes(options?: { readonly force?: boolean }): Promise<void>;
  _runExclusiveTransaction<T>(work: () => Promise<T>): Promise<T>;
  _runExclusiveQuery<T>(work: () => Promise<T>): Promise<T>;
}

export interface PgliteExtension {
  readonly name: string;
  setup(session: PgliteInsides, emscriptenOptions: object): Promise<{ emscriptenOpts: object }>;
}

/** The class. */
export interface PgliteClass<S extends PgliteSession = PgliteSession> {
  // Its options are the package's to name.
  // biome-ignore lint/suspicious/noExplicitAny: they are handed on as they are
  create(options: any): Promise<S>;
}
