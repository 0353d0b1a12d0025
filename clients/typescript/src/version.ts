/** The client's own: a part of its user agent, and of the name of its spans. */
export const VERSION = '0.1.0';
