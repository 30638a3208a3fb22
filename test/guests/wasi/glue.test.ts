import * as shim from '@bjorn3/browser_wasi_shim';
import { describe, expect, it } from 'vitest';
import { wasiGlue } from '../../../src/guests/wasi/index.js';
import { DirtyBitmap } from '../../../src/memory/bitmap.js';
import { PAGE_BYTES, pageCountOf } from '../../../src/memory/pages.js';
import type { Region } from '../../../src/memory/region.js';
import { pictureOf, WasiMachine } from './machine.js';
import { Trip } from './trip.js';

/** All of `from` at once, while nothing runs. */
function move(from: WasiMachine, to: WasiMachine): Trip {
  const trip = new Trip(from.glue, to.glue);
  trip.start();
  trip.finish();
  return trip;
}

function pagesTaken(machine: WasiMachine, region: Region): number[] {
  const bitmap = DirtyBitmap.create(pageCountOf(region.maxByteLength));
  machine.glue.tracker.take(region, bitmap);
  const pages: number[] = [];
  for (const { first, count } of bitmap.runs()) {
    for (let page = first; page < first + count; page++) pages.push(page);
  }
  return pages;
}

/** A machine that is followed, with a file of ten pages behind descriptor 4, and its region. */
function followed(): { machine: WasiMachine; region: Region } {
  const machine = new WasiMachine([['log', new shim.File(new Uint8Array(10 * PAGE_BYTES))]]);
  expect(machine.open('log')).toBe(4);
  machine.glue.tracker.start();
  const region = machine.glue.regions().find(({ byteLength }) => byteLength === 10 * PAGE_BYTES);
  if (region === undefined) throw new Error('the file has no region');
  return { machine, region };
}

const text = (bytes: Uint8Array | number): string | number =>
  typeof bytes === 'number' ? bytes : new TextDecoder().decode(bytes);
const bytesOf = (content: string): Uint8Array => new TextEncoder().encode(content);

