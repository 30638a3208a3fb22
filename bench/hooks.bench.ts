import { instrumentGlue } from '../src/instrument/instrument-glue.js';
import { trackWrites } from '../src/instrument/track-writes.js';
import { type GlueWork, sqliteWork } from './glue-work.js';
import { ofRounds, type Result, type Suite } from './harness.js';

const rounds = 9;
const roundMs = 30;
const glueRounds = 41;
const memory = new WebAssembly.Memory({ initial: 16 });
const other = new WebAssembly.Memory({ initial: 16 });
const text = 'twenty characters ok';
const encoder = new TextEncoder();
const small = new Uint8Array(16);
const page = new Uint8Array(4096);

/** A call that writes into a buffer, some times over; what it needs is made beforehand, as glue does. */
type Case = (buffer: ArrayBuffer) => (calls: number) => void;

const cases: Readonly<Record<string, Case>> = {
  'set-16B': (buffer) => {
    const bytes = new Uint8Array(buffer);
    return (calls) => {
      for (let i = 0; i < calls; i++) bytes.set(small, i & 0xfff0);
    };
  },
  'set-4KiB': (buffer) => {
    const bytes = new Uint8Array(buffer);
    return (calls) => {
      for (let i = 0; i < calls; i++) bytes.set(page, i & 0xfff0);
    };
  },
  'fill-16B': (buffer) => {
    const bytes = new Uint8Array(buffer);
    return (calls) => {
      for (let i = 0; i < calls; i++) bytes.fill(i, i & 0xfff0, (i & 0xfff0) + 16);
    };
  },
  setUint32: (buffer) => {
    const view = new DataView(buffer);
    return (calls) => {
      for (let i = 0; i < calls; i++) view.setUint32(i & 0xfffc, i, true);
    };
  },
  'Atomics.or': (buffer) => {
    const words = new Int32Array(buffer);
    return (calls) => {
      for (let i = 0; i < calls; i++) Atomics.or(words, i & 0xffff, 1);
    };
  },
  encodeInto: (buffer) => {
    const bytes = new Uint8Array(buffer);
    return (calls) => {
      for (let i = 0; i < calls; i++) encoder.encodeInto(text, bytes);
    };
  },
  'Buffer.write': (buffer) => {
    const bytes = Buffer.from(buffer);
    return (calls) => {
      for (let i = 0; i < calls; i++) bytes.write(text, i & 0xfff0, 'latin1');
    };
  },
  writeUInt32LE: (buffer) => {
    const bytes = Buffer.from(buffer);
    return (calls) => {
      for (let i = 0; i < calls; i++) bytes.writeUInt32LE(i, i & 0xfffc);
    };
  },
  // Arrays so small lie among JavaScript's objects until somebody asks for their buffer.
  'set-new-array': () => (calls) => {
    for (let i = 0; i < calls; i++) new Uint8Array(16).set(small);
  },
};

export const suite: Suite = {
  question:
    'What does a call cost that writes into a buffer, while writes to another are tracked, or to this one, or none?',
  async *run() {
    for (const [name, make] of Object.entries(cases)) yield measured(name, make);
    yield await elements();
    yield await glue();
    yield beginning();
  },
};

function measured(name: string, make: Case): Result {
  const run = make(memory.buffer);
  const calls = callsFor(run);
  const plain: number[] = [];
  const besides: number[] = [];
  const besidesFour: number[] = [];
  const tracked: number[] = [];
  let told = 0;
  const onWrite = (_: number, byteLength: number) => {
    told += byteLength;
  };
  for (let round = 0; round < rounds; round++) {
    plain.push(nanoseconds(run, calls));
    const [first, ...more] = [1, 2, 3, 4].map(() => trackWrites(other, onWrite));
    besidesFour.push(nanoseconds(run, calls));
    for (const each of more) each.stop();
    besides.push(nanoseconds(run, calls));
    const mine = trackWrites(memory, onWrite);
    first?.stop();
    told = 0;
    tracked.push(nanoseconds(run, calls));
    mine.stop();
    if (told === 0 && name !== 'set-new-array') throw new Error(`${name}: nothing was told`);
  }
  const row = `write-log/hooks-${name}`;
  return ofRounds(row, 'ns', 'lower', besides, {
    'no hooks': plain,
    'four others tracked': besidesFour,
    'itself tracked': tracked,
  });
}

/** What an assignment to an element costs whose source was rewritten. */
async function elements(): Promise<Result> {
  const source = 'for (let i = 0; i < calls; i++) bytes[i & 0xffff] = i';
  const { code } = await instrumentGlue(source);
  const [plainRun, rewritten] = [source, code].map((body) => new Function('bytes', 'calls', body));
  const bytes = new Uint8Array(memory.buffer);
  const times = { plain: [] as number[], besides: [] as number[], tracked: [] as number[] };
  const told: number[] = [];
  const idle: number[] = [];
  const calls = callsFor((count) => rewritten?.(bytes, count));
  for (let round = 0; round < rounds; round++) {
    times.plain.push(nanoseconds((count) => plainRun?.(bytes, count), calls));
    idle.push(nanoseconds((count) => rewritten?.(bytes, count), calls));
    const others = trackWrites(other, () => {});
    times.besides.push(nanoseconds((count) => rewritten?.(bytes, count), calls));
    others.stop();
    let count = 0;
    const mine = trackWrites(memory, () => {
      count++;
    });
    times.tracked.push(nanoseconds((total) => rewritten?.(bytes, total), calls));
    mine.stop();
    told.push(count);
  }
  if (told.some((count) => count !== calls)) throw new Error('not each assignment was told');
  return ofRounds('write-log/elements', 'ns', 'lower', idle, {
    'as published': times.plain,
    'another tracked': times.besides,
    'itself tracked': times.tracked,
  });
}

/** What a program takes whose glue was rewritten: SQLite with sql.js, mostly texts that go through the glue. */
async function glue(): Promise<Result> {
  const published = await sqliteWork(false);
  const rewritten = await sqliteWork(true);
  for (const { run } of [published, rewritten]) for (let times = 0; times < 20; times++) run();
  const timesOf = ({ run }: GlueWork): number => nanoseconds(() => run(), 1) / 1e6;
  const idle: number[] = [];
  const plain: number[] = [];
  const tracked: number[] = [];
  for (let round = 0; round < glueRounds; round++) {
    plain.push(timesOf(published));
    idle.push(timesOf(rewritten));
    const tracking = trackWrites(rewritten.memory, () => {});
    tracked.push(timesOf(rewritten));
    tracking.stop();
  }
  return ofRounds('write-log/glue-sqlite', 'ms', 'lower', idle, {
    'as published': plain,
    'itself tracked': tracked,
  });
}

/** What the first `trackWrites` and the last `stop` take. */
function beginning(): Result {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    times.push(
      nanoseconds((calls) => {
        for (let i = 0; i < calls; i++) trackWrites(memory, () => {}).stop();
      }, 20) / 1000,
    );
  }
  return ofRounds('write-log/hooks-begin-and-end', 'us', 'lower', times, {});
}

/** How many calls take about as long as a measurement is to take. */
function callsFor(run: (calls: number) => void): number {
  run(10_000);
  return Math.ceil((roundMs * 1e6) / nanoseconds(run, 10_000));
}

/** Of the process's own time: what else runs on the machine is not counted. */
function nanoseconds(run: (calls: number) => void, calls: number): number {
  const before = process.cpuUsage();
  run(calls);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / calls;
}
