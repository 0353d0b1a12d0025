/** Documents from what is typed. */
import type { JsonObject } from '../../../clients/typescript/src/json.js';

export type ParsedDocument = { readonly value: JsonObject } | { readonly fault: string };

export function parseDocument(text: string): ParsedDocument {
  try {
    const value = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { value };
    return { fault: 'A document is a JSON object.' };
  } catch (error) {
    return { fault: (error as Error).message };
  }
}
