/** What results are to reach, and what keeps them from reaching more. */
export interface Goal {
  readonly what: string;
  /** Of the results it is about. */
  readonly name: RegExp;
  readonly limit: /** At least so much of a peer's speed. */
    | { readonly ratio: number; readonly to: string }
    /** At most so many times what a peer needs, or another result of ours. */
    | { readonly times: number; readonly of: string }
    /** In its own unit. */
    | { readonly atMost: number }
    | { readonly atLeast: number };
  /** Where the rest goes. */
  readonly rest: string;
}

const iperf3 = 'iperf3 -P1';
const scalar = 'scalar C';
const xdelta = 'xdelta3 -1';
const threePasses = 'C in three passes';

export const kernelGoals: readonly Goal[] = [
  {
    what: 'dirty scan, in the arena',
    name: /^scan\/.*-in-arena$/,
    limit: { ratio: 0.9, to: 'C (memcmp)' },
    rest: 'memcmp compares 32 bytes an instruction (AVX2), WebAssembly 16; in memory both wait for it',
  },
  {
    what: 'dirty scan, in a foreign ArrayBuffer',
    name: /^scan\/.*-foreign$/,
    limit: { ratio: 0.4, to: 'C (memcmp)' },
    rest: 'the kernel sees only its own memory: each piece is copied in first',
  },
  {
    what: 'XXH3 of every page',
    name: /^hash\/(pages|in-place)-64MiB$/,
    limit: { ratio: 1, to: 'libxxhash (SSE2)' },
    rest: 'the multiplication of lanes is two instructions where SSE2 has one; in place the hash is taken of a page at a time',
  },
  {
    what: 'the same',
    name: /^hash\/(pages|in-place)-64MiB$/,
    limit: { ratio: 1.3, to: 'our shadow scan' },
    rest: 'it reads half the bytes of a scan against a shadow, and computes with each',
  },
  {
    what: 'the same',
    name: /^hash\/(pages|in-place)-64MiB$/,
    limit: { ratio: 2, to: 'xxhash-wasm (XXH64)' },
    rest: 'nothing but the hash itself',
  },
  {
    what: 'XBZRLE encode',
    name: /^xbzrle\/encode-(one-word|8-words|64-words|1KiB-run|counter-every-8-bytes)$/,
    limit: { ratio: 1.5, to: scalar },
    rest: 'where runs are many their lengths and literals are written one by one in either language',
  },
  {
    what: 'pages that overflow',
    name: /^xbzrle\/encode-all-random$/,
    limit: { ratio: 2, to: scalar },
    rest: 'a random page is over after its first stretch in C too',
  },
  {
    what: 'pages that overflow',
    name: /^xbzrle\/encode-every-2nd-byte$/,
    limit: { ratio: 10, to: scalar },
    rest: 'counting bytes and runs in the masks, before anything is written',
  },
  {
    what: 'pages that overflow',
    name: /^xbzrle\/encode-half-the-bytes$/,
    limit: { ratio: 5, to: scalar },
    rest: 'counting bytes and runs in the masks, before anything is written',
  },
  {
    what: 'XBZRLE decode',
    name: /^xbzrle\/decode-/,
    limit: { ratio: 0.8, to: 'C (memcpy of the literals)' },
    rest: 'checking every length before a byte is written',
  },
  ...(
    [
      ['1', 1],
      ['10', 1.5],
      ['50', 2.2],
    ] as const
  ).map(([percent, ratio]) => ({
    what: `capture at ${percent} % dirty`,
    name: new RegExp(`^capture/kernel-${percent}%-dirty$`),
    limit: { ratio, to: threePasses },
    rest: 'reading memory and shadow once, and writing the shadow',
  })),
  {
    what: 'LZ4 of 64 KiB, compress',
    name: /^lz4\/compress-/,
    limit: { ratio: 0.6, to: 'liblz4' },
    rest: 'looking places up in a table, byte by byte where nothing matches, as liblz4 does',
  },
  {
    what: 'LZ4 of 64 KiB, decompress',
    name: /^lz4\/decompress-/,
    limit: { ratio: 0.65, to: 'liblz4' },
    rest: 'short sequences: the checks for each are the same, the copies 16 bytes at a time',
  },
  {
    what: 'embedded WebAssembly',
    name: /^limits\/embedded-wasm$/,
    limit: { atMost: 48 },
    rest: 'as much code as there are kernels',
  },
];

