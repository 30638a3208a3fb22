import { FerryError, type FerryErrorCode, ferryErrorCodes } from '../errors.js';

/** JSON for values with bytes, bigints, errors and numbers beyond all bounds in them: each becomes an object with one `$` key. */
export function toRecordedJson(value: unknown): string {
  return JSON.stringify(dressed(value));
}

/** Not a replacer of JSON.stringify: a Buffer would have become something else before the replacer sees it. */
function dressed(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('hex') };
  if (typeof value === 'bigint') return { $bigint: String(value) };
  if (typeof value === 'number' && !Number.isFinite(value)) return { $number: String(value) };
  if (value instanceof FerryError) return { $error: { code: value.code, message: value.message } };
  if (Array.isArray(value)) return value.map(dressed);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, dressed(item)]));
}

/** The value that `toRecordedJson` wrote. SyntaxError. */
export function fromRecordedJson(text: string): unknown {
  return JSON.parse(text, (_key, item: unknown) => {
    if (!isRecord(item)) return item;
    const { $bytes, $bigint, $number, $error } = item;
    if (typeof $bytes === 'string') return new Uint8Array(Buffer.from($bytes, 'hex'));
    if (typeof $bigint === 'string') return BigInt($bigint);
    if (typeof $number === 'string') return Number($number);
    if (isRecord($error)) return recordedError($error);
    return item;
  });
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isErrorCode(value: unknown): value is FerryErrorCode {
  return ferryErrorCodes.some((code) => code === value);
}

function recordedError({ code, message }: Readonly<Record<string, unknown>>): FerryError {
  return new FerryError(isErrorCode(code) ? code : 'ERR_STORE_CORRUPT', String(message));
}
