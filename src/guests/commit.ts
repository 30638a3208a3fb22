/**
 * Told about each transaction right after it took effect, in order: its number (from 1 on, without gaps) and the running digest up to
 * and with it (u32). An outside witness keeps what it is told here.
 */
export type OnCommit = (seq: number, digest: number) => void;