export const byteGoals: readonly Goal[] = [
  {
    what: '16 MiB, 2 % of pages touched in 4 places',
    name: /^delta-bytes\/sparse$/,
    limit: { times: 0.9, of: 'xdelta3 -9' },
    rest: 'each place costs two lengths beside its bytes, each page a few bytes of run table',
  },
  {
    what: 'the time for it',
    name: /^delta-bytes\/sparse-time$/,
    limit: { times: 1.5, of: 'Buffer.compare, page by page' },
    rest: 'hashing every page, then copying and encoding those that changed',
  },
  {
    what: 'SQLite, updates that change lengths',
    name: /^delta-bytes\/sqlite-lengths-lz4$/,
    limit: { times: 1.35, of: xdelta },
    rest: 'what is new in a row; xdelta3 codes it by its statistics, across all pages',
  },
  {
    what: 'SQLite, updates in place',
    name: /^delta-bytes\/sqlite-in-place-lz4$/,
    limit: { times: 1.15, of: xdelta },
    rest: 'a page begins anew with each 4096 bytes: what one copy says over many pages is said again for each',
  },
  {
    what: 'PGlite after 500 updates',
    name: /^delta-bytes\/pglite-lz4$/,
    limit: { times: 0.9, of: xdelta },
    rest: 'as for SQLite',
  },
  {
    what: 'a QuickJS heap',
    name: /^delta-bytes\/quickjs-lz4$/,
    limit: { times: 0.9, of: xdelta },
    rest: 'new objects with addresses and numbers that nothing in memory resembles',
  },
  {
    what: 'a Linux guest under small writes',
    name: /^delta-bytes\/linux-small-writes-lz4$/,
    limit: { times: 0.75, of: xdelta },
    rest: 'counters and lists all over the kernel, a few bytes in each page',
  },
  {
    what: 'a Linux guest, idle',
    name: /^delta-bytes\/linux-idle-lz4$/,
    limit: { times: 0.85, of: xdelta },
    rest: 'the same, fewer of them',
  },
  {
    what: 'a Linux guest filling a file',
    name: /^delta-bytes\/linux-file-lz4$/,
    limit: { times: 1, of: xdelta },
    rest: 'the bytes of the file; a frame that is mostly these is not compressed, and small changes in it are not either',
  },
  {
    what: 'a Node heap',
    name: /^delta-bytes\/node-heap-lz4$/,
    limit: { times: 1, of: xdelta },
    rest: 'a collection moves objects and changes the addresses within them',
  },
  {
    what: 'memory for patches',
    name: /^limits\/patch-memory$/,
    limit: { times: 1, of: '0.3 x the shadow + 8 MiB' },
    rest: '288 slots of four bytes for each page of shadow, and the ring',
  },
  {
    what: 'a changed page, captured with patches on',
    name: /^delta-bytes\/(random-pages|sqlite-.*|pglite)-encode-page$/,
    limit: { atMost: 6 },
    rest: 'looking up what is new: slots of a table that is in no cache, and the pages that pieces come from',
  },
  {
    what: 'a changed page, checked and applied',
    name: /^delta-bytes\/(sqlite-.*|pglite)-apply-page$/,
    limit: { atMost: 1 },
    rest: 'hashing what was built, pushing what it replaced to the ring, and checking the frame beforehand',
  },
];

