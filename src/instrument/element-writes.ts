import {
  elementBytesOf,
  elementsOf,
  placeOf,
  type Watch,
  type Watches,
} from './watched-buffers.js';

/** Told of each element that rewritten glue has assigned, by whatever kind of assignment: `object[key]`, whatever these are. */
type OnElement = (object: unknown, key: unknown) => void;

/** The key in the realm of an array of `OnElement`, empty while nothing is tracked. Whoever comes first makes it: rewritten glue, or this library. */
export const elementWritesKey = 'pageferry.elementWrites.1';

function listeners(): OnElement[] {
  const realm = globalThis as { [key: symbol]: OnElement[] | undefined };
  const key = Symbol.for(elementWritesKey);
  realm[key] ??= [];
  return realm[key];
}

/** Where a typed array lies in a buffer that is watched, and who watches it. */
interface Known {
  readonly array: object;
  readonly byteOffset: number;
  readonly elementBytes: number;
  readonly watches: readonly Watch[];
}

/** Views kept at hand: emscripten has nine over one memory. */
const mostKnown = 16;

/** Tells watches of the elements that rewritten glue assigns, from when it is made until it is stopped. */
export class ElementWrites {
  readonly #watches: Watches;
  readonly #listener: OnElement = (object, key) => this.#wrote(object, key);
  #last: Known | undefined;
  #known: Known[] = [];
  /** What was seen last that nobody watches. */
  #plain: unknown;

  constructor(watches: Watches) {
    this.#watches = watches;
    listeners().push(this.#listener);
  }

  /** To be called whenever the watches are others. */
  forget(): void {
    this.#last = undefined;
    this.#known = [];
    this.#plain = undefined;
  }

  stop(): void {
    const all = listeners();
    const at = all.indexOf(this.#listener);
    if (at >= 0) all.splice(at, 1);
    this.forget();
  }

  #wrote(object: unknown, key: unknown): void {
    if (object === this.#plain) return;
    const known = this.#last?.array === object ? this.#last : this.#find(object);
    if (known === undefined) return;
    if (typeof key === 'number') tellElement(known, key);
    else tellNamed(known, key);
  }

  #find(object: unknown): Known | undefined {
    const elementBytes = elementBytesOf(object);
    const found =
      elementBytes === 0 ? undefined : this.#known.find(({ array }) => array === object);
    if (found !== undefined) {
      this.#last = found;
      return found;
    }
    // Not kept where a watched target may show another buffer later, one that was here before.
    const mayKeep = this.#watches.areMemories || elementBytes === 0;
    const watches = elementBytes === 0 ? [] : this.#watches.of(object);
    if (watches.length === 0) {
      if (mayKeep) this.#plain = object;
      return undefined;
    }
    const array = object as object;
    const { byteOffset, byteLength } = placeOf(array);
    const known = { array, byteOffset, elementBytes, watches };
    // One that is out of bounds says that it lies at 0.
    if (mayKeep && byteLength > 0) {
      this.#known = [known, ...this.#known].slice(0, mostKnown);
      this.#last = known;
    }
    return known;
  }
}

function tellElement({ array, byteOffset, elementBytes, watches }: Known, index: number): void {
  // Anything else is no element, and was not written.
  if (!(index >= 0 && index < elementsOf(array) && Math.floor(index) === index)) return;
  for (let at = 0; at < watches.length; at++) {
    watches[at]?.tell(byteOffset + index * elementBytes, elementBytes);
  }
}

/** A name that is written as a number is an index too. What an object was taken for nobody knows: all that might be. */
function tellNamed(known: Known, key: unknown): void {
  if (typeof key === 'bigint') {
    tellElement(known, Number(key));
  } else if (typeof key === 'string') {
    if (String(Number(key)) === key) tellElement(known, Number(key));
  } else if ((typeof key === 'object' && key !== null) || typeof key === 'function') {
    const byteLength = elementsOf(known.array) * known.elementBytes;
    for (const watch of known.watches) if (byteLength > 0) watch.tell(known.byteOffset, byteLength);
  }
}
