/** A signal that SIGINT (Ctrl-C) or SIGTERM aborts: the ordinary end of `watch`, `top` and other streams. */
export function interrupted(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}