export const migrationGoals: readonly Goal[] = [
  {
    what: '256 MiB image, warm',
    name: /^pipeline\/warm-link$/,
    limit: { ratio: 0.8, to: iperf3 },
    rest: 'a page is read, hashed, copied, hashed again and read back; iperf3 looks at nothing',
  },
  {
    what: 'the same without checksum',
    name: /^pipeline\/warm-without-checksum-link$/,
    limit: { ratio: 1, to: iperf3 },
    rest: 'every page is hashed at both ends all the same, and read back',
  },
  {
    what: 'the same over TLS, behind a token',
    name: /^pipeline\/tls-link$/,
    limit: { ratio: 0.35, to: iperf3 },
    rest: 'besides all that each byte is encrypted and decrypted on the same two threads, and read in pieces of 16 KiB at most',
  },
  {
    what: 'the same, cold destination',
    name: /^pipeline\/cold$/,
    limit: { times: 0.8, of: 'cat | nc' },
    rest: "touching the destination's memory for the first time",
  },
  {
    what: 'the same, cold destination',
    name: /^pipeline\/cold$/,
    limit: { times: 0.5, of: 'rsync -W' },
    rest: "touching the destination's memory for the first time",
  },
  {
    what: 'the same, cold destination',
    name: /^pipeline\/cold$/,
    limit: { times: 0.4, of: 'fs pipe' },
    rest: "touching the destination's memory for the first time",
  },
  ...[64, 256, 1024].flatMap((pages) => [
    {
      what: `pause to RUNNING, ${pages} pages`,
      name: new RegExp(`^downtime/${pages}-pages$`),
      limit: { times: 3, of: 'the same bytes and turns, no work' },
      rest: 'capture, apply, read back, two digests; and timers and turns of two event loops',
    },
    {
      what: 'its p99',
      name: new RegExp(`^downtime/${pages}-pages-p99$`),
      limit: { times: 3, of: `downtime/${pages}-pages` },
      rest: 'whatever else the machine does, and collections of garbage',
    },
  ]),
  {
    what: 'a first round over a slow or long link',
    name: /^link\/(?!resume|held|.*-extra-downtime$)/,
    limit: { ratio: 0.95, to: iperf3 },
    rest: 'frame headers, the window that keeps queues short, and moments in which the scheduler runs others for longer than the window lasts',
  },
  {
    what: 'bytes sent again by a migration of 1 GiB that was cut five times',
    name: /^link\/resume-bytes$/,
    limit: { atMost: 2 },
    rest: 'what was in flight: four frames',
  },
  {
    what: 'more downtime because of the link',
    name: /^link\/.*-extra-downtime$/,
    limit: { times: 1, of: '1.5 RTT + 10 ms' },
    rest: 'two turns: PREPARE to READY, COMMIT to RUNNING',
  },
  ...['forced on', 'forced off'].map((of) => ({
    what: `LZ4 and patches where they pay, beside ${of}`,
    name: /^adaptive\//,
    limit: { times: 1.05, of },
    rest: 'the frames from which it learns what pays',
  })),
  {
    what: 'predictions that are near what came: half of them, at least',
    name: /^predict\/.*-near$/,
    limit: { atLeast: 50 },
    rest: 'what other processes take of the machine between the prediction and the pause',
  },
  {
    what: 'how far off one prediction in ten is, or more',
    name: /^predict\/.*-p90$/,
    limit: { times: 1, of: 'goal' },
    rest: 'the same, where it lasts',
  },
  {
    what: "a busy guest on the engine's thread, work during to before",
    name: /^busy\/(marks|compare)-work$/,
    limit: { ratio: 0.7, to: 'before' },
    rest: 'what `cpuShare` gives to the engine, and the turns between the two',
  },
  {
    what: 'a busy guest, and the engine on another thread, a core to spare, work during to before',
    name: /^busy\/(own|engine)-thread-work$/,
    limit: { ratio: 0.9, to: 'before' },
    rest: 'the destination: with two cores none is to spare, and caches and memory are shared anyway',
  },
  {
    what: 'how late one timer in a hundred is there',
    name: /^busy\/(marks|compare)-timers-late-p99$/,
    limit: { atMost: 5 },
    rest: 'a slice of the engine, and a piece of the guest',
  },
  ...(
    [
      ['memory', 2],
      ['memory', 4],
      ['file', 8],
      ['file', 32],
    ] as const
  ).map(([what, gibibytes]) => ({
    what: `time for a GiB of data, ${gibibytes} GiB of ${what}`,
    name: new RegExp(`^size/${what}-${gibibytes}GiB$`),
    limit: { times: 1.15, of: '1 GiB' },
    rest: 'bookkeeping for each page, and looking for holes',
  })),
];

