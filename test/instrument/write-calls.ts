import fc from 'fast-check';

/** One call that may write into a buffer, the same each time it is run. */
export interface WriteCall {
  readonly name: string;
  /** Runs it; conversions of arguments that are objects are noted in `log`. */
  run(buffer: ArrayBufferLike, log: string[]): unknown;
  /** It may leave bytes as they were that it wrote, whatever was there. */
  readonly loose?: true;
}

export const bufferBytes = 192;

const kinds = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;
type Kind = (typeof kinds)[number];

/** An argument, made anew for each run. */
type Argument = (log: string[]) => unknown;

const constant =
  (value: unknown): Argument =>
  () =>
    value;

/** Numbers as callers give them, and what is made one. */
const index: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 24 }).map(constant) },
  { weight: 3, arbitrary: fc.integer({ min: -60, max: 260 }).map(constant) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom<unknown>(undefined, null, Number.NaN, '3', 'x', true, 2.9, -0.5, 1e20, -1e20)
      .map(constant),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom<unknown>(Number.POSITIVE_INFINITY, 5n, Symbol('s'), {}, [7])
      .map(constant),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('a', 'b'), fc.integer({ min: -3, max: 30 }))
      .map(([name, value]) => (log: string[]) => ({
        valueOf() {
          log.push(name);
          return value;
        },
      })),
  },
);

/** Reads its values one by one, and tells; one may throw. */
function arrayLike(values: readonly unknown[], failsAt: number, log: string[]): object {
  return new Proxy(
    { ...values, length: values.length },
    {
      get(target, key) {
        log.push(String(key));
        if (key === String(failsAt)) throw new RangeError('this one fails');
        return Reflect.get(target, key);
      },
    },
  );
}

const methodOf = (holder: unknown, name: string): unknown =>
  (holder as Readonly<Record<string, unknown>>)[name];

/** Calls a method with arguments that no declaration allows. */
function call(target: unknown, name: string, args: readonly unknown[]): unknown {
  const method = methodOf(target, name);
  if (typeof method !== 'function') throw new TypeError(`no ${name}`);
  return Reflect.apply(method, target, args);
}

interface ViewPlan {
  readonly kind: Kind;
  readonly at: number;
  readonly count: number;
}

const viewPlan: fc.Arbitrary<ViewPlan> = fc.record({
  kind: fc.constantFrom(...kinds),
  at: fc.nat(8),
  count: fc.nat(15),
});

function viewOf(buffer: ArrayBufferLike, { kind, at, count }: ViewPlan): InstanceType<Kind> {
  return new kind(buffer as ArrayBuffer, at * kind.BYTES_PER_ELEMENT, count);
}

const isBig = (kind: Kind): boolean => kind === BigInt64Array || kind === BigUint64Array;
const element = (kind: Kind, value: number): number | bigint =>
  isBig(kind) ? BigInt(value) : value;
const values: fc.Arbitrary<number[]> = fc.array(fc.integer({ min: -300, max: 300 }), {
  maxLength: 9,
});
const value = fc.integer({ min: -300, max: 300 });

/** The first of `args` that a caller gives: what comes after is not even undefined. */
const someOf = (args: readonly unknown[], count: number): unknown[] => args.slice(0, count);