describe('a program of the WASI shim that moved', () => {
  it('reads on in a file where it was, through the same descriptor', () => {
    const [here, there] = [new WasiMachine(), new WasiMachine()];
    const descriptor = here.open('log', { create: true });
    here.write(descriptor, bytesOf('one two three'));
    here.seek(descriptor, 4, shim.wasi.WHENCE_SET);
    move(here, there);
    expect(text(there.read(descriptor, 3))).toBe('two');
    there.write(descriptor, bytesOf(' 2'));
    expect(text(there.read(descriptor, 100))).toBe('hree');
  });

  it('has an unlinked file that it keeps open, and a name that is linked twice', () => {
    const [here, there] = [new WasiMachine(), new WasiMachine()];
    const gone = here.open('gone', { create: true });
    here.write(gone, bytesOf('still here'));
    here.unlink('gone');
    here.open('first', { create: true });
    here.link('first', 'second');
    move(here, there);
    expect(pictureOf(there)).toEqual(pictureOf(here));
    there.seek(gone, 0, shim.wasi.WHENCE_SET);
    expect(text(there.read(gone, 100))).toBe('still here');
    const { contents } = there.root.dir;
    expect(contents.get('first')).toBe(contents.get('second'));
  });

  it('sees the directory as it was, with the numbers and the order of its entries', () => {
    const [here, there] = [new WasiMachine(), new WasiMachine()];
    here.makeDirectory('folder');
    for (const name of ['z', 'a', 'folder/m']) here.open(name, { create: true });
    const folder = here.open('folder');
    move(here, there);
    expect(there.list(3)).toEqual(here.list(3));
    expect(there.list(folder)).toEqual(here.list(folder));
  });

  it('gives files that it makes later a number that none has', () => {
    const [here, there] = [new WasiMachine(), new WasiMachine()];
    here.open('a', { create: true });
    const file = here.root.dir.contents.get('a');
    if (file !== undefined) file.ino = 10n ** 9n;
    Reflect.set(shim.Inode, 'next_ino', 10n ** 9n + 1n);
    const state = here.glue.save();
    Reflect.set(shim.Inode, 'next_ino', 5n);
    there.glue.adopt(here.glue.regions());
    there.glue.load(state);
    there.open('b', { create: true });
    expect(there.root.dir.contents.get('b')?.ino).toBe(10n ** 9n + 1n);
  });

  it('takes its arguments and its environment along', () => {
    const here = new WasiMachine([], {}, ['program', '--fast']);
    here.wasi.env.push('HOME=/');
    const there = new WasiMachine([], {}, ['other']);
    move(here, there);
    expect(there.wasi.args).toEqual(['program', '--fast']);
    expect(there.wasi.env).toEqual(['HOME=/']);
  });

  it('prints at the host where it is', () => {
    const [here, there] = [new WasiMachine(), new WasiMachine()];
    here.write(1, bytesOf('before'));
    move(here, there);
    there.write(1, bytesOf('after'));
    expect(here.printed).toEqual(['before']);
    expect(there.printed).toEqual(['after']);
  });

  it('leaves the host the objects of its open directories', () => {
    const [here, there] = [new WasiMachine(), new WasiMachine()];
    const { root } = there;
    here.open('a', { create: true });
    move(here, there);
    expect(there.root).toBe(root);
    expect([...root.dir.contents.keys()]).toEqual(['a']);
  });

  it('may not write to a file that is read-only', () => {
    const file = new shim.File([1, 2, 3], { readonly: true });
    const [here, there] = [new WasiMachine([['fixed', file]]), new WasiMachine()];
    move(here, there);
    expect(there.open('fixed')).toBe(-shim.wasi.ERRNO_PERM);
  });

  it('finds a file that shrank as short as it is, and zeros where it grows again', () => {
    const [here, there] = [new WasiMachine(), new WasiMachine()];
    const descriptor = here.open('a', { create: true });
    here.write(descriptor, new Uint8Array(9000).fill(7));
    const trip = new Trip(here.glue, there.glue);
    trip.start();
    trip.round();
    here.resize(descriptor, 10);
    trip.finish();
    there.resize(descriptor, 20);
    there.seek(descriptor, 0, shim.wasi.WHENCE_SET);
    const content = [...new Uint8Array(10).fill(7), ...new Uint8Array(10)];
    expect(there.read(descriptor, 100)).toEqual(Uint8Array.from(content));
  });

  it('is sent back with nothing but what changed', () => {
    const [here, there] = [new WasiMachine(), new WasiMachine()];
    for (let file = 0; file < 20; file++) {
      const descriptor = here.open(`file ${file}`, { create: true });
      here.write(descriptor, new Uint8Array(10 * PAGE_BYTES).fill(1 + file));
    }
    move(here, there);
    for (let trips = 0; trips < 3; trips++) {
      const [from, to] = trips % 2 === 0 ? [there, here] : [here, there];
      from.writeAt(4 + trips, bytesOf('changed'), 5 * PAGE_BYTES);
      expect(move(from, to).copied).toEqual({ same: 0, different: 1 });
      expect(pictureOf(to)).toEqual(pictureOf(from));
    }
  });

  it('is sent to a place that has the same files with nothing but what differs', () => {
    const preset = (): [string, shim.Inode][] => [
      ['library', new shim.File(new Uint8Array(100 * PAGE_BYTES).fill(3))],
    ];
    const [here, there] = [new WasiMachine(preset()), new WasiMachine(preset())];
    here.writeAt(here.open('library'), bytesOf('patched'), 7 * PAGE_BYTES);
    expect(move(here, there).copied).toEqual({ same: 0, different: 1 });
  });
});

describe('the clock of a program', () => {
  it('that runs forward only goes on elsewhere from where it was', () => {
    let [hereNow, thereNow] = [5_000_000_000n, 70n];
    const here = new WasiMachine([], { now: () => hereNow });
    const there = new WasiMachine([], { now: () => thereNow });
    expect(here.time(shim.wasi.CLOCKID_MONOTONIC)).toBe(5_000_000_000n);
    hereNow += 1000n;
    move(here, there);
    thereNow += 30n;
    expect(there.time(shim.wasi.CLOCKID_MONOTONIC)).toBe(5_000_001_030n);
    hereNow += 10n ** 12n;
    move(there, here);
    hereNow += 4n;
    expect(here.time(shim.wasi.CLOCKID_MONOTONIC)).toBe(5_000_001_034n);
  });

  it('is read once a state was loaded, not before', () => {
    const [here, there] = [
      new WasiMachine([], { now: () => 500n }),
      new WasiMachine([], { now: () => 70n }),
    ];
    there.glue.adopt(here.glue.regions());
    expect(there.time(shim.wasi.CLOCKID_MONOTONIC)).toBe(70n);
  });

  it('that tells the time of day is the host’s', () => {
    const machine = new WasiMachine([], { now: () => 0n });
    const before = BigInt(Date.now()) * 1_000_000n;
    expect(machine.time(shim.wasi.CLOCKID_REALTIME)).toBeGreaterThanOrEqual(before);
  });

  it.each(['while', 'moment'])('is what it waits by: for a %s', (kind) => {
    let now = 40n;
    const machine = new WasiMachine([], { now: () => (now += 10n) });
    const [subscription, event, count] = [4096, 8192, 12288];
    const { view } = machine;
    view.setBigUint64(subscription, 77n, true);
    view.setUint32(subscription + 16, shim.wasi.CLOCKID_MONOTONIC, true);
    view.setBigUint64(subscription + 24, kind === 'while' ? 1000n : 2000n, true);
    view.setUint16(subscription + 40, kind === 'while' ? 0 : 1, true);
    expect(machine.call('poll_oneoff', subscription, event, 1, count)).toBe(0);
    expect(now).toBe(kind === 'while' ? 1050n : 2000n);
    expect(view.getBigUint64(event, true)).toBe(77n);
    expect(view.getUint32(count, true)).toBe(1);
  });
});