export const storeGoals: readonly Goal[] = [
  ...(['lz4', 'zstd'] as const).flatMap((method): Goal[] => [
    {
      what: `a first snapshot of 1 GiB of mixed memory, ${method}`,
      name: new RegExp(`^snapshot/first-${method}$`),
      limit: { ratio: 0.9, to: `${method} -1` },
      rest: 'SHA-256 of each page; the kernel compresses at two thirds of C; both cores are used',
    },
    {
      what: 'its bytes',
      name: new RegExp(`^snapshot/first-bytes-${method}$`),
      limit: { times: 1.1, of: `${method} -1` },
      rest: 'an id for each page; matches end with the block of pages',
    },
  ]),
  {
    what: 'a second one, one page in a hundred changed, no tracker',
    name: /^snapshot\/second$/,
    limit: { ratio: 2, to: 'rsync --inplace -W' },
    rest: 'a third of it is Node and its threads that start, a third reading the file with a fingerprint of each page; then a block of 64 pages is decompressed for each that a delta is made from',
  },
  {
    what: 'the same',
    name: /^snapshot\/second$/,
    limit: { ratio: 3, to: 'rsync -B4096' },
    rest: 'as above: starting, reading, decompressing',
  },
  {
    what: 'its bytes',
    name: /^snapshot\/second-bytes$/,
    limit: { times: 1.3, of: 'xdelta3 -1' },
    rest: 'an id for each page that changed',
  },
  {
    what: 'restoring 1 GiB, each page proven',
    name: /^snapshot\/restore$/,
    limit: { ratio: 0.8, to: 'cp --reflink=never' },
    rest: 'both cores are busy: a third of it writing, two threads at one file, a quarter SHA-256 of each page, a fifth decompressing, a tenth reading',
  },
  {
    what: 'the same',
    name: /^snapshot\/restore$/,
    limit: { ratio: 1, to: 'zstd -d' },
    rest: 'as above; zstd decompresses by one thread while another writes, and proves a checksum',
  },
  {
    what: 'how long a SQLite of 64 MiB stands still for a checkpoint, 100 transactions a second',
    name: /^snapshot\/checkpoint-pause$/,
    limit: { atMost: 2 },
    rest: 'copying the pages that are left, and its state',
  },
  {
    what: 'the same, one in a hundred',
    name: /^snapshot\/checkpoint-pause-p99$/,
    limit: { atMost: 6 },
    rest: 'garbage collections',
  },
  {
    what: 'its bytes',
    name: /^snapshot\/checkpoint-bytes$/,
    limit: { times: 0.02, of: 'all of it' },
    rest: 'what SQLite really changed',
  },
  {
    what: '20 snapshots pruned to 3',
    name: /^snapshot\/pruned-bytes$/,
    limit: { times: 1.05, of: 'a store of the three' },
    rest: 'what is packed with pages that stay',
  },
];

