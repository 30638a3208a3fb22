import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { emscriptenGlue } from '../../../src/guests/emscripten/glue.js';
import { joinParts, splitParts } from '../../../src/guests/state-parts.js';
import type { GlueState } from '../../../src/guests/wasm/glue.js';
import { Move } from './move.js';
import { type Fs, type Program, type Stream, startProgram } from './program.js';
import { describeTree } from './tree.js';

let here: Program;
let there: Program;
let source: GlueState;
let destination: GlueState;

beforeEach(async () => {
  [here, there] = await Promise.all([startProgram(), startProgram()]);
  [source, destination] = [emscriptenGlue(here), emscriptenGlue(there)];
});

/** A state as one value, and back. */
interface Said {
  readonly head: unknown;
  /** Lines of nodes. */
  readonly nodes: readonly unknown[];
}

function decode(state: Uint8Array): Said {
  const [head, nodes] = splitParts(state, 2).map((part) => new TextDecoder().decode(part));
  const lines = (nodes ?? '').split('\n').slice(0, -1);
  return { head: JSON.parse(head ?? ''), nodes: lines.map((line) => JSON.parse(line)) };
}

function encode({ head, nodes }: Said): Uint8Array {
  const lines = Object.values(Object(nodes)).map((line) => `${JSON.stringify(line)}\n`);
  const parts = [JSON.stringify(head), lines.join('')];
  return joinParts(parts.map((part) => new TextEncoder().encode(part)));
}

const ones = (length: number): Uint8Array => new Uint8Array(length).fill(1);
const regionOf = (glue: GlueState, name: string) =>
  glue.regions().find((region) => region.name === name);

function expectEqual(): void {
  expect(describeTree(there.module.FS)).toEqual(describeTree(here.module.FS));
}

describe('what is written to a file', () => {
  it('is sent once, and nothing else', () => {
    const { FS } = here.module;
    FS.writeFile('/tmp/a', ones(40_000));
    const move = new Move(source, destination);
    expect(move.round()).toBe(0);
    const stream = FS.open('/tmp/a', 'r+');
    FS.write(stream, ones(10), 0, 10, 8190);
    expect(move.round()).toBe(2);
    expect(move.round()).toBe(0);
  });

  it('goes with a file that had no name any more when it is closed', () => {
    const { FS } = here.module;
    const stream = FS.open('/tmp/a', 'w+');
    FS.write(stream, ones(9000), 0, 9000, 0);
    FS.unlink('/tmp/a');
    const move = new Move(source, destination);
    expect(source.regions()).toHaveLength(1);
    move.rehearse();
    FS.close(stream);
    move.end();
    expectEqual();
    expect(source.regions()).toEqual([]);
    expect(destination.regions()).toEqual([]);
  });

  it('goes with a file without a name that arrived and is closed there', () => {
    const { FS } = here.module;
    FS.write(FS.open('/tmp/a', 'w+'), ones(9000), 0, 9000, 0);
    FS.unlink('/tmp/a');
    new Move(source, destination).end();
    expect(destination.regions()).toHaveLength(1);
    const [arrived] = there.module.FS.streams.slice(3);
    there.module.FS.close(arrived as Stream);
    new Move(destination, source).end();
    expectEqual();
    expect(source.regions()).toEqual([]);
  });

  it('is sent where a file lost bytes and got others', () => {
    const { FS } = here.module;
    FS.writeFile('/tmp/a', ones(20_000));
    const move = new Move(source, destination);
    FS.truncate('/tmp/a', 12_000);
    move.round();
    FS.truncate('/tmp/a', 19_000);
    move.end();
    expectEqual();
  });

  it('is sent where a file takes over the array that is written to it', () => {
    const { FS } = here.module;
    FS.writeFile('/tmp/a', ones(9000));
    const move = new Move(source, destination);
    const stream = FS.open('/tmp/a', 'r+');
    FS.write(stream, ones(5000).fill(2), 0, 5000, 0, true);
    move.end();
    expectEqual();
  });

  it('is sent where somebody gave a file other contents by hand', () => {
    const { FS } = here.module;
    FS.writeFile('/tmp/a', ones(9000));
    const move = new Move(source, destination);
    const { node } = FS.lookupPath('/tmp/a');
    node.contents = ones(9000).fill(3);
    expect(move.round()).toBe(3);
    node.contents = ones(9000).fill(4);
    const stream = FS.open('/tmp/a', 'r+');
    FS.write(stream, ones(1), 0, 1, 0);
    expect(move.round()).toBe(3);
    move.end();
    expectEqual();
  });

  it('travels where a program wrote signed bytes, all of a file at once', () => {
    const { FS } = here.module;
    const stream = FS.open('/tmp/a', 'w+');
    FS.write(stream, new Int8Array(5000).fill(-3) as never, 0, 5000);
    expect(FS.lookupPath('/tmp/a').node.contents).toBeInstanceOf(Int8Array);
    expect(source.regions().map(({ byteLength }) => byteLength)).toEqual([5000]);
    new Move(source, destination).end();
    expect(there.module.FS.readFile('/tmp/a')).toEqual(ones(5000).fill(253));
  });

  it('travels where the file was a plain list of bytes', () => {
    const { FS } = here.module;
    FS.writeFile('/tmp/a', ones(3));
    FS.lookupPath('/tmp/a').node.contents = [1, 2, 3];
    new Move(source, destination).end();
    expectEqual();
  });
});