describe('the tracker of files', () => {
  it('names the pages that were written, and no other', () => {
    const { machine, region } = followed();
    machine.writeAt(4, new Uint8Array(2), 3 * PAGE_BYTES - 1);
    expect(pagesTaken(machine, region)).toEqual([2, 3]);
    machine.seek(4, 7 * PAGE_BYTES, shim.wasi.WHENCE_SET);
    machine.write(4, new Uint8Array(1));
    expect(pagesTaken(machine, region)).toEqual([7]);
    machine.read(4, 100);
    expect(pagesTaken(machine, region)).toEqual([]);
  });

  it('names what a shorter file lacks', () => {
    const { machine, region } = followed();
    machine.resize(4, 8 * PAGE_BYTES + 1);
    expect(pagesTaken(machine, region)).toEqual([8, 9]);
    machine.allocate(4, 0, 9 * PAGE_BYTES);
    expect(pagesTaken(machine, region)).toEqual([8]);
  });

  it('names every page of a file whose data the host replaced, or says it wrote', () => {
    const { machine, region } = followed();
    const file = machine.root.dir.contents.get('log') as shim.File;
    file.data = new Uint8Array(10 * PAGE_BYTES);
    machine.write(4, new Uint8Array(1));
    expect(pagesTaken(machine, region).length).toBeGreaterThanOrEqual(10);
    expect(pagesTaken(machine, region)).toEqual([]);
    file.data.fill(1);
    machine.glue.wrote(file);
    expect(pagesTaken(machine, region).length).toBeGreaterThanOrEqual(10);
  });

  it('names every page of a file in whose write the program failed', () => {
    const { machine, region } = followed();
    machine.view.setUint32(512, 0, true);
    machine.view.setUint32(516, 100, true);
    const beyond = machine.memory.buffer.byteLength;
    expect(() => machine.call('fd_pwrite', 4, 512, 1, 0n, beyond)).toThrow(RangeError);
    expect(pagesTaken(machine, region)).toContain(0);
  });
});

