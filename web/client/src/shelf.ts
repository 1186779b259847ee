// What a browser keeps of runs from one visit to the next: their events, in IndexedDB, so that a page that is loaded
// again asks only for what came since.
//
// Events are kept and not what was made of them: a row is written once, and the view is folded from them as from the
// network. What is kept of a run is always 1, 2, 3 … up to its place: a row is written in one transaction with that
// place, so several tabs may write at once. It does not know when to save (keeping.ts).

import { decodeEvents } from "./decode.js";
import type { Time } from "./time.js";
import type { Event } from "./types.js";

/** Days after which a run that was not read any more is forgotten. */
export const KEPT_DAYS = 30;
const DAY = 24 * 60 * 60;
/** No more of one run is kept, in characters of JSON. */
const LIMIT = 64 * 1024 * 1024;
/** Seconds that the browser gets to open its storage. */
const PATIENCE = 3;
const NAME = "riverrun";

/** Why something was not kept, in words for people. */
export class NotKept extends Error {}

interface RunRow {
  readonly who: string;
  readonly run: string;
  readonly log: string;
  /** seq of the last event that is kept. */
  readonly place: number;
  /** Characters of all its events. */
  readonly size: number;
  /** Seconds since the Unix epoch. */
  readonly saved: number;
}

interface EventsRow {
  readonly who: string;
  readonly run: string;
  /** seq of the first event. */
  readonly first: number;
  /** A JSON list. */
  readonly events: string;
}

/** The storage of one browser, as one reader sees it. */
export class Shelf {
  private opened: Promise<IDBDatabase> | null = null;

  /**
   * @param factory Of the browser; undefined where there is none.
   * @param who Who reads: nobody else is given what is kept here.
   * @param time Counts seconds since the Unix epoch, as the clock of the machine does.
   */
  constructor(
    private readonly factory: (() => IDBFactory | undefined) | undefined,
    private readonly who: string,
    private readonly time: Time,
  ) {}

  /**
   * Give all that is kept of a run, from its first event on.
   *
   * @throws NotKept The storage is forbidden, or does not open.
   */
  async load(run: string): Promise<readonly Event[]> {
    const db = await this.open();
    const [row, rows] = await this.within(db, "readonly", async (runs, pieces) => [
      await done<RunRow | undefined>(runs.get([this.who, run])),
      await done<EventsRow[]>(pieces.getAll(this.of(run))),
    ]);
    if (row === undefined || row.saved < this.time.now() - KEPT_DAYS * DAY) return [];
    const events = whole(row, rows);
    // A browser may lose rows; what does not add up is read again from the server.
    if (events === null) await this.forget(run);
    return events ?? [];
  }

  /**
   * Keep events of a run; those that are kept already are left out.
   *
   * @param log Id of its log; what is kept of another one is forgotten.
   * @param events In their order, without a hole.
   * @throws NotKept The storage is forbidden or full, or there is a hole before the first event.
   */
  async save(run: string, log: string, events: readonly Event[]): Promise<void> {
    const db = await this.open();
    await this.within(db, "readwrite", async (runs, pieces) => {
      const known = await done<RunRow | undefined>(runs.get([this.who, run]));
      const row = known?.log === log ? known : undefined;
      if (known !== undefined && row === undefined) pieces.delete(this.of(run));
      const fresh = events.filter((event) => event.seq > (row?.place ?? 0));
      if (fresh.length === 0) return;
      const first = fresh[0]!.seq;
      if (first !== (row?.place ?? 0) + 1) throw new NotKept("events before these were not kept");
      const text = JSON.stringify(fresh);
      const size = (row?.size ?? 0) + text.length;
      if (size > LIMIT) throw new NotKept(`the run is larger than ${LIMIT / 1024 / 1024} MiB`);
      const whose = { who: this.who, run };
      pieces.put({ ...whose, first, events: text } satisfies EventsRow);
      const place = fresh.at(-1)!.seq;
      runs.put({ ...whose, log, place, size, saved: this.time.now() } satisfies RunRow);
    });
  }

