import { afterEach, describe, expect, it } from 'vitest';
import { instrumentGlue } from '../../src/instrument/index.js';
import { type Tracked, track } from './tracking.js';

/** Each writes into `u8`, `i32` or `f64`, views of one memory, from place 64 on. */
const assignments: readonly [string, string][] = [
  ['a number', 'u8[64] = 7'],
  ['what is computed', 'i32[p >> 2] = p'],
  ['the value of an assignment', 'return [u8[64] = i32[17] = 300, u8[64]]'],
  ['a list as a key', 'u8[p++, 70] = p'],
  ['a text as a key', "u8['66'] = 3"],
  ['an object as a key', 'u8[{ toString: () => { log.push("key"); return "67" } }] = 3'],
  ['in parentheses', '((u8)[((64))]) = (5)'],
  ['behind comments', 'u8 /* [ */ [ // ]\n 64 /* = */ ] /* 9 */ = /* ; */ 4'],
  ['in strict code', '"use strict"; u8[64] = 7'],
  ['in a strict function', 'return (function () { "use strict"; u8[64] = 7; return this })()'],
  ['in a class', 'return new (class { #p = 64; put() { u8[this.#p] = 9; return 1 } })().put()'],
  ['in an arrow function', '[64, 65].forEach((at) => u8[at] = at)'],
  ['in a generator', 'return [...(function* () { u8[yield 1] = yield 2; u8[64] = 8 })()]'],
  ['in a parameter', 'return ((x = u8[64] = 5) => x)()'],
  ['in a template', 'return `a$' + '{(u8[64] = 65)}b$' + '{u8[65]++}`'],
  ['into a view made on the way', 'new Uint8Array(u8.buffer, 64, 8)[1] = 5'],
  [
    'of what nobody can convert',
    'try { u8[64] = 1n } catch (e) { log.push(e.message) } u8[65] = 1',
  ],
  ['behind which a new line calls', 'u8[64] = p++\n;[1].map(log.push, log)'],
  ['that a new line ends', 'u8[64] = p++\n++p\nu8[65]++\n(log.push(p))\nu8[66]--\n[p]\n`x`'],
  ['that an arrow ends', 'u8[65]++; var f = u8[64] = () => {}\n/1/g.exec("1")\n'],
  ['that a break ends', 'while (true) { if (u8[64] = 1) break; }'],
  ['in else and do', 'if (!p) u8[64] = 1\nelse u8[65] = 2\ndo u8[66]++\nwhile (u8[66] < 3)'],
  ['behind return', 'return ++\nu8[64]'],
  ['behind typeof', 'return typeof++u8[64]'],
  ...['+', '-', '*', '/', '%', '**', '<<', '>>', '>>>', '&', '|', '^', '&&', '||', '??'].flatMap(
    (operator): [string, string][] => [
      [
        `${operator}= a number`,
        `u8[64] = 203; return [u8[64] ${operator}= 3, u8[65] ${operator}= 3]`,
      ],
      [
        `${operator}= what is read`,
        `u8[64] = 203; return u8[64] ${operator}= u8[65] + (log.push("right"), 3)`,
      ],
    ],
  ),
  ['+= that changes what it reads', 'u8[64] = 5; return u8[64] += (u8[64] = 9)'],
  ['+= with this and arguments', 'u8[64] += this.p + arguments.length'],
  ['++', 'return [u8[64]++, u8[64]]'],
  ['++ in front', 'return ++u8[64]'],
  ['--', 'return [u8[64]--, i32[20]-- - u8[64]-- ** 2]'],
  ['-- in front', 'return - --(i32[20])'],
  ['an array pattern', 'return [u8[64], [i32[17]], , ...f64[12]] = [1, [2], 3, 4]'],
  [
    'an array pattern with defaults',
    '[u8[64] = 5, u8[log.push("key"), 65] = log.push("value")] = [undefined]',
  ],
  [
    'an object pattern',
    '({ a: u8[64], b: { c: i32[17] = 8 }, ["d" + p]: u8[66] } = { a: 1, b: {}, d64: 3 })',
  ],
  ['what an object pattern leaves', '({ a: p, ...u8[64] } = { a: 1, valueOf: () => 5 })'],
  ['a pattern in parentheses', '[(u8[64])] = [5]'],
  ['for of', 'for (u8[p] of [1, 2, 3]) p++'],
  ['for of a pattern', 'for ([u8[p], i32[20]] of [[1, 2], [3, 4]]) p++'],
  ['for in', 'for (u8[p++] in { 1: 0, 2: 0 }) log.push(p)'],
  ['for in a declaration', 'for (var [x = u8[64] = 1] of [[]]) log.push(x)'],
  ['all parts of a for', 'for (var i = u8[64] = 3; u8[65] = i; u8[66]++) i--'],
  ['a label', 'out: for (;;) { u8[64] = 1; break out }'],
  ['nested', 'u8[u8[64] = 66] = u8[u8[65] = 67] = i32[u8[68]++ + 20] += u8[69]++'],
  ['a chain', 'var o = { v: { u8 } }; o["v"]["u8"][64] = o.v.u8[65]++; o?.v["u8"][66]'],
  ['with a with', 'with ({ u8, p: 66 }) u8[p] = 5'],
  ['a parameter that is a text', 'return ((at) => (u8[at] = 5))("71")'],
];

