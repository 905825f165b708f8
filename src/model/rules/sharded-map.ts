/**
 * An immutable map whose edited copies share almost everything with it.
 *
 * Entries are spread over shards by a hash of their keys. An edit copies the list of shards and only those shards that it
 * changes. A lookup hashes the key and looks into an ordinary map.
 */
const shardCount = 1_024;

type Shard<Value> = ReadonlyMap<string, Value>;

export class ShardedMap<Value> {
  readonly #shards: readonly (Shard<Value> | undefined)[];
  readonly size: number;

  constructor(shards: readonly (Shard<Value> | undefined)[] = [], size = 0) {
    this.#shards = shards;
    this.size = size;
  }

  get(key: string): Value | undefined {
    return this.#shards[shardOf(key)]?.get(key);
  }

  edit(): ShardedMapEdit<Value> {
    return new ShardedMapEdit(this.#shards, this.size);
  }
}

/** Collects changes of a map. The map itself stays as it is. */
export class ShardedMapEdit<Value> {
  readonly #shards: (Shard<Value> | undefined)[];
  readonly #own = new Map<number, Map<string, Value>>();
  #size: number;

  constructor(shards: readonly (Shard<Value> | undefined)[], size: number) {
    this.#shards = shards.slice();
    this.#size = size;
  }

  get(key: string): Value | undefined {
    return this.#shards[shardOf(key)]?.get(key);
  }

  set(key: string, value: Value): void {
    const shard = this.#ownShard(shardOf(key));
    const sizeBefore = shard.size;
    shard.set(key, value);
    this.#size += shard.size - sizeBefore;
  }

  delete(key: string): void {
    if (this.get(key) !== undefined && this.#ownShard(shardOf(key)).delete(key)) this.#size -= 1;
  }

  finish(): ShardedMap<Value> {
    this.#own.clear();
    return new ShardedMap(this.#shards.slice(), this.#size);
  }

  #ownShard(number: number): Map<string, Value> {
    const known = this.#own.get(number);
    if (known !== undefined) return known;
    const own = new Map(this.#shards[number]);
    this.#own.set(number, own);
    while (this.#shards.length <= number) this.#shards.push(undefined);
    this.#shards[number] = own;
    return own;
  }
}

/** FNV-1a. */
function shardOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 16)) & (shardCount - 1);
}
