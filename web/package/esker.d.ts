/** Bytes, or text that stands for its UTF-8. */
export type Bytes = string | Uint8Array;

/** What keys and values come out as. Text that is not text is an error, never garbled. */
export type Encoding = "text" | "bytes";
type Out<E extends Encoding> = E extends "bytes" ? Uint8Array : string;

/** What can be done about an error. */
export type ErrorKind = "Corruption" | "Unsupported" | "InvalidInput" | "Io" | "Locked" | "Poisoned";

/** An error of the store. */
export class EskerError extends Error {
  constructor(kind: ErrorKind, message: string);
  readonly name: "EskerError";
  readonly kind: ErrorKind;
}

/** How a store is opened. Sizes are whole numbers; the default is the engine's. */
export interface Settings<E extends Encoding = "text"> {
  /** What keys and values come out as. Default `"text"`. */
  encoding?: E;
  /** Memory for memtables, indexes, filters and blocks. Default 64 MiB. */
  memoryBudgetBytes?: number;
  /** Bytes of keys and values at which the memtable is flushed. Default a tenth of the budget. */
  memtableBytes?: number;
  /** Bytes of a table at which compaction begins the next. Default 8 MiB. */
  tableBytes?: number;
  /** Bytes at which a block of a table is closed. Default 8 KiB. */
  blockBytes?: number;
  /** Tables of level 0 at which they are compacted. Default 12. */
  level0Tables?: number;
  /** Whether blocks are compressed. Default true. */
  compression?: boolean;
}

/** How a persistent store is opened. */
export interface PersistentSettings<E extends Encoding = "text"> extends Settings<E> {
  /** Name of the store within the origin: 1 to 80 characters. */
  name: string;
}

/** Which entries, in which order. */
export interface RangeOptions {
  /** From this key on. */
  gte?: Bytes;
  /** The same as `gte`. */
  start?: Bytes;
  /** From behind this key on. */
  gt?: Bytes;
  /** Up to this key, without it. */
  lt?: Bytes;
  /** The same as `lt`. */
  end?: Bytes;
  /** Up to this key, with it. */
  lte?: Bytes;
  /** From the last to the first. */
  reverse?: boolean;
  /** At most so many. */
  limit?: number;
  /** What keys and values come out as. */
  as?: Encoding;
}

/** One write of a batch: an object, or a pair whose value `null` means a delete. */
export type Write =
  | { type?: "put"; key: Bytes; value: Bytes }
  | { type: "delete"; key: Bytes }
  | readonly [key: Bytes, value: Bytes | null];

/** A table of the store: its entries, sorted by key; a delete is `[key, null]`. */
export interface Segment<T = string> {
  readonly entries: readonly (readonly [key: T, value: T | null])[];
  /** Its level. Not enumerable, like all that follows. */
  readonly level: number;
  /** Its file. */
  readonly file: string;
  /** Bytes of its file. */
  readonly bytes: number;
  /** Entries with all versions of a key; a snapshot may keep older ones. */
  readonly versions: number;
  readonly tombstones: number;
  /** Its largest sequence number. */
  readonly sequence: number;
}

/** The memtable: its entries, sorted by key; a delete is `[key, null]`. */
export interface Memtable<T = string> extends Iterable<readonly [T, T | null]> {
  readonly entries: readonly (readonly [key: T, value: T | null])[];
  readonly size: number;
  readonly bytes: number;
}

/** What the engine says of one part, without its entries. Keys are hexadecimal digits. */
export interface Part {
  kind: "memtable" | "sealed" | "table" | "other";
  level: number | null;
  file: string | null;
  bytes: number;
  versions: number;
  tombstones: number;
  smallest: string;
  largest: string;
  sequence: number;
}

/** One layer that a look-up asked. */
export interface Step {
  layer: string;
  verdict: string;
  /** Whether this ended the search. */
  isLast: boolean;
  file: string | null;
  /** What was done within a table. */
  parts: { part: string; offset: number | null; bytes: number; verdict: string }[];
}

/** The store in numbers, since it was opened where that makes a difference. */
export interface Stats {
  levels: { tables: number; bytes: number; entries: number; tombstones: number; score: number }[];
  memtableBytes: number;
  sequence: number;
  durableSequence: number;
  snapshots: number;
  writtenBytes: number;
  logBytes: number;
  flushes: number;
  flushedBytes: number;
  compactions: number;
  moves: number;
  compactedInBytes: number;
  compactedOutBytes: number;
  syncs: number;
  cacheHits: number;
  cacheMisses: number;
  cacheBytes: number;
  pinnedBytes: number;
  openTables: number;
}

/** A file of the store. */
export interface File {
  name: string;
  bytes: number;
}

interface MemoryReader<T> extends Iterable<[T, T]> {
  get(key: Bytes): T | undefined;
  get(key: Bytes, options: { as: "bytes" }): Uint8Array | undefined;
  get(key: Bytes, options: { as: "text" }): string | undefined;
  has(key: Bytes): boolean;
  /** Entries in order, as of the first step of the iterator. */
  range(options?: RangeOptions): Generator<[T, T], void>;
  prefix(prefix: Bytes, options?: RangeOptions): Generator<[T, T], void>;
  close(): void;
}

/** A store in memory: every call answers at once. */
export interface MemoryStore<T = string> extends MemoryReader<T> {
  put(key: Bytes, value: Bytes): void;
  delete(key: Bytes): void;
  /** All writes, or none. */
  write(writes: Iterable<Write>): void;
  snapshot(): MemoryReader<T>;
  /** Moves the memtable into a table, and empties it. */
  flush(): void;
  /** Merges all tables down to the last level. */
  compact(): void;
  /** All tables, newest last: a frozen view, read whole from the engine. */
  readonly segments: readonly Segment<T>[];
  readonly memtable: Memtable<T>;
  readonly layout: Part[];
  readonly stats: Stats;
  readonly files: File[];
  explain(key: Bytes): Step[];
  readFile(name: string, offset?: number, length?: number): Uint8Array;
}