/** Assignments that write no element of a watched view. */
const elsewhere: readonly [string, string][] = [
  ['what a new line calls', 'var a = u8[64] = p\n(function () { log.push(1) })()'],
  ['beyond the end', 'u8[u8.length] = 1; u8[-1] = 1; u8[1.5] = 1; u8[NaN] = 1; u8[Infinity] = 1'],
  ['names', 'u8.name = 1; u8["other"] = 2; u8["01"] = 2; u8["-0"] = 3; u8[Symbol.iterator] = null'],
  [
    'lists and objects',
    'var a = [1]; a[0] = 5; a[a.length]++; var o = {}; o[p] ??= 4; return [a, o]',
  ],
  ['a setter', 'var o = { set 5(v) { log.push(v) } }; return o[5] = 6'],
  [
    'a proxy',
    'var o = new Proxy({}, { set(...a) { log.push(a.slice(1, 3)); return true } }); o[p] = 1; o[p] += 2',
  ],
  ['a text', 'return ("abc"[0] = 5)'],
  ['a text in strict code', '"use strict"; "abc"[0] = 5'],
  ['what is frozen', 'var o = Object.freeze([1]); o[0] = 2; return o'],
  ['what is frozen in strict code', '"use strict"; var o = Object.freeze([1]); o[0]++'],
  [
    'what is frozen, in a strict function',
    'var o = Object.freeze([1]); (() => { "use strict"; [o[0]] = [1] })()',
  ],
  ['what is frozen, in a class', 'var o = Object.freeze([1]); class A { static { o[0] = 1 } }'],
  ['null', 'null[log.push("key")] = log.push("value")'],
  [
    'null, whose key is an object',
    'var n = null; n[{ toString() { log.push("key") } }] = log.push("value")',
  ],
  ['null, by +=', 'var n; n[log.push("key")] += log.push("value")'],
  ['null, in a pattern', 'var n; [n[log.push("key")] = log.push("d")] = [log.push("v")]'],
  [
    'a key that throws',
    'u8[{ toString() { throw Error("no") } }, 64] + 0; ({})[{ toString() { throw Error("no") } }] = log.push("value")',
  ],
  ['a method', 'return { f() { return super["f"] } }.f()'],
  ['what is not done', 'u8[64] &&= log.push("no"); return u8[64] ??= log.push("no")'],
  [
    'a function without a name',
    'var a = []; a[0] = function () {}; a[1] ||= () => {}; [a[2]] = [class {}]; return a.map((f) => f.name)',
  ],
  ['another view', 'var v = new Uint8Array(8); v[2] = 1; v[3]++; for (v[4] of [1]); return [...v]'],
  [
    'a view of what is detached',
    'var v = new Uint8Array(8); structuredClone(v.buffer, { transfer: [v.buffer] }); v[2] = 1; return v[2]',
  ],
];

