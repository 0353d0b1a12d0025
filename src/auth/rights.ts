/** The rights that rules grant. */
export const RIGHTS = ['read', 'write', 'watch', 'admin', 'export'] as const;
export type Right = (typeof RIGHTS)[number];

/** Those that a grant may limit to parts of documents: the others are of whole contexts. */
export const PART_RIGHTS: readonly Right[] = ['read', 'write', 'watch'];

/** A right applies to one context, or to all contexts whose ids begin with a prefix. */
export type RightScope = 'id' | 'prefix';