const typedArrayCalls: fc.Arbitrary<WriteCall> = fc.oneof(
  fc.tuple(viewPlan, viewPlan, index, fc.integer({ min: 1, max: 2 })).map(
    ([to, from, offset, count]): WriteCall => ({
      name: 'set, from a view of the same buffer',
      loose: true,
      run: (buffer, log) =>
        call(viewOf(buffer, to), 'set', someOf([viewOf(buffer, from), offset(log)], count)),
    }),
  ),
  fc.tuple(viewPlan, values, index, fc.constantFrom('array', 'other', 'like', 'fails', 'text')).map(
    ([to, list, offset, kind]): WriteCall => ({
      name: `set, from ${kind}`,
      run(buffer, log) {
        const all = list.map((each) => element(to.kind, each));
        const source = {
          array: all,
          other: isBig(to.kind) ? new BigInt64Array(list.map(BigInt)) : new Float64Array(list),
          like: arrayLike(all, -1, log),
          fails: arrayLike(all, list.length >> 1, log),
          text: list.join('').replaceAll('-', ''),
        }[kind];
        return call(viewOf(buffer, to), 'set', [source, offset(log)]);
      },
    }),
  ),
  fc.tuple(viewPlan, value, index, index, fc.integer({ min: 1, max: 3 })).map(
    ([plan, filler, start, end, count]): WriteCall => ({
      name: 'fill',
      run(buffer, log) {
        const args = [element(plan.kind, filler), start(log), end(log)];
        return call(viewOf(buffer, plan), 'fill', someOf(args, count));
      },
    }),
  ),
  fc.tuple(viewPlan, index, index, index, fc.integer({ min: 1, max: 3 })).map(
    ([plan, target, start, end, count]): WriteCall => ({
      name: 'copyWithin',
      loose: true,
      run: (buffer, log) =>
        call(
          viewOf(buffer, plan),
          'copyWithin',
          someOf([target(log), start(log), end(log)], count),
        ),
    }),
  ),
  fc.tuple(viewPlan, fc.constantFrom('up', 'down', 'fails', 'wrong')).map(
    ([plan, how]): WriteCall => ({
      name: `sort, ${how}`,
      loose: true,
      run(buffer) {
        let calls = 0;
        const compare = {
          up: undefined,
          down: (a: number, b: number) => (a < b ? 1 : -1),
          fails: (a: number, b: number) => {
            if (++calls > 3) throw new Error('enough');
            return a < b ? 1 : -1;
          },
          wrong: 'no function',
        }[how];
        return call(viewOf(buffer, plan), 'sort', [compare]);
      },
    }),
  ),
  viewPlan.map(
    (plan): WriteCall => ({
      name: 'reverse',
      loose: true,
      run: (buffer) => viewOf(buffer, plan).reverse(),
    }),
  ),
);

const setters = Object.getOwnPropertyNames(DataView.prototype).filter((key) => /^set/.test(key));
const dataViewCalls: fc.Arbitrary<WriteCall> = fc
  .tuple(fc.constantFrom(...setters), fc.nat(20), fc.nat(40), index, value, fc.boolean())
  .map(
    ([name, at, length, offset, number, little]): WriteCall => ({
      name,
      run(buffer, log) {
        const written = /Big/.test(name) ? BigInt(number) : number;
        return call(new DataView(buffer, at, length), name, [offset(log), written, little]);
      },
    }),
  );

const operations = ['add', 'and', 'compareExchange', 'exchange', 'or', 'store', 'sub', 'xor'];
const atomicCalls: fc.Arbitrary<WriteCall> = fc
  .tuple(viewPlan, fc.constantFrom(...operations), index, index, value, fc.boolean())
  .map(
    ([plan, name, at, expected, number, hits]): WriteCall => ({
      name: `Atomics.${name}`,
      loose: true,
      run(buffer, log) {
        const view = viewOf(buffer, plan);
        const where = at(log);
        const found = typeof where === 'number' ? view[where] : undefined;
        const first = hits && found !== undefined ? found : expected(log);
        const args = name === 'compareExchange' ? [first] : [];
        return call(Atomics, name, [view, where, ...args, element(plan.kind, number)]);
      },
    }),
  );

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '\ud800', '\0', '='), maxLength: 12 }),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('base64')),
);
const encodings = fc.constantFrom(
  'utf8',
  'latin1',
  'ascii',
  'hex',
  'ucs2',
  'base64',
  'base64url',
  'no',
);

const textCalls: fc.Arbitrary<WriteCall> = fc.oneof(
  fc.tuple(texts, fc.nat(40), fc.nat(40)).map(
    ([text, at, length]): WriteCall => ({
      name: 'encodeInto',
      run: (buffer) => new TextEncoder().encodeInto(text, new Uint8Array(buffer, at, length)),
    }),
  ),
  fc.tuple(fc.constantFrom('setFromHex', 'setFromBase64'), texts, fc.nat(40), fc.nat(20)).map(
    ([name, text, at, length]): WriteCall => ({
      name,
      run: (buffer) => call(new Uint8Array(buffer, at, length), name, [text]),
    }),
  ),
);

