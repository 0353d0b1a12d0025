/** JSON as Chord means it. Any key is data: members are reached through these two alone. */

/** A value of JSON. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** An object of JSON. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/**
 * What may be sent in place of JSON: also objects of interfaces, and members that are undefined, which are left out. A Date, a Map
 * and a function are none.
 */
export type Sendable<T> = T extends Json | undefined
  ? T
  : T extends (...args: never[]) => unknown
    ? never
    : T extends object
      ? { readonly [K in keyof T]: Sendable<T[K]> }
      : never;

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Undefined: there is none. Never what the object inherits. */
export function getMember(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Members that are undefined are left out, as JSON.stringify does. */
export function keysOf(object: JsonObject): string[] {
  return Object.keys(object).filter((key) => object[key] !== undefined);
}

/** For objects that the caller has made itself. Assignment would lose `__proto__`. */
export function setMember(object: JsonObject, key: string, value: Json): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    (object as Record<string, Json>)[key] = value;
  }
}

/** All of a value, in place; what is frozen already is not looked through. Answers it. */
export function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || !Object.isExtensible(value)) return value;
  for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}
