/**
 * Bytes that this process has allocated on V8's heap, and how often garbage was collected. Between two collections the
 * used heap only grows, by what is allocated; what a collection frees or moves happens between the two readings that
 * `GCProfiler` takes of each. So the sum of the growth from each collection's end to the beginning of the next is exact.
 * Node's own counter, `total_allocated_bytes`, exists from Node 25 on only. Memory outside of the heap, that of
 * buffers, is not included.
 */
import { GCProfiler, getHeapStatistics } from "node:v8";

export interface Allocations {
  readonly bytesAllocated: number;
  /** Collections by V8's name of their kind, such as `Scavenge`. */
  readonly collections: Readonly<Record<string, number>>;
}

export class AllocationMeter {
  readonly #collections: Record<string, number> = {};
  #bytesAllocated = 0;
  #usedBytes: number;
  #profiler = new GCProfiler();

  constructor() {
    this.#usedBytes = getHeapStatistics().used_heap_size;
    this.#profiler.start();
  }

  /** Since the meter was made; the meter runs on. */
  read(): Allocations {
    const { statistics } = this.#profiler.stop();
    const usedBytes = getHeapStatistics().used_heap_size;
    this.#profiler = new GCProfiler();
    this.#profiler.start();
    for (const { gcType, beforeGC, afterGC } of statistics) {
      this.#bytesAllocated += beforeGC.heapStatistics.usedHeapSize - this.#usedBytes;
      this.#usedBytes = afterGC.heapStatistics.usedHeapSize;
      this.#collections[gcType] = (this.#collections[gcType] ?? 0) + 1;
    }
    this.#bytesAllocated += usedBytes - this.#usedBytes;
    this.#usedBytes = usedBytes;
    return { bytesAllocated: this.#bytesAllocated, collections: { ...this.#collections } };
  }
}
