import { hasMember, isObject, type Json } from '../model/model.js';

/** Deep equality. Numbers compare by Object.is: -0 differs from 0, as on the wire. The order of keys does not count. */
export function equal(a: Json, b: Json): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a)) return Array.isArray(b) && equalLists(a, b);
  if (!isObject(a) || !isObject(b)) return false;

  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys) {
    if (!hasMember(b, key) || !equal(a[key]!, b[key]!)) return false;
  }
  return true;
}

function equalLists(a: readonly Json[], b: readonly Json[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (!equal(a[i]!, b[i]!)) return false;
  }
  return true;
}
