const encoder = new TextEncoder();
// ignoreBOM: without it a leading U+FEFF would be swallowed, and two names could be read as one.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The UTF-8 of a name, which must survive the journey: a lone surrogate or too many bytes is a RangeError. */
export function encodeName(name: string, maxBytes: number): Uint8Array {
  if (/\p{Cs}/u.test(name)) throw new RangeError('a name holds half a surrogate pair');
  const bytes = encoder.encode(name);
  if (bytes.length > maxBytes) {
    throw new RangeError(`a name of ${bytes.length} bytes exceeds ${maxBytes}`);
  }
  return bytes;
}

/** The UTF-8 of a text for people, cut between two characters where it exceeds `maxBytes`. */
export function encodeText(text: string, maxBytes: number): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length <= maxBytes) return bytes;
  let end = maxBytes;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/** The text of `bytes`, or undefined where they are not well-formed UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    // slice: browsers refuse to decode views of shared memory, where frames may lie.
    return decoder.decode(bytes.slice());
  } catch {
    return undefined;
  }
}