interface Reader<T> extends AsyncIterable<[T, T]> {
  get(key: Bytes): Promise<T | undefined>;
  get(key: Bytes, options: { as: "bytes" }): Promise<Uint8Array | undefined>;
  get(key: Bytes, options: { as: "text" }): Promise<string | undefined>;
  has(key: Bytes): Promise<boolean>;
  /** Entries in order, as of the first step of the iterator; many cross the border at a time. */
  range(options?: RangeOptions): AsyncGenerator<[T, T], void>;
  prefix(prefix: Bytes, options?: RangeOptions): AsyncGenerator<[T, T], void>;
  close(): Promise<void>;
}

/**
 * A persistent store. A write is acknowledged when it is with the operating system: it survives the
 * end of the tab, however sudden. `sync`, or `write` with `durable`, waits for the disk.
 */
export interface Store<T = string> extends Reader<T> {
  readonly name: string;
  /** Writes that opening took from the log. */
  readonly recoveredWrites: number;
  put(key: Bytes, value: Bytes): Promise<void>;
  delete(key: Bytes): Promise<void>;
  /** All writes, or none. */
  write(writes: Iterable<Write>, options?: { durable?: boolean }): Promise<void>;
  sync(): Promise<void>;
  snapshot(): Promise<Reader<T>>;
  flush(): Promise<void>;
  compact(): Promise<void>;
  readonly segments: Promise<readonly Segment<T>[]>;
  readonly memtable: Promise<Memtable<T>>;
  readonly layout: Promise<Part[]>;
  readonly stats: Promise<Stats>;
  readonly files: Promise<File[]>;
  explain(key: Bytes): Promise<Step[]>;
  readFile(name: string, offset?: number, length?: number): Promise<Uint8Array>;
}

/** A table from a file. */
export interface Table<T = Uint8Array> {
  readonly engine: "esker" | "LevelDB" | "RocksDB";
  readonly bytes: number;
  readonly properties: readonly { name: string; value: string }[];
  readonly blocks: readonly {
    kind: string; offset: number; storedBytes: number; rawBytes: number; codec: string;
    entries: number | null; key: Uint8Array;
  }[];
  get(key: Bytes): T | undefined;
  /** At most `count` entries from key `start` on; a delete is `[key, null]`. */
  entries(count?: number, start?: Bytes): [T, T | null][];
  /** The decompressed block at byte `offset` of one of esker's tables. */
  block(offset: number): Uint8Array;
  close(): void;
}

/** How a database from outside is read. */
export interface DatabaseSettings<E extends Encoding = "bytes"> {
  /** What keys and values come out as. Default `"bytes"`. */
  encoding?: E;
  /** The order of the keys. Default: what the database names; `"raw"` lists any, byte by byte. */
  comparator?: "bytewise" | "reverse" | "raw";
  /** The column family that is read. Default: the one that every database has. */
  columnFamily?: string;
}

/** A database of LevelDB or RocksDB, as of the files that were given. Nothing is written. */
export interface Database<T = Uint8Array> extends MemoryReader<T> {
  readonly engine: "LevelDB" | "RocksDB";
  readonly comparator: "bytewise" | "reverse" | "raw";
  /** What the database calls the order of its keys. */
  readonly comparatorName: string | null;
  readonly columnFamily: string;
  readonly columnFamilies: readonly string[];
  /** What readers should know: records left out, orders not kept, a manifest that is missing. */
  readonly notices: readonly string[];
  /** The logs that hold what is not in tables. */
  readonly logs: readonly { file: string; bytes: number; batches: number; entries: number }[];
  /** Level by level, in the order of their keys. */
  readonly tables: readonly {
    file: string; bytes: number; level: number; smallest: Uint8Array; largest: Uint8Array;
  }[];
  /** At most `count` entries from key `start` on: all versions, a delete as `[key, null]`. */
  entries(count?: number, start?: Bytes): [T, T | null][];
  /** What a look-up reads, step by step. */
  explain(key: Bytes): Step["parts"];
}

/** Opens an empty store in memory. */
export function openInMemory<E extends Encoding = "text">(settings?: Settings<E>): MemoryStore<Out<E>>;

/** Opens the persistent store of that name, and makes it if there is none. `Locked` if it is open. */
export function open<E extends Encoding = "text">(settings: PersistentSettings<E>): Promise<Store<Out<E>>>;

/** Removes the persistent store of that name, which must not be open. */
export function destroy(options: { name: string }): Promise<void>;

/** Opens the bytes of a table: of esker, LevelDB or RocksDB. */
export function openTable<E extends Encoding = "bytes">(
  bytes: Uint8Array | ArrayBuffer, name?: string, options?: { encoding?: E },
): Table<Out<E>>;

/**
 * Opens the files of a directory, pairs of name and bytes: a database of LevelDB or RocksDB. `name`
 * is what messages call it.
 */
export function openDatabase<E extends Encoding = "bytes">(
  files: Iterable<readonly [name: string, bytes: Uint8Array | ArrayBuffer]>,
  name?: string, options?: DatabaseSettings<E>,
): Database<Out<E>>;

/** Whether a file of that name can belong to a database of LevelDB or RocksDB. */
export function isDatabaseFile(name: string): boolean;
