interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Changes to a text, by places in it as it was, made in the order of the text. */
export class TextEdits {
  readonly #source: string;
  readonly #edits: Edit[] = [];

  constructor(source: string) {
    this.#source = source;
  }

  get count(): number {
    return this.#edits.length;
  }

  /** Puts `text` in the place of what is from `start` to `end`; ends of lines in there stay. */
  replace(start: number, end: number, text: string): void {
    const lines = '\n'.repeat(this.#source.slice(start, end).split('\n').length - 1);
    // Within the parentheses: a line's end outside of them may be a statement's end.
    this.#edits.push({ start, end, text: text.endsWith('(') ? text + lines : lines + text });
  }

  insert(at: number, text: string): void {
    this.#edits.push({ start: at, end: at, text });
  }

  /** In front of everything that was inserted at `at`. */
  insertBefore(at: number, text: string): void {
    const behind = this.#edits.findIndex(({ start }) => start >= at);
    const index = behind < 0 ? this.#edits.length : behind;
    this.#edits.splice(index, 0, { start: at, end: at, text });
  }

  /** Ends a statement at `at` by a semicolon, unless it has one. */
  close(at: number): void {
    if (this.#source[at - 1] !== ';') this.insert(at, ';');
  }

  apply(): string {
    const parts: string[] = [];
    let at = 0;
    for (const { start, end, text } of this.#edits) {
      parts.push(this.#source.slice(at, start), text);
      at = end;
    }
    parts.push(this.#source.slice(at));
    return parts.join('');
  }
}