export const bundleGoals: readonly Goal[] = [
  {
    what: 'a machine of two images, 1 GiB of mixed memory, the first time',
    name: /^cold\/first$/,
    limit: { ratio: 0.8, to: 'rsync -W' },
    rest: 'SHA-256 and page hashes at both ends, reading back what was written, and the start of Node; rsync proves nothing but its stream',
  },
  {
    what: 'the same',
    name: /^cold\/first$/,
    limit: { ratio: 0.8, to: 'tar | nc' },
    rest: 'as above; these two look at nothing',
  },
  ...(
    [
      ['second', 'again, one page in a hundred changed, in place of the older one'],
      ['snapshot-base', 'the same beside a snapshot of the older one'],
    ] as const
  ).flatMap(([name, what]): Goal[] => [
    {
      what,
      name: new RegExp(`^cold/${name}$`),
      limit: { ratio: 1, to: 'rsync --inplace --no-whole-file' },
      rest: 'SHA-256 of each page at both ends; what is the same is copied, as the older one stays until the new one is well',
    },
    {
      what: 'its bytes',
      name: new RegExp(`^cold/${name}-bytes$`),
      limit: { times: 0.6, of: 'rsync --inplace --no-whole-file' },
      rest: 'whole pages',
    },
  ]),
];

export const replicationGoals: readonly Goal[] = [
  {
    what: 'from kill -9 of the primary of a SQLite to its standby that runs it, the embedded engine',
    name: /^replication\/takeover$/,
    limit: { atMost: 50 },
    rest: 'the kernel takes a process of that size apart before it frees its locks; flock(1) is started twice; the record is synced, the state loaded',
  },
  {
    what: 'the slowest of them',
    name: /^replication\/takeover-worst$/,
    limit: { atMost: 150 },
    rest: 'as above, on cores that others use',
  },
  {
    what: 'how long a SQLite of 64 MiB that writes some 100 pages in 50 ms stands still for an epoch',
    name: /^replication\/pause$/,
    limit: { atMost: 1 },
    rest: 'comparing and encoding the pages, and its state',
  },
  {
    what: 'the same, one in a hundred',
    name: /^replication\/pause-p99$/,
    limit: { atMost: 3 },
    rest: 'garbage collections',
  },
  {
    what: 'frames of an epoch of 100 pages with sixteen changed words each',
    name: /^replication\/epoch-bytes$/,
    limit: { times: 1.1, of: 'XBZRLE of its pages' },
    rest: 'run tables, two bytes of length for each delta, headers',
  },
  {
    what: 'a SQLite that goes as fast as it can, async, 20 epochs a second',
    name: /^replication\/async$/,
    limit: { ratio: 0.85, to: 'alone' },
    rest: 'its pages are compared and encoded on its own thread while it stands still; then its write log, sending, and caches that were emptied',
  },
  {
    what: '64 clients of a SQLite that each wait over TCP for their transaction, output-commit',
    name: /^replication\/output-commit$/,
    limit: { ratio: 0.6, to: 'alone' },
    rest: 'two cores are busy with three processes: the guest with its epochs, the standby, and the clients',
  },
  {
    what: 'the same, with clients in the process of the guest',
    name: /^replication\/output-commit-of-calls$/,
    limit: { ratio: 0.6, to: 'alone' },
    rest: 'such a transaction takes some microseconds: all clients wait for one epoch and its way there and back, and hardly anything is done meanwhile',
  },
  {
    what: 'the same, with ten transactions a call',
    name: /^replication\/output-commit-of-ten$/,
    limit: { ratio: 0.6, to: 'alone' },
    rest: 'as above; an epoch takes as long for ten times as much work',
  },
  {
    what: 'what waiting adds to a request, over TCP, of one transaction and of ten',
    name: /^replication\/added-latency(-of-calls|-of-ten)?$/,
    limit: { atMost: 3 },
    rest: 'a pause, frames to another process and back, applying and proving them there',
  },
  {
    what: 'a guest of 1 GiB that works, while a standby joins',
    name: /^replication\/joining$/,
    limit: { ratio: 0.7, to: 'alone' },
    rest: 'the share of the thread that copying takes (cpuShare 0.3)',
  },
];