interface Outcome {
  readonly result: unknown;
  readonly thrown: unknown;
  readonly log: readonly unknown[];
  readonly bytes: Uint8Array;
}

const memory = new WebAssembly.Memory({ initial: 1 });
let tracked: Tracked | undefined;
afterEach(() => tracked?.stop());

/** Runs the body of a function over a memory of zeros, but for what is before place 64. */
function run(body: string): Outcome {
  const { buffer } = memory;
  new Uint8Array(buffer).fill(0);
  tracked?.take();
  const log: unknown[] = [];
  const code = new Function('u8', 'i32', 'f64', 'log', 'p', body);
  const views = [new Uint8Array(buffer), new Int32Array(buffer), new Float64Array(buffer)];
  let result: unknown;
  let thrown: unknown;
  try {
    result = code.call({ p: 3 }, ...views, log, 64);
  } catch (error) {
    thrown = String(error);
  }
  return { result, thrown, log, bytes: new Uint8Array(buffer).slice(0, 256) };
}

async function rewritten(body: string): Promise<string> {
  // A body may return, and begins with its directives.
  const { code, report } = await instrumentGlue(body);
  expect(report.unseen).toEqual([]);
  return code;
}

function changedBytes(bytes: Uint8Array): number[] {
  return [...bytes.keys()].filter((at) => bytes[at] !== 0);
}

function bytesTold(): Set<number> {
  const told = tracked?.take() ?? [];
  return new Set(told.flatMap(([at, length]) => Array.from({ length }, (_, i) => at + i)));
}