describe('what cannot travel', () => {
  class Socket extends shim.Fd {}

  it('is a descriptor that nobody knows, and said by name', () => {
    const machine = new WasiMachine();
    machine.wasi.fds.push(new Socket());
    expect(machine.glue.check()).toEqual([expect.stringMatching(/descriptor 4 is a Socket/)]);
    expect(() => machine.glue.save()).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });

  it('is no descriptor that the host has at both ends', () => {
    const pair = (): { wasi: shim.WASI; socket: Socket } => {
      const socket = new Socket();
      return { wasi: new shim.WASI([], [], [socket], { debug: false }), socket };
    };
    const [here, there] = [pair(), pair()];
    const from = wasiGlue({ ...here, shim, host: { socket: here.socket } });
    const to = wasiGlue({ ...there, shim, host: { socket: there.socket } });
    expect(from.check()).toEqual([]);
    here.wasi.fds.push(here.socket);
    to.load(from.save());
    expect(there.wasi.fds).toEqual([there.socket, there.socket]);
    expect(to.identity()).toBe(from.identity());
  });

  it('makes hosts that have other descriptors different', () => {
    const wasi = new shim.WASI([], [], [], { debug: false });
    const bare = wasiGlue({ wasi, shim });
    const socket = wasiGlue({ wasi, shim, host: { socket: new Socket() } });
    expect(bare.identity()).not.toBe(socket.identity());
  });

  it('is a subclass, and a field that the shim does not have', () => {
    class Encrypted extends shim.File {}
    const odd = Object.assign(new shim.File([]), { encrypted: true });
    const machine = new WasiMachine([
      ['a', new Encrypted([])],
      ['b', odd],
    ]);
    expect(machine.glue.check()).toEqual([
      expect.stringContaining('/a is a Encrypted'),
      expect.stringContaining('/b is a File'),
    ]);
  });

  it('is a directory in two places or below itself, and a name that no path has', () => {
    const twice = new shim.Directory(new Map());
    const loop = new shim.Directory(new Map());
    loop.contents.set('again', loop);
    const machine = new WasiMachine([
      ['a', twice],
      ['b', twice],
      ['c', loop],
      ['d/e', new shim.File([])],
    ]);
    const problems = machine.glue.check().join('\n');
    expect(problems).toContain('/b is a directory that stands elsewhere too');
    expect(problems).toContain('below itself');
    expect(problems).toContain('d/e');
  });

  it('is more files than an offer has room for', () => {
    const machine = new WasiMachine();
    for (let file = 0; file < 4000; file++) {
      machine.root.dir.contents.set(String(file), new shim.File([]));
    }
    expect(machine.glue.check()).toEqual([expect.stringContaining('4001 files')]);
  });

  it('is more descriptors than the other end makes room for: the shim gives none twice', () => {
    const machine = new WasiMachine();
    machine.wasi.fds.length = 2 ** 20 + 1;
    expect(machine.glue.check()).toEqual([expect.stringContaining('1048577 descriptors')]);
    machine.wasi.fds.length = 2 ** 20;
    expect(machine.glue.check()).toEqual([]);
  });
});

describe('the regions of files', () => {
  it('are called by their numbers, which are given once', () => {
    const machine = new WasiMachine([['a', new shim.File([1])]]);
    const before = machine.glue.regions().map(({ id, name }) => ({ id, name }));
    machine.unlink('a');
    machine.open('b', { create: true });
    const after = machine.glue.regions();
    expect(before.every(({ id, name }) => id >= 16 && name === `wasi ${id}`)).toBe(true);
    expect(before.map(({ id }) => id)).not.toContain(after.at(-1)?.id);
  });

  it('keep their object while the file fits and they are followed, and are another’s when it does not', () => {
    const { machine, region } = followed();
    machine.resize(4, region.maxByteLength);
    expect(machine.glue.regions()).toContain(region);
    expect(region.byteLength).toBe(region.maxByteLength);
    machine.resize(4, region.maxByteLength + 1);
    const { length } = machine.glue.regions();
    expect(length).toBe(2);
    expect(machine.glue.regions()).not.toContain(region);
    expect(machine.glue.regions().map(({ id }) => id)).not.toContain(region.id);
  });

  it('go by the same number when they are offered again, with room for what the file became', () => {
    const { machine, region } = followed();
    machine.glue.tracker.stop();
    machine.resize(4, region.maxByteLength);
    const again = machine.glue.regions().find(({ id }) => id === region.id);
    expect(again?.maxByteLength).toBeGreaterThan(region.maxByteLength);
    machine.resize(4, 1);
    expect(machine.glue.regions().find(({ id }) => id === region.id)?.byteLength).toBe(1);
  });

  it('refuse what lies outside them', () => {
    const machine = new WasiMachine();
    machine.glue.adopt([{ id: 16, name: 'wasi 16', byteLength: 10, maxByteLength: 10 }]);
    const [region] = machine.glue.regions();
    expect(() => region?.write(5, new Uint8Array(6))).toThrow(RangeError);
    expect(() => region?.grow(2 ** 40)).toThrow(
      expect.objectContaining({ code: 'ERR_REGION_TOO_LARGE' }),
    );
    expect(() => region?.grow(9)).toThrow(RangeError);
  });

  it('are no one else’s', () => {
    const machine = new WasiMachine();
    machine.glue.adopt([{ id: 16, name: 'heap', byteLength: 10, maxByteLength: 10 }]);
    expect(machine.glue.regions()).toEqual([]);
    const refused = expect.objectContaining({ code: 'ERR_GUEST' });
    expect(() => machine.glue.reshape(20, 'heap', 10)).toThrow(refused);
    expect(() => machine.glue.reshape(3, 'wasi 3', 10)).toThrow(refused);
  });
});
