/**
 * What a terminal would act on instead of showing it: control characters (C0, C1, DEL), lone surrogates, and invisible formatting
 * that makes text read as what it is not.
 */
const unprintable = /[\p{Cc}\p{Cs}\p{Cf}\u2028\u2029]/gu;

/** `text` with everything unprintable as \u{...}: for names and texts that came from a peer. */
export function escapeControls(text: string): string {
  return text.replace(unprintable, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** JSON of `value` in one line that shows no raw control character, and still parses to the same value. */
export function toJsonLine(value: unknown): string {
  return JSON.stringify(value).replace(unprintable, (char) =>
    Array.from({ length: char.length }, (_, at) => {
      return `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`;
    }).join(''),
  );
}