describe('glue that is instrumented', () => {
  it.each(assignments)('does the same, and tells of %s', async (_, body) => {
    const expected = run(body);
    const code = await rewritten(body);
    expect(run(code), code).toEqual(expected);
    expect(changedBytes(expected.bytes).length).toBeGreaterThan(0);
    tracked = track(memory);
    expect(run(code)).toEqual(expected);
    const told = bytesTold();
    for (const at of changedBytes(expected.bytes)) expect(told, code).toContain(at);
  });

  it.each(elsewhere)('does the same, and tells nothing of %s', async (_, body) => {
    const expected = run(body);
    const code = await rewritten(body);
    tracked = track(memory);
    expect(run(code), code).toEqual(expected);
    expect(changedBytes(expected.bytes)).toEqual([]);
    expect(bytesTold()).toEqual(new Set());
  });

  it('tells where, in bytes, once', async () => {
    const body = 'u8[64] = 1; i32[17] += 1; f64[9]++; u8[65] &&= 1; return [u8[66]] = [0]';
    const code = await rewritten(body);
    tracked = track(memory);
    run(code);
    expect(tracked.take()).toEqual([
      [64, 1],
      [68, 4],
      [72, 8],
      [66, 1],
    ]);
  });

  it('tells each of several watches, and nobody when they are over', async () => {
    const code = await rewritten('u8[64] = 1; new Uint8Array(other)[3] = 2');
    const other = new WebAssembly.Memory({ initial: 1 });
    const go = new Function('u8', 'other', code);
    const first = track(memory);
    const calls = () => go(new Uint8Array(memory.buffer), other.buffer);
    calls();
    const second = track(other);
    const third = track({ buffer: memory.buffer });
    calls();
    expect(first.take()).toEqual([
      [64, 1],
      [64, 1],
    ]);
    expect(second.take()).toEqual([[3, 1]]);
    expect(third.take()).toEqual([[64, 1]]);
    first.stop();
    third.stop();
    calls();
    second.stop();
    calls();
    expect([first.take(), second.take(), third.take()]).toEqual([[], [[3, 1]], []]);
  });

  it('tells of a memory that has grown, and of a target that shows another buffer', async () => {
    const code = await rewritten('var u8 = new Uint8Array(buffer); u8[64] = 1; u8[65] = 1');
    const go = new Function('buffer', code);
    const growing = new WebAssembly.Memory({ initial: 1 });
    const buffers = [new ArrayBuffer(99), new ArrayBuffer(99)] as const;
    const target: { buffer: ArrayBuffer } = { buffer: buffers[0] };
    const ofMemory = track(growing);
    go(growing.buffer);
    growing.grow(1);
    go(growing.buffer);
    expect(ofMemory.take().length).toBe(4);
    const ofTarget = track(target);
    for (const shown of [...buffers, ...buffers]) {
      go(new ArrayBuffer(99));
      target.buffer = shown;
      go(shown);
      expect(ofTarget.take().length).toBe(2);
    }
    ofTarget.stop();
    ofMemory.stop();
  });

  it.each([
    ['code made by eval', 'eval(x)'],
    ['code made by Function', 'new Function(x)'],
    ['code made by Function', '(Function)(x)'],
    ['an assignment to super[...]', 'class A extends B { f() { super[x] = 1 } }'],
    ['an assignment to super[...]', 'class A extends B { f() { [super[x]] = [1] } }'],
    ['an assignment to super[...]', 'class A extends B { f() { super[x]++ } }'],
    ['a field whose name may be a number', 'class A extends B { [x] = 1 }'],
    ['a field whose name may be a number', 'a = class extends B { 5 = 1 }'],
    ['an assignment by += of what is awaited or yielded', 'async () => { x[1] += await 5 }'],
    ['an assignment by ??= of what is awaited or yielded', 'function* g() { x[1] ??= yield }'],
  ])('names %s, which it cannot see: %s', async (what, source) => {
    const { report } = await instrumentGlue(`x = 5;\n${source}`);
    expect(report.unseen).toEqual([{ what, line: 2, column: expect.any(Number) }]);
  });

  it('leaves a source alone that assigns no elements', async () => {
    const source = 'const a = {}; a.b = 1; a["c"] += 2; [a.d] = [3]; a.e++ // end';
    expect(await instrumentGlue(source)).toEqual({
      code: source,
      report: { assignments: 0, unseen: [] },
    });
  });

  it('takes modules, whose code is strict', async () => {
    const source = `#!/usr/bin/env node
      import path from 'node:path';
      export const list = Object.freeze([1]);
      export default function (at) { list[at] = 1; return await_; }
      const await_ = await 5;`;
    const { code } = await instrumentGlue(source, { sourceType: 'module' });
    const url = `data:text/javascript,${encodeURIComponent(code)}`;
    const module = await import(/* @vite-ignore */ url);
    expect(() => module.default(0)).toThrow(TypeError);
    await expect(instrumentGlue(source)).rejects.toMatchObject({ code: 'ERR_GUEST' });
  });

  it('takes no name that the glue has', async () => {
    const code = await rewritten(
      'var __pageferry_ = 3, __pageferry_0 = 4, \\u005f_pageferry__ = 5; u8[64] = 1;\n' +
        'return [__pageferry_, __pageferry_0, __pageferry__]',
    );
    expect(run(code).result).toEqual([3, 4, 5]);
  });

  it.each(['a b', 'x[0] = ', '`', 'x['])('refuses what is no JavaScript: %s', async (source) => {
    await expect(instrumentGlue(source)).rejects.toMatchObject({ code: 'ERR_GUEST' });
  });

  it('refuses what is nested deeper than it can follow', async () => {
    const source = `x = ${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    await expect(instrumentGlue(source)).rejects.toMatchObject({ code: 'ERR_GUEST' });
  });

  it('refuses a type of source that there is not', async () => {
    // @ts-expect-error: no such type
    await expect(instrumentGlue('1', { sourceType: 'json' })).rejects.toThrow(TypeError);
  });
});