describe('a region', () => {
  it('follows its file where that is renamed, and vanishes with it', () => {
    const { FS } = here.module;
    FS.writeFile('/tmp/a', ones(10));
    const region = regionOf(source, '/tmp/a');
    FS.rename('/tmp/a', '/tmp/b');
    expect(source.regions()).toEqual([region]);
    FS.unlink('/tmp/b');
    expect(source.regions()).toEqual([]);
  });

  it('lives on without a name while its file is open', () => {
    const { FS } = here.module;
    FS.writeFile('/tmp/a', ones(10));
    const stream = FS.open('/tmp/a', 'r+');
    FS.unlink('/tmp/a');
    new Move(source, destination).end();
    const opened = there.module.FS.streams[stream.fd ?? -1];
    expect(opened?.node.contents).toEqual(ones(10));
    expectEqual();
  });

  it('is another one, with a new number, once its file outgrew it or lost most of it', () => {
    const { FS } = here.module;
    FS.writeFile('/tmp/a', ones(200_000));
    const first = regionOf(source, '/tmp/a');
    FS.truncate('/tmp/a', 90_000);
    const second = regionOf(source, '/tmp/a');
    expect(second).not.toBe(first);
    expect(second?.byteLength).toBe(90_000);
    FS.truncate('/tmp/a', (second?.maxByteLength ?? 0) + 1);
    const third = regionOf(source, '/tmp/a');
    expect(new Set([first?.id, second?.id, third?.id]).size).toBe(3);
  });

  it('begins with what the destination has under its name, and says so', () => {
    const { FS } = here.module;
    FS.writeFile('/tmp/a', ones(100));
    FS.writeFile('/tmp/b', ones(100));
    there.module.FS.writeFile('/tmp/a', ones(300).fill(7));
    const offered = source.regions();
    destination.adopt?.(offered);
    const [a, b] = offered.map(({ id }) => destination.regions().find((each) => each.id === id));
    expect(a).toMatchObject({ held: true, fresh: false, byteLength: 100 });
    expect(b).toMatchObject({ held: false, fresh: true, byteLength: 0 });
    const read = new Uint8Array(100);
    a?.read(0, read);
    expect(read).toEqual(ones(100).fill(7));
    a?.write(0, ones(100));
    expect(there.module.FS.readFile('/tmp/a')).toEqual(ones(300).fill(7));
  });

  it('has a hash for a name where its path is too long', () => {
    const { FS } = here.module;
    const path = ['/tmp', 'x'.repeat(200), 'y'.repeat(200)];
    FS.mkdir(path.slice(0, 2).join('/'));
    FS.writeFile(path.join('/'), ones(10));
    expect(source.regions()[0]?.name).toMatch(/^sha256:[0-9a-f]{64}$/);
    new Move(source, destination).end();
    expectEqual();
  });

  it("is refused by a number that is not a file's", () => {
    for (const id of [0, 15, 2 ** 31]) {
      const offered = [{ id, name: '/tmp/a', byteLength: 1, maxByteLength: 1 }];
      expect(() => destination.adopt?.(offered)).toThrow(`region ${id}`);
    }
  });
});