  /**
   * Forget a run, or all that is kept for this reader.
   *
   * @throws NotKept The storage is forbidden: then nothing is kept there.
   */
  async forget(run?: string): Promise<void> {
    const db = await this.open();
    await this.within(db, "readwrite", async (runs, pieces) => {
      runs.delete(run === undefined ? span([this.who]) : IDBKeyRange.only([this.who, run]));
      pieces.delete(run === undefined ? span([this.who]) : this.of(run));
    });
  }

  private of(run: string): IDBKeyRange {
    return span([this.who, run]);
  }

  private async open(): Promise<IDBDatabase> {
    this.opened ??= this.made();
    try {
      return await this.opened;
    } catch (error) {
      throw said(error);
    }
  }

  private async made(): Promise<IDBDatabase> {
    const factory = this.factory?.();
    if (factory === undefined || factory === null) throw new NotKept("this browser keeps nothing");
    const request = factory.open(NAME, 1);
    request.onupgradeneeded = () => {
      const runs = request.result.createObjectStore("runs", { keyPath: ["who", "run"] });
      runs.createIndex("saved", "saved");
      request.result.createObjectStore("events", { keyPath: ["who", "run", "first"] });
    };
    let cancel = (): void => undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = this.time.after(PATIENCE, () => reject(new NotKept(`the storage did not open within ${PATIENCE} s`)));
    });
    try {
      const db = await Promise.race([done(request), late]);
      // Another tab wants to change the storage, or the user clears it: do not stand in the way.
      db.onversionchange = () => {
        db.close();
        this.opened = null;
      };
      db.onclose = () => {
        this.opened = null;
      };
      await this.clean(db);
      return db;
    } finally {
      cancel();
    }
  }

  /** Forget what nobody read for long, whoever it was kept for. */
  private async clean(db: IDBDatabase): Promise<void> {
    await this.within(db, "readwrite", async (runs, pieces) => {
      const old = IDBKeyRange.upperBound(this.time.now() - KEPT_DAYS * DAY, true);
      for (const key of await done(runs.index("saved").getAllKeys(old))) {
        runs.delete(key);
        pieces.delete(span(key as string[]));
      }
    });
  }

  private async within<const Value>(
    db: IDBDatabase,
    mode: IDBTransactionMode,
    work: (runs: IDBObjectStore, pieces: IDBObjectStore) => Promise<Value>,
  ): Promise<Value> {
    try {
      const transaction = db.transaction(["runs", "events"], mode);
      const over = new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new NotKept("the browser broke off"));
      });
      over.catch(() => undefined); // it is awaited below, unless the work fails first
      let value: Value;
      try {
        value = await work(transaction.objectStore("runs"), transaction.objectStore("events"));
      } catch (error) {
        abort(transaction);
        throw error;
      }
      await over;
      return value;
    } catch (error) {
      throw said(error);
    }
  }
}

/** Put rows together; null when they are not 1, 2, 3 … up to the place. */
function whole(row: RunRow, rows: readonly EventsRow[]): readonly Event[] | null {
  try {
    const events = rows.flatMap((one) => decodeEvents(one.events));
    return events.length === row.place && events.every((event, at) => event.seq === at + 1) ? events : null;
  } catch {
    return null;
  }
}

function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It has ended by itself, with the error that is being told.
  }
}

/** All keys that begin with these parts: an array sorts behind every text. */
function span(parts: readonly string[]): IDBKeyRange {
  return IDBKeyRange.bound([...parts], [...parts, []]);
}

function done<Value>(request: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function said(error: unknown): NotKept {
  if (error instanceof NotKept) return error;
  const name = error instanceof Error ? error.name : "";
  if (name === "QuotaExceededError") return new NotKept("the storage of this browser is full");
  if (name === "SecurityError" || name === "InvalidStateError") return new NotKept("the browser forbids its storage");
  return new NotKept(`the storage of this browser failed: ${error instanceof Error ? error.message : String(error)}`);
}