const bufferMethods = Object.getOwnPropertyNames(Buffer.prototype);
const numberWriters = bufferMethods.filter((key) => /^write./.test(key));
const textWriters = bufferMethods.filter((key) => /.Write$/.test(key));
const place = fc.tuple(fc.nat(40), fc.nat(40));
const bufferOf = (buffer: ArrayBufferLike, [at, length]: readonly [number, number]): Buffer =>
  Buffer.from(buffer as ArrayBuffer, at, length);

const bufferCalls: fc.Arbitrary<WriteCall> = fc.oneof(
  fc.tuple(place, texts, index, index, encodings, fc.integer({ min: 1, max: 5 })).map(
    ([where, text, start, length, encoding, form]): WriteCall => ({
      name: `write as ${encoding}`,
      run(buffer, log) {
        const args = [text, start(log), length(log), encoding];
        if (form === 5) args.splice(1, 2);
        return call(bufferOf(buffer, where), 'write', someOf(args, form));
      },
    }),
  ),
  fc.tuple(place, fc.constantFrom(...textWriters), texts, index, index).map(
    ([where, name, text, start, length]): WriteCall => ({
      name,
      run: (buffer, log) => call(bufferOf(buffer, where), name, [text, start(log), length(log)]),
    }),
  ),
  fc
    .tuple(
      place,
      fc.constantFrom(...numberWriters),
      fc.nat(127),
      index,
      fc.integer({ min: 0, max: 7 }),
    )
    .map(
      ([where, name, number, start, length]): WriteCall => ({
        name,
        run(buffer, log) {
          const written = /Big/.test(name) ? BigInt(number) : number;
          return call(bufferOf(buffer, where), name, [written, start(log), length]);
        },
      }),
    ),
  fc.tuple(place, viewPlan, fc.boolean(), index, index, index, fc.integer({ min: 1, max: 4 })).map(
    ([from, to, odd, target, start, end, count]): WriteCall => ({
      name: 'copy',
      loose: true,
      run(buffer, log) {
        const view = odd ? viewOf(buffer, to) : bufferOf(buffer, [to.at, to.count]);
        const args = [view, target(log), start(log), end(log)];
        return call(bufferOf(buffer, from), 'copy', someOf(args, count));
      },
    }),
  ),
  fc
    .tuple(
      place,
      fc.oneof(texts, value, fc.uint8Array({ maxLength: 5 })),
      index,
      index,
      encodings,
      fc.integer({ min: 1, max: 6 }),
    )
    .map(
      ([where, filler, start, end, encoding, form]): WriteCall => ({
        name: 'Buffer.fill',
        run(buffer, log) {
          const args = [filler, start(log), end(log), encoding];
          if (form === 5) args.splice(1, 2);
          if (form === 6) args.splice(2, 1);
          return call(bufferOf(buffer, where), 'fill', someOf(args, form));
        },
      }),
    ),
  fc.tuple(place, fc.constantFrom('swap16', 'swap32', 'swap64')).map(
    ([where, name]): WriteCall => ({
      name,
      run: (buffer) => call(bufferOf(buffer, where), name, []),
    }),
  ),
);

/** Calls of methods on what they are not made for. */
const wrongCalls: fc.Arbitrary<WriteCall> = fc
  .tuple(
    viewPlan,
    fc.constantFrom('set', 'fill', 'copyWithin', 'sort', 'setInt16', 'swap16'),
    index,
  )
  .map(
    ([plan, name, first]): WriteCall => ({
      name: `${name} of another kind`,
      loose: true,
      run(buffer, log) {
        const isMethod = name in Uint8Array.prototype;
        const method = methodOf(
          isMethod
            ? Uint8Array.prototype
            : name in DataView.prototype
              ? DataView.prototype
              : Buffer.prototype,
          name,
        );
        const view = isMethod ? new DataView(buffer, plan.at, plan.count) : viewOf(buffer, plan);
        return Reflect.apply(method as () => unknown, view, [first(log), 1]);
      },
    }),
  );

/** Every function of the language, the web and Buffer that has a hook and does the same each time. */
export const writeCalls: fc.Arbitrary<WriteCall> = fc.oneof(
  { weight: 6, arbitrary: typedArrayCalls },
  { weight: 2, arbitrary: dataViewCalls },
  { weight: 2, arbitrary: atomicCalls },
  { weight: 2, arbitrary: textCalls },
  { weight: 6, arbitrary: bufferCalls },
  { weight: 1, arbitrary: wrongCalls },
);