describe('a file that is part of the program', () => {
  const isStill = (path: string): boolean => path.startsWith('/tmp/');

  beforeEach(() => {
    for (const program of [here, there]) program.module.FS.writeFile('/tmp/a', ones(5000));
    source = emscriptenGlue({ ...here, isStill });
    destination = emscriptenGlue({ ...there, isStill });
  });

  it('does not travel while nobody wrote to it', () => {
    expect(source.regions()).toEqual([]);
    new Move(source, destination).end();
    expectEqual();
  });

  it('travels once somebody did', () => {
    here.module.FS.writeFile('/tmp/a', ones(5000).fill(2));
    expect(source.regions()).toHaveLength(1);
    new Move(source, destination).end();
    expectEqual();
    new Move(destination, source).end();
    expectEqual();
  });

  it('has to be the same at the other side', () => {
    there.module.FS.writeFile('/tmp/a', ones(5000).fill(2));
    expect(() => new Move(source, destination).end()).toThrow('file "a" is part of the program');
  });
});

describe('a state', () => {
  it('is refused where a device is not at both sides, and nothing changes', () => {
    there.module.FS.createDevice('/dev', 'mine', () => 0);
    const before = describeTree(there.module.FS);
    expect(() => new Move(source, destination).end()).toThrow('/dev/mine is only on this side');
    expect(describeTree(there.module.FS)).toEqual(before);
    expect(() => new Move(destination, source).end()).toThrow('device "mine" is not here');
  });

  it('is refused where it is too long', () => {
    for (let index = 0; index < 20_000; index++) here.module.FS.mkdir(`/tmp/${index}`);
    expect(() => source.save()).toThrow(expect.objectContaining({ code: 'ERR_STATE_TOO_LARGE' }));
  });

  it('is refused, with nothing changed, whatever is not as it should be', () => {
    const { FS } = here.module;
    FS.writeFile('/tmp/a', ones(10));
    FS.symlink('/tmp/a', '/tmp/l');
    FS.dupStream(FS.open('/tmp/a', 'r'));
    const move = new Move(source, destination);
    move.round();
    const text = JSON.stringify(decode(source.save()));
    const places: (string | number)[][] = [];
    const walk = (value: unknown, path: (string | number)[]): void => {
      places.push(path);
      if (typeof value !== 'object' || value === null) return;
      for (const [key, item] of Object.entries(value)) {
        walk(item, [...path, Array.isArray(value) ? Number(key) : key]);
      }
    };
    walk(JSON.parse(text), []);
    fc.assert(
      fc.property(
        fc.constantFrom(...places.slice(1)),
        fc.oneof(
          fc.constantFrom(
            null,
            -1,
            1e300,
            2 ** 31,
            0.5,
            '',
            '..',
            'a/b',
            '__proto__',
            [],
            {},
            true,
          ),
          fc.nat(70_000),
          fc.string(),
        ),
        (place, value) => {
          const state = JSON.parse(text);
          const parent = place.slice(0, -1).reduce((at, key) => at[key], state);
          parent[place.at(-1) as string] = value;
          const before = describeTree(there.module.FS);
          try {
            destination.load(encode(state));
          } catch (error) {
            expect(error).toMatchObject({ code: 'ERR_GUEST' });
            expect(describeTree(there.module.FS)).toEqual(before);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('a state that is like the last', () => {
  let move: Move;

  beforeEach(() => {
    const { FS } = here.module;
    for (const name of ['a', 'b', 'c']) FS.writeFile(`/tmp/${name}`, ones(5000));
    FS.symlink('/tmp/a', '/tmp/l');
    move = new Move(source, destination);
    move.round();
    move.rehearse();
    expectEqual();
  });

  it('makes of each node what it says, whatever somebody did to it here meanwhile', () => {
    const { FS } = there.module;
    const node = (path: string) => FS.lookupPath(path).node;
    node('/tmp/a').mtime = 5;
    node('/tmp/b').mode = 0o100000;
    node('/tmp/c').usedBytes = 1;
    node('/tmp/c').contents = ones(7);
    const link = Reflect.get(Object(node('/tmp').contents), 'l') as Fs['root'];
    link.link = '/elsewhere';
    expect(describeTree(FS)).not.toEqual(describeTree(here.module.FS));
    move.rehearse();
    expectEqual();
  });

  it('says what somebody did to a node by hand at the source', () => {
    const node = (path: string) => here.module.FS.lookupPath(path).node;
    node('/tmp/a').mtime = 5;
    node('/tmp/b').mode = 0o100600;
    (Reflect.get(Object(node('/tmp').contents), 'l') as Fs['root']).link = '/elsewhere';
    move.rehearse();
    expectEqual();
  });

  it('brings back what vanished here, and takes away what appeared', () => {
    const { FS } = there.module;
    FS.mkdir('/tmp/new');
    FS.rename('/tmp/a', '/tmp/new/a');
    move.rehearse();
    expectEqual();
    expect(FS.readFile('/tmp/a')).toEqual(ones(5000));
  });

  it('changes nothing where a file has more bytes than came', () => {
    here.module.FS.chmod('/tmp/b', 0o600);
    here.module.FS.truncate('/tmp/a', 9000);
    const before = describeTree(there.module.FS);
    expect(() => move.rehearse()).toThrow('more bytes than region');
    expect(describeTree(there.module.FS)).toEqual(before);
    move.end();
    expectEqual();
  });

  it('compares a file that is part of the program where somebody changed it here', () => {
    const isStill = (path: string): boolean => path.startsWith('/tmp/');
    source = emscriptenGlue({ ...here, isStill });
    destination = emscriptenGlue({ ...there, isStill });
    move = new Move(source, destination);
    move.rehearse();
    here.module.FS.lookupPath('/tmp/b').node.mtime = 5;
    move.rehearse();
    expectEqual();
    there.module.FS.lookupPath('/tmp/a').node.contents = ones(5000).fill(2);
    expect(() => move.rehearse()).toThrow('file "a" is part of the program');
  });
});

describe('what cannot travel', () => {
  it('is nothing in a program that has just started', () => {
    expect(source.check?.()).toEqual([]);
  });

  it('is named: other file systems, files that are not loaded, sockets, pipes that are not empty', () => {
    const { FS } = here.module;
    FS.mkdir('/work');
    const root = FS.root.mount.type;
    FS.mount({ mount: () => root.createNode(FS.root, '/', 0o40777, 0) }, {}, '/work');
    FS.createLazyFile('/tmp', 'lazy', 'http://localhost/', true, false);
    const node = { ...FS.lookupPath('/tmp').node };
    const open = (fd: number, more: object): void => {
      FS.streams[fd] = { ...FS.open('/tmp', 'r'), ...more };
    };
    open(20, { node: { ...node, sock: {} }, path: 'socket:[1]' });
    const pipe = { buckets: [{ offset: 3, roffset: 1 }] };
    open(21, { node: { ...node, pipe }, path: 'pipe[0]' });
    open(22, {
      node: { ...node, pipe: { buckets: [{ offset: 3, roffset: 3 }] } },
      path: 'pipe[1]',
    });
    open(23, { node, path: '/elsewhere' });
    expect(source.check?.()).toEqual([
      '/work is another file system, outside the program',
      'file /tmp/lazy is to be loaded later, or not in memory',
      'descriptor 20 (socket:[1]) is a socket',
      'descriptor 21 (pipe[0]) is a pipe with something in it',
      'descriptor 23 (/elsewhere) is of a file system outside the program',
    ]);
  });

  it('is named: more files than an offer has room for', () => {
    for (let index = 0; index < 4001; index++) here.module.FS.writeFile(`/tmp/${index}`, 'x');
    expect(source.check?.()).toEqual([expect.stringContaining('4001 files')]);
  });

  it('is a program that shows no files', () => {
    expect(() => emscriptenGlue({ module: {}, program: here.program })).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
    const aborting = {
      get FS(): never {
        throw new Error("'FS' was not exported");
      },
    };
    expect(() => emscriptenGlue({ module: aborting, program: here.program })).toThrow(
      'it does not export FS',
    );
  });
});

describe('memory', () => {
  it('grows to exactly what is asked for, and the program goes on with it', () => {
    const { memory } = here.program;
    const wanted = memory.buffer.byteLength + 3 * 65536;
    source.grow?.(wanted);
    expect(memory.buffer.byteLength).toBe(wanted);
    source.grow?.(wanted);
    const db = new here.module.Database();
    db.run('create table t(v); insert into t values (randomblob(30000000))');
    expect(db.exec('select length(v) from t')[0]?.values).toEqual([[30_000_000]]);
    expect(memory.buffer.byteLength).toBeGreaterThan(wanted);
  });

  it('does not grow where its glue knows no way, or to no length', () => {
    const { program } = here;
    const fixed = emscriptenGlue({ ...here, program: { ...program, imports: {} } });
    const present = program.memory.buffer.byteLength;
    expect(() => fixed.grow?.(present + 65536)).toThrow('cannot grow');
    expect(() => source.grow?.(present + 1)).toThrow('cannot become');
    expect(() => source.grow?.(present - 65536)).toThrow('cannot become');
  });
});

describe('functions of JavaScript in the table', () => {
  it('have the same names at both ends, and are found anew each time', () => {
    const before = source.hostFunctions?.().size ?? 0;
    for (const { module } of [here, there]) {
      module.addFunction((value) => value, 'ii');
      module.addFunction(() => 0, 'vii');
    }
    const names = [...(source.hostFunctions?.().keys() ?? [])];
    expect(names).toHaveLength(before + 2);
    expect([...(destination.hostFunctions?.().keys() ?? [])]).toEqual(names);
    const made = source.hostFunctions?.().get(names.at(-2) ?? '');
    expect((made as (value: number) => number)(5)).toBe(5);
  });
});

describe('a database in a file', () => {
  it("goes on at the destination where the program's memory comes along", () => {
    const db = new here.module.Database();
    db.run('create table t(a integer primary key, b text)');
    db.run(
      "with recursive n(a) as (select 1 union all select a + 1 from n where a < 1000) insert into t select a, 'row ' || a from n",
    );
    db.run('begin');
    db.run('delete from t where a > 900');
    new Move(source, destination).end();
    const [from, to] = [here.program, there.program];
    destination.grow?.(from.memory.buffer.byteLength);
    new Uint8Array(to.memory.buffer).set(new Uint8Array(from.memory.buffer));
    const moved = Object.assign(Object.create(there.module.Database.prototype), db);
    expect(moved.exec('select count(*), max(a) from t')[0]?.values).toEqual([[900, 900]]);
    moved.run('commit');
    expect(moved.exec('pragma integrity_check')[0]?.values).toEqual([['ok']]);
  });
});
